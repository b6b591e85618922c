defmodule PresenceTest.SummaryTest do
  @moduledoc "Who may edit, of those who are there."
  use ExUnit.Case

  alias Lightning.Workflows.Presence

  test "a presence has no session unless some are named" do
    assert Presence.new_user_presence(%{id: "1"}, 5) ==
             %Presence{user: %{id: "1"}, joined_at: 5, active_sessions: 0}

    assert Presence.new_user_presence(%{id: "1"}, 5, 2).active_sessions == 2
  end

  test "everyone is there, those who may only look too, the earliest first" do
    summary = summary([{"1", 30, 1}, {"2", 10, 1}, {"3", 20, 1}], "1", ["2"])
    assert Enum.map(summary.presences, & &1.user.id) == ["2", "3", "1"]

    assert Map.keys(summary) |> Enum.sort() ==
             [:current_user_presence, :has_presence_edit_priority, :presences, :prior_user_presence]
  end

  test "the first of those who may do more than look is prior, and may edit" do
    presences = [{"1", 10, 1}, {"2", 20, 1}, {"3", 30, 1}]

    assert %{prior_user_presence: %{user: %{id: "1"}}, has_presence_edit_priority: true} =
             summary(presences, "1", ["2"])

    assert %{prior_user_presence: %{user: %{id: "1"}}, has_presence_edit_priority: false} =
             summary(presences, "3", ["2"])

    assert %{prior_user_presence: %{user: %{id: "2"}}, has_presence_edit_priority: true} =
             summary(presences, "2", ["1"])
  end

  test "in two tabs nobody may edit, and stays prior" do
    presences = [{"1", 10, 2}, {"2", 20, 1}]

    assert %{prior_user_presence: %{user: %{id: "1"}}, has_presence_edit_priority: false} =
             summary(presences, "1", [])

    assert %{has_presence_edit_priority: false} = summary(presences, "2", [])
  end

  test "where all may only look, everyone is prior to themselves" do
    presences = [{"1", 10, 1}, {"2", 20, 1}]

    for id <- ["1", "2"] do
      assert %{prior_user_presence: %{user: %{id: ^id}}, has_presence_edit_priority: true} =
               summary(presences, id, ["1", "2"])
    end
  end

  test "who is not listed yet is stood in for" do
    assert summary([], "1", []) == %{
             presences: [],
             prior_user_presence: stand_in("1"),
             current_user_presence: stand_in("1"),
             has_presence_edit_priority: true
           }

    assert %{current_user_presence: %{user: %{id: "1"}}, has_presence_edit_priority: false} =
             summary([{"2", 20, 1}], "1", [])
  end

  defp summary(presences, user_id, view_only) do
    presences =
      for {id, joined_at, sessions} <- presences, do: Presence.new_user_presence(%{id: id}, joined_at, sessions)

    # As a LiveView's assigns are: with more in them.
    Presence.build_presences_summary(presences, %{
      current_user: %{id: user_id},
      current_user_presence: stand_in(user_id),
      view_only_users_ids: view_only,
      page_title: "A workflow"
    })
  end

  defp stand_in(id), do: Presence.new_user_presence(%{id: id}, 99, 1)
end
