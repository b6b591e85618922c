defmodule PresenceTest.OutagesTest do
  @moduledoc "What becomes of sessions, subscriptions and answers while presenced cannot be used, and after."
  use PresenceTest.Case

  import ExUnit.CaptureLog

  # Sooner than a lease is renewed of itself.
  @tag settings: [lease_seconds: 300]
  test "after presenced was killed and started again, everyone is back since when they came", %{server: server} do
    Presence.track_user_presence(user("1"), "w", self())
    %{joined_at: first} = joined("1")
    Presence.track_user_presence(user("2"), "w", idle())
    %{joined_at: second} = joined("2")

    Server.kill(server)
    server = Server.start(server.api)
    # It has forgotten everyone, and each subscriber hears of that too.
    left("1")
    assert %{joined_at: ^first} = joined("1")
    assert [%{user: %{id: "1"}, joined_at: ^first}, %{user: %{id: "2"}, joined_at: ^second}] = both("w")

    # Everything goes on.
    canvas = Canvas.join(server, "3", "w")
    joined("3")
    Canvas.leave(canvas)
    left("3")
  end

  @tag settings: [lease_seconds: 1]
  test "a session that nobody listens for is put anew when it is to be renewed", %{server: server} do
    tracked = idle()
    # Who tracks, and is subscribed, is gone at once.
    kill(idle(fn -> Presence.track_user_presence(user("1"), "w", tracked) end))
    [%{joined_at: joined_at}] = Presence.list_presences_for("w")

    Server.kill(server)
    server = Server.start(server.api)
    Canvas.join(server, "2", "w")

    # It may be there before the canvas is.
    unless Presence.list_presences_for("w") |> Enum.any?(&(&1.user.id == "1")) do
      assert_receive {:canvas, "presence_diff", %{"joins" => %{"1" => _}}}, 10_000
    end

    assert [%{user: %{id: "1"}, joined_at: ^joined_at}, _canvas] = Presence.list_presences_for("w")
  end

  test "what happened while a stream was cut off follows as one diff", %{server: server} do
    Presence.subscribe("w")
    assert_receive %{event: "presence_diff"}, 10_000
    Canvas.join(server, "1", "w")
    joined("1")
    [feed] = processes(Presence.Feeds)
    :sys.suspend(feed)
    # Cut off: it reads nothing of what follows, and then loses what it did not read.
    Process.exit(:sys.get_state(feed).reader, :kill)
    Canvas.join(server, "2", "w")
    :sys.resume(feed)
    joined("2")
    assert heard() == []
  end

  test "while presenced is away a node answers from its own sessions, and catches up later", %{server: server} do
    Server.kill(server)
    refute Presence.has_any_presence?("w")
    assert Presence.track_user_presence(user("1"), "w", self()) == :ok
    assert Presence.track_user_presence(user("1"), "w", idle()) == :ok
    assert Presence.track_user_presence(user("2"), "w", self()) == :ok
    assert Presence.has_any_presence?("w")
    refute Presence.has_any_presence?("elsewhere")

    assert [%{user: %{id: "1"}, active_sessions: 2} = first, %{user: %{id: "2"}, active_sessions: 1}] =
             Presence.list_presences_for("w")

    assert first.user == Map.delete(user("1"), :hashed_password)
    assert Presence.untrack_user_presence(user("2"), "w", self()) == :ok

    Server.start(server.api)
    joined("1")
    assert [%{user: %{id: "1"}, joined_at: joined_at}] = Presence.list_presences_for("w")
    assert joined_at >= first.joined_at
    refute {:joined, "2"} in heard()
  end

  # Only its `DELETE` can end the session, and only a probe can find out that nothing hangs any more.
  @tag settings: [lease_seconds: 300, timeout: 1_000]
  test "a presenced that hangs keeps the first waiting, and later hears of who has left", %{server: server} do
    Presence.track_user_presence(user("1"), "w", self())
    joined("1")
    Presence.track_user_presence(user("2"), "w", idle())
    joined("2")
    Server.pause(server)
    until(fn -> match?([_, _], Presence.list_presences_for("w")) and Presence.Memory.unreachable?() end)

    {microseconds, _answers} =
      :timer.tc(fn ->
        for _time <- 1..10 do
          assert Presence.has_any_presence?("w")
          assert Presence.track_user_presence(user("3"), "w", self()) == :ok
          assert [_, _, %{user: %{id: "3"}}] = Presence.list_presences_for("w")
          assert Presence.untrack_user_presence(user("3"), "w", self()) == :ok
        end

        assert Presence.untrack_user_presence(user("1"), "w", self()) == :ok
      end)

    # Of 41 calls, of which each would wait for a second.
    assert microseconds < 10_000_000
    Server.resume(server)
    left("1")
    until(fn -> not Presence.Memory.unreachable?() end)
    assert [%{user: %{id: "2"}}] = Presence.list_presences_for("w")
  end

  test "a presenced that is away is asked by nobody but a probe", %{server: server} do
    Server.kill(server)
    refute Presence.has_any_presence?("w")
    "127.0.0.1:" <> port = server.api
    {:ok, socket} = :gen_tcp.listen(String.to_integer(port), ip: {127, 0, 0, 1}, active: false, reuseaddr: true)
    for _time <- 1..10, do: refute(Presence.has_any_presence?("w"))
    {:ok, asked} = :gen_tcp.accept(socket, 10_000)
    assert {:ok, ~c"GET /api/v1/workflows/-/counts" ++ _rest} = :gen_tcp.recv(asked, 0, 10_000)
    # Until it is answered there is no second.
    assert :gen_tcp.accept(socket, 0) == {:error, :timeout}
    :gen_tcp.close(socket)
    :gen_tcp.close(asked)

    Server.start(server.api)
    until(fn -> not Presence.Memory.unreachable?() end)
  end

  test "what presenced refuses says nothing about other requests", %{server: server} do
    for status <- [400, 409, 413, 422, 429], do: Presence.Api.note_failure(status)
    # Longer than presenced takes.
    log = capture_log(fn -> Presence.track_user_presence(user(String.duplicate("i", 256)), "w", self()) end)
    assert log =~ "presenced refuses a request with status 422"
    refute log =~ "cannot be used"
    Presence.track_user_presence(user("2"), "w", self())
    assert {200, %{"sessions" => 1}} = Server.request(server, :get, "w/counts")
  end

  @tag :alone
  test "a presenced that does not answer keeps nobody waiting for long" do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    configure("http://127.0.0.1:#{port}", timeout: 200)
    start_supervised!(Presence)

    {microseconds, answer} =
      :timer.tc(fn ->
        :ok = Presence.track_user_presence(user("1"), "w", self())
        Presence.has_any_presence?("w")
      end)

    assert answer
    assert microseconds < 5_000_000
  end

  @tag :alone
  test "with a wrong token nobody is known but one's own, and the log warns once, without the token" do
    server = Server.start()

    log =
      capture_log(fn ->
        configure(server, token: "another")
        Application.put_env(:lightning, Presence, url: Server.url(server), token: "not-the-token")
        start_supervised!(Presence)
        assert Presence.track_user_presence(user("1"), "w", self()) == :ok
        assert [%{user: %{id: "1"}}] = Presence.list_presences_for("w")
        assert {200, %{"sessions" => 0}} = Server.request(server, :get, "w/counts")
        Presence.untrack_user_presence(user("1"), "w", self())
      end)

    assert length(String.split(log, "presenced cannot be used, and is asked again: 401")) == 2
    assert log =~ "presenced cannot say who is on workflow w: answered from this node's own sessions"
    refute log =~ "not-the-token"
  end

  test "the log tells when presenced is back", %{server: server} do
    Server.kill(server)

    log =
      capture_log(fn ->
        Presence.track_user_presence(user("1"), "w", self())
        Server.start(server.api)
        joined("1")
      end)

    assert [_before, between] = String.split(log, "presenced cannot be used, and is asked again:")
    assert between =~ "presenced can be used again"
  end

  @tag :alone
  test "a node that is not told where presenced is does not start" do
    Process.flag(:trap_exit, true)
    assert {:error, {%ArgumentError{message: message}, _stack}} = Presence.start_link()
    assert message =~ "PRESENCED_URL"
  end

  # Both come back with a lease of their own.
  defp both(workflow_id) do
    if length(Presence.list_presences_for(workflow_id)) < 2, do: joined("2")
    Presence.list_presences_for(workflow_id)
  end
end
