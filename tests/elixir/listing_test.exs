defmodule PresenceTest.ListingTest do
  @moduledoc "Tracking, untracking, and who is listed then, function by function."
  use PresenceTest.Case

  import ExUnit.CaptureLog

  test "who is tracked is listed when tracking returns" do
    before = System.system_time(:microsecond)
    assert Presence.track_user_presence(user("1"), "w", self()) == :ok
    assert [presence] = Presence.list_presences_for("w")
    assert %Presence{user: %{id: "1"}, active_sessions: 1} = presence
    assert presence.joined_at in before..System.system_time(:microsecond)
    assert Presence.list_presences("w") == [presence]
  end

  test "a workflow and its id are one" do
    Presence.track_user_presence(user("1"), "w", self())
    workflow = %{id: "w", name: "A workflow"}
    assert Presence.list_presences_for(workflow) == Presence.list_presences_for("w")
    assert Presence.has_any_presence?(workflow)
    assert Presence.untrack_user_presence(user("1"), workflow, self()) == :ok
    refute Presence.has_any_presence?("w")
  end

  test "of a user four things are known outside Lightning, whatever is written in them" do
    user = %{user("1") | first_name: "Zoë \"Z\" \\ 😀\n", last_name: nil}
    Presence.track_user_presence(user, "w", self())
    assert [%{user: listed}] = Presence.list_presences_for("w")
    assert listed == Map.delete(user, :hashed_password)
  end

  test "any text may be an id" do
    log =
      capture_log(fn ->
        for id <- ["a/b", "ä ?#%41", "..;&="] do
          Presence.track_user_presence(user(id), id, self())
          joined(id)
          assert [%{user: %{id: ^id}}] = Presence.list_presences_for(id)
        end
      end)

    # They are presenced's answers, and not the node's own.
    assert log == ""
  end

  test "who is there in two processes is there once, with two sessions, since the first" do
    {first, second} = {idle(), idle()}
    Presence.track_user_presence(user("1"), "w", first)
    [%{joined_at: joined_at}] = Presence.list_presences_for("w")
    Presence.track_user_presence(user("1"), "w", second)
    assert [%{active_sessions: 2, joined_at: ^joined_at}] = Presence.list_presences_for("w")
    Presence.untrack_user_presence(user("1"), "w", second)
    assert [%{active_sessions: 1, joined_at: ^joined_at}] = Presence.list_presences_for("w")
  end

  test "one process is there once, however often it is tracked" do
    Presence.track_user_presence(user("1"), "w", self())
    listed = Presence.list_presences_for("w")
    assert Presence.track_user_presence(user("1"), "w", self()) == :ok
    assert Presence.list_presences_for("w") == listed
    Presence.untrack_user_presence(user("1"), "w", self())
    assert Presence.list_presences_for("w") == []
  end

  test "who is untracked can be tracked anew, and is then the last to have come" do
    Presence.track_user_presence(user("1"), "w", self())
    Presence.track_user_presence(user("2"), "w", idle())
    Presence.untrack_user_presence(user("1"), "w", self())
    Presence.track_user_presence(user("1"), "w", self())
    assert [%{user: %{id: "2"}}, %{user: %{id: "1"}}] = Presence.list_presences_for("w")
  end

  test "untracking who is not there is as good" do
    assert Presence.untrack_user_presence(user("1"), "w", self()) == :ok
    assert Presence.track_user_presence(user("1"), "w", self()) == :ok
    assert Presence.untrack_user_presence(user("1"), "w", idle()) == :ok
    assert Presence.untrack_user_presence(user("1"), "elsewhere", self()) == :ok
    assert [%{user: %{id: "1"}}] = Presence.list_presences_for("w")
  end

  test "lists are of one workflow, the earliest first" do
    for {id, workflow_id} <- [{"3", "w"}, {"1", "w"}, {"0", "v"}, {"2", "w"}] do
      Presence.track_user_presence(user(id), workflow_id, idle())
    end

    assert Enum.map(Presence.list_presences_for("w"), & &1.user.id) == ["3", "1", "2"]
  end

  test "who is on the canvas keeps the legacy editor locked and the REST API from saving", %{server: server} do
    refute Presence.has_any_presence?("w")
    canvas = Canvas.join(server, "1", "w")
    assert Presence.has_any_presence?("w")

    Presence.track_user_presence(user("2"), "w", self())
    assert has_priority?("2", "w") == false
    assert_receive {:canvas, "presence_diff", %{"joins" => %{"2" => %{"metas" => [meta]}}}}, 10_000
    assert %{"user" => %{"id" => "2", "first_name" => "F2"}, "joined_at" => _, "phx_ref" => _} = meta

    assert %{user: %{id: "1"}} = joined("1")
    Canvas.leave(canvas)
    assert %{user: %{id: "1"}} = left("1")
    assert has_priority?("2", "w")
  end

  defp has_priority?(user_id, workflow_id) do
    stand_in = Presence.new_user_presence(user(user_id), 0, 1)
    params = %{current_user: user(user_id), current_user_presence: stand_in, view_only_users_ids: []}
    Presence.build_presences_summary(Presence.list_presences_for(workflow_id), params).has_presence_edit_priority
  end
end
