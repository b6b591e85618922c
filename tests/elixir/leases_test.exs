defmodule PresenceTest.LeasesTest do
  @moduledoc "How long a session lasts: as long as its process, whatever else dies."
  use PresenceTest.Case

  test "who is tracked leaves with the process, however it ends" do
    Presence.subscribe("w")

    for exit <- [:normal, :shutdown, :kill] do
      tracked = spawn(fn -> receive do: (reason -> exit(reason)) end)
      Presence.track_user_presence(user("1"), "w", tracked)
      joined("1")
      if exit == :kill, do: Process.exit(tracked, :kill), else: send(tracked, exit)
      left("1")
      assert Presence.list_presences_for("w") == []
    end
  end

  test "a process that has ended already is not there for long" do
    Presence.subscribe("w")
    assert_receive %{event: "presence_diff"}, 10_000
    dead = idle()
    kill(dead)
    assert Presence.track_user_presence(user("1"), "w", dead) == :ok
    left("1")
  end

  @tag settings: [lease_seconds: 1]
  test "a lease is renewed for as long as it takes", %{server: server} do
    Presence.track_user_presence(user("1"), "w", self())
    lease = ~s({"user": {"id": "2"}, "lease_seconds": 3})
    assert {201, _session} = Server.request(server, :put, "w/sessions/not-renewed", lease)
    # The other's lease is over, and ours would have been three times.
    left("2")
    refute {:left, "1"} in heard()
    assert [%{user: %{id: "1"}}] = Presence.list_presences_for("w")
  end

  test "a lease's process may be killed, and nobody sees anyone leave" do
    tracked = idle()
    Presence.track_user_presence(user("1"), "w", tracked)
    joined("1")
    listed = Presence.list_presences_for("w")

    [lease] = processes(Presence.Leases)
    kill(lease)
    # Waits for the one that takes its place, and changes nothing.
    Presence.track_user_presence(user("1"), "w", tracked)
    assert Presence.list_presences_for("w") == listed
    assert [revived] = processes(Presence.Leases)
    assert revived != lease
    assert heard() == []

    kill(tracked)
    left("1")
  end

  test "the supervisor of the leases may be killed, and nobody sees anyone leave" do
    tracked = idle()
    Presence.track_user_presence(user("1"), "w", tracked)
    joined("1")
    listed = Presence.list_presences_for("w")

    supervisor = Process.whereis(Presence.Leases)
    kill(supervisor)
    # Told by the streams, which end with the leases and begin anew: from nobody.
    joined("1")
    assert Process.whereis(Presence.Leases) != supervisor
    assert Presence.list_presences_for("w") == listed
    assert heard() == []

    kill(tracked)
    left("1")
  end

  test "their names may be lost, and every lease can still be found to be ended" do
    tracked = idle()
    Presence.track_user_presence(user("1"), "w", tracked)
    joined("1")
    listed = Presence.list_presences_for("w")

    for {_id, partition, _type, _modules} <- Supervisor.which_children(Presence.Processes), do: kill(partition)
    joined("1")
    assert Presence.list_presences_for("w") == listed
    # Waits for the lease, where it is not named again yet.
    Presence.track_user_presence(user("1"), "w", tracked)
    Presence.untrack_user_presence(user("1"), "w", tracked)
    left("1")
    assert processes(Presence.Leases) == []
  end

  test "who was untracked is not brought back" do
    Presence.track_user_presence(user("1"), "w", self())
    Presence.track_user_presence(user("2"), "w", self())
    Presence.untrack_user_presence(user("1"), "w", self())
    left("1")
    kill(Process.whereis(Presence.Leases))
    joined("2")
    assert [%{user: %{id: "2"}}] = Presence.list_presences_for("w")
  end

  test "a node that stops takes its sessions along", %{server: server} do
    for id <- ["1", "2"], do: Presence.track_user_presence(user(id), "w", idle())
    assert {200, %{"sessions" => 2}} = Server.request(server, :get, "w/counts")
    :ok = stop_supervised(Presence)
    assert {200, %{"sessions" => 0}} = Server.request(server, :get, "w/counts")
  end
end
