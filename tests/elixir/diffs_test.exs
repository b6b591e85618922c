defmodule PresenceTest.DiffsTest do
  @moduledoc "What a subscriber hears, and for how long."
  use PresenceTest.Case

  test "whoever tracks hears everyone come and go, as Phoenix tells it" do
    Presence.track_user_presence(user("1"), "w", self())
    joined("1")
    other = idle()
    Presence.track_user_presence(user("2"), "w", other)

    assert_receive %{
                     topic: "workflow-w:presence",
                     event: "presence_diff",
                     payload: %{joins: %{"2" => joined}} = payload
                   },
                   10_000

    assert payload.leaves == %{}
    assert %{metas: [%{phx_ref: ref, joined_at: joined_at, user: user} = meta]} = joined
    assert map_size(meta) == 3
    assert user == Map.delete(user("2"), :hashed_password)
    assert [_, %{joined_at: ^joined_at}] = Presence.list_presences_for("w")

    kill(other)
    assert %{phx_ref: ^ref, user: ^user} = left("2")
  end

  test "the first diff is from nobody to who is there, even to nobody" do
    Presence.subscribe("w")
    assert_receive %{event: "presence_diff", payload: %{joins: joins, leaves: leaves}}, 10_000
    assert {joins, leaves} == {%{}, %{}}

    Presence.track_user_presence(user("1"), "w", idle())
    joined("1")
    # The stream that others use has told that already.
    later = idle(fn -> Presence.subscribe("w") end)
    assert Process.info(later, :message_queue_len) == {:message_queue_len, 0}
  end

  test "it is the caller who is subscribed, not who is tracked" do
    tracked = idle()
    Presence.track_user_presence(user("1"), "w", tracked)
    joined("1")
    assert Process.info(tracked, :message_queue_len) == {:message_queue_len, 0}
  end

  test "where Phoenix is there a diff is its broadcast" do
    Code.eval_string("defmodule Phoenix.Socket.Broadcast, do: defstruct [:topic, :event, :payload]")

    on_exit(fn ->
      :code.delete(Phoenix.Socket.Broadcast)
      :code.purge(Phoenix.Socket.Broadcast)
    end)

    Presence.subscribe("w")
    assert_receive %{__struct__: Phoenix.Socket.Broadcast, event: "presence_diff", payload: %{joins: %{}}}, 10_000
  end

  test "who has tracked twice hears once" do
    for _time <- 1..2, do: Presence.track_user_presence(user("1"), "w", self())
    joined("1")
    Presence.track_user_presence(user("2"), "w", self())
    joined("2")
    Presence.untrack_user_presence(user("2"), "w", self())
    left("2")
    # Twice would have been in between.
    assert heard() == []
  end

  test "who is untracked hears on, until it unsubscribes" do
    Presence.track_user_presence(user("1"), "w", self())
    joined("1")
    Presence.untrack_user_presence(user("1"), "w", self())
    left("1")
    Presence.track_user_presence(user("2"), "w", self())
    joined("2")

    Presence.unsubscribe("w")
    # Heard by somebody else, it would have been heard here.
    starter = self()

    spawn_link(fn ->
      Presence.track_user_presence(user("3"), "w", self())
      joined("3")
      send(starter, :told)
    end)

    assert_receive :told, 10_000
    assert heard() == []
  end

  test "a stream ends with its last subscriber" do
    [first, second] = for _which <- 1..2, do: idle(fn -> Presence.subscribe("w") end)
    [feed] = processes(Presence.Feeds)
    monitor = Process.monitor(feed)
    reader = monitor_reader(feed)
    Presence.track_user_presence(user("1"), "w", self())
    kill(first)
    Presence.unsubscribe("w")
    # It goes on for the second.
    assert Process.alive?(feed)
    kill(second)
    assert_receive {:DOWN, ^monitor, :process, ^feed, :normal}, 10_000
    assert_receive {:DOWN, ^reader, :process, _pid, :killed}, 10_000
  end

  test "streams are of one workflow each" do
    Presence.track_user_presence(user("1"), "w", self())
    Presence.track_user_presence(user("1"), "v", self())
    assert length(processes(Presence.Feeds)) == 2

    for topic <- ["workflow-w:presence", "workflow-v:presence"] do
      assert_receive %{topic: ^topic, payload: %{joins: %{"1" => _}}}, 10_000
    end
  end

  test "a stream that is killed is there again, and its connection is not left behind" do
    Presence.track_user_presence(user("1"), "w", self())
    joined("1")
    [feed] = processes(Presence.Feeds)
    reader = monitor_reader(feed)
    kill(feed)
    # From nobody, again.
    joined("1")
    Presence.track_user_presence(user("2"), "w", idle())
    joined("2")
    assert_receive {:DOWN, ^reader, :process, _pid, :killed}, 10_000
  end

  test "a subscription outlives the supervisor of the streams" do
    Presence.subscribe("w")
    assert_receive %{event: "presence_diff"}, 10_000
    kill(Process.whereis(Presence.Feeds))
    assert_receive %{event: "presence_diff"}, 10_000
    Presence.track_user_presence(user("1"), "w", idle())
    joined("1")
  end

  # Who has the connection.
  defp monitor_reader(feed), do: Process.monitor(:sys.get_state(feed).reader)
end
