defmodule PresenceTest.FaultsTest do
  @moduledoc "What is wrong with one user, one workflow, one process or one setting, and whom it may not touch."
  use PresenceTest.Case

  import ExUnit.CaptureLog

  test "of a user whose names are no text the rest is known, and nobody beside it suffers", %{server: server} do
    supervisor = Process.whereis(Presence)
    Presence.track_user_presence(user("good"), "w", self())

    for {id, name} <- [{"1", 1.5}, {"2", :atom}, {"3", <<0xFF>>}, {"4", {}}] do
      odd = %{user(id) | first_name: name, last_name: name}
      assert Presence.track_user_presence(odd, "w", idle()) == :ok
    end

    assert {200, %{"sessions" => 5}} = Server.request(server, :get, "w/counts")
    assert [good | others] = Presence.list_presences_for("w")
    assert good.user == Map.delete(user("good"), :hashed_password)

    for presence <- others,
        do: assert(%{first_name: nil, last_name: nil, email: <<_, "@", _::binary>>} = presence.user)

    assert Process.whereis(Presence) == supervisor
  end

  test "who or what has no id of text or a whole number is passed over, which the log tells", %{server: server} do
    log =
      capture_log(fn ->
        for id <- [nil, "", 1.5, :atom, <<0xFF>>, {}] do
          assert Presence.track_user_presence(user("1"), %{id: id}, self()) == :ok
          assert Presence.untrack_user_presence(user("1"), %{id: id}, self()) == :ok
          assert Presence.subscribe(%{id: id}) == :ok
          assert Presence.unsubscribe(%{id: id}) == :ok
          assert Presence.list_presences_for(%{id: id}) == []
          refute Presence.has_any_presence?(%{id: id})
          assert Presence.track_user_presence(%{id: id}, "w", self()) == :ok
          assert Presence.untrack_user_presence(%{id: id}, "w", self()) == :ok
        end
      end)

    assert log =~ "a workflow whose id is neither text nor a whole number"
    assert log =~ "a user whose id is neither text nor a whole number"
    assert Presence.Memory.sessions() == []
    assert {200, %{"sessions" => 0}} = Server.request(server, :get, "w/counts")
  end

  test "a whole number is an id, and its text the same one" do
    Presence.track_user_presence(%{id: 7}, 8, self())
    assert [%{user: %{id: "7"}, active_sessions: 1}] = listed = Presence.list_presences_for("8")
    Presence.track_user_presence(%{id: "7"}, "8", self())
    assert Presence.list_presences_for(8) == listed

    stand_in = Presence.new_user_presence(%{id: 7}, 0, 1)
    params = %{current_user: %{id: 7}, current_user_presence: stand_in, view_only_users_ids: []}
    summary = Presence.build_presences_summary(listed, params)
    assert [summary.current_user_presence] == listed
    assert summary.has_presence_edit_priority

    others = [Presence.new_user_presence(%{id: "9"}, 1, 1)]
    summary = Presence.build_presences_summary(listed ++ others, %{params | view_only_users_ids: [9]})
    assert [summary.prior_user_presence] == listed

    Presence.untrack_user_presence(%{id: 7}, 8, self())
    assert Presence.list_presences_for(8) == []
  end

  test "a request that cannot be made is made when it can, and the log does not tell the token", %{server: server} do
    supervisor = Process.whereis(Presence)
    Application.put_env(:lightning, Presence, url: Server.url(server), token: "s3cret" <> <<0xFF>>)

    log =
      capture_log(fn ->
        assert Presence.track_user_presence(user("1"), "w", self()) == :ok
        assert [%{user: %{id: "1"}}] = Presence.list_presences_for("w")
      end)

    assert log =~ "a request to presenced cannot be made: UnicodeConversionError"
    refute log =~ "s3cret"
    configure(server)
    joined("1")
    assert Process.whereis(Presence) == supervisor
  end

  test "a lease that ends again and again never takes along a supervisor", %{server: server} do
    for id <- ["1", "2"], do: Presence.track_user_presence(user(id), "w", self())
    supervisors = for name <- [Presence, Presence.Leases, Presence.Feeds], do: Process.whereis(name)
    [session | _other] = Presence.Memory.sessions()

    for _time <- 1..1_100 do
      {_started, lease} = with {:error, started} <- Presence.Lease.start(session), do: started
      kill(lease)
    end

    assert supervisors == for(name <- [Presence, Presence.Leases, Presence.Feeds], do: Process.whereis(name))
    until(fn -> length(processes(Presence.Leases)) == 2 end)
    assert {200, %{"sessions" => 2}} = Server.request(server, :get, "w/counts")
  end

  @tag :alone
  test "numbers may be text, and empty text counts as unset" do
    for {seconds, understood} <- [{"7", 7}, {7, 7}, {"", 30}, {nil, 30}] do
      server = Server.start()
      configure(server, lease_seconds: seconds, timeout: "1500")
      start_supervised!(Presence)
      assert {Presence.Settings.lease_seconds(), Presence.Settings.timeout()} == {understood, 1500}
      Presence.track_user_presence(user("1"), "w", self())
      assert {200, %{"sessions" => 1}} = Server.request(server, :get, "w/counts")
      :ok = stop_supervised(Presence)
    end
  end

  @tag :alone
  test "with a setting that cannot be used a node does not start, and says which" do
    Process.flag(:trap_exit, true)

    for {setting, value} <-
          [lease_seconds: "30s", lease_seconds: 0, lease_seconds: 3601, lease_seconds: 1.5, timeout: -1, timeout: "x"] ++
            [url: "presenced:4001", url: "http://", url: "unix:", url: 4001, ssl: true, token: 5, token: <<0xFF>>] do
      settings = Keyword.put([url: "http://127.0.0.1:4001"], setting, value)
      Application.put_env(:lightning, Presence, settings)
      assert {:error, {%ArgumentError{message: message}, _stack}} = Presence.start_link()
      assert message =~ "config :lightning, Lightning.Workflows.Presence, #{setting} must be"
    end
  end
end
