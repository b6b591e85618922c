defmodule PresenceTest.TransportsTest do
  @moduledoc "The ways to presenced: a Unix socket, TLS, and what the environment names."
  use PresenceTest.Case

  import ExUnit.CaptureLog

  @moduletag :alone

  test "presenced may be behind a Unix socket" do
    path = Path.join(System.tmp_dir!(), "presenced-#{System.unique_integer([:positive])}.sock")
    on_exit(fn -> File.rm(path) end)
    used("unix:" <> path)
  end

  test "the environment says where it is, unless the configuration does" do
    server = Server.start()
    System.put_env(%{"PRESENCED_URL" => Server.url(server), "PRESENCED_TOKEN" => Server.token()})
    on_exit(fn -> for name <- ["PRESENCED_URL", "PRESENCED_TOKEN"], do: System.delete_env(name) end)
    start_supervised!(Presence)
    works(server)
  end

  test "a server that nobody vouches for hears nothing, and one that somebody does is used" do
    server = Server.start()
    {:ok, _started} = Application.ensure_all_started(:ssl)
    {authority, certificate} = certificates()
    {:ok, proxy} = :ssl.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}] ++ certificate)
    {:ok, {_ip, port}} = :ssl.sockname(proxy)
    "127.0.0.1:" <> api = server.api
    spawn_link(fn -> pass_on(proxy, String.to_integer(api)) end)

    configure("https://localhost:#{port}")
    start_supervised!(Presence)
    log = capture_log(fn -> Presence.track_user_presence(user("1"), "w", self()) end)
    assert log =~ "Unknown CA"
    assert {200, %{"sessions" => 0}} = Server.request(server, :get, "w/counts")

    configure("https://localhost:#{port}", ssl: [verify: :verify_peer, cacerts: authority])
    joined("1")
    works(server)
  end

  defp used(api) do
    server = Server.start(api)
    configure(server)
    start_supervised!(Presence)
    works(server)
  end

  defp works(server) do
    Presence.track_user_presence(user("2"), "w", self())
    joined("2")
    assert %{user: %{id: "2"}} = List.last(Presence.list_presences_for("w"))
    Canvas.join(server, "3", "w")
    joined("3")
  end

  # Passes each connection's bytes on to a port, both ways.
  defp pass_on(proxy, port) do
    {:ok, socket} = :ssl.transport_accept(proxy)

    passing =
      spawn(fn ->
        receive do: (:yours -> :ok)

        with {:ok, outer} <- :ssl.handshake(socket, 5_000) do
          {:ok, inner} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: true])
          :ssl.setopts(outer, active: true)
          relay(outer, inner)
        end
      end)

    :ok = :ssl.controlling_process(socket, passing)
    send(passing, :yours)
    pass_on(proxy, port)
  end

  defp relay(outer, inner) do
    receive do
      {:ssl, ^outer, bytes} -> :gen_tcp.send(inner, bytes)
      {:tcp, ^inner, bytes} -> :ssl.send(outer, bytes)
      _closed -> exit(:normal)
    end

    relay(outer, inner)
  end

  # An authority's certificates, and the options of a server for `localhost` that it vouches for.
  defp certificates do
    name = {:Extension, {2, 5, 29, 17}, false, [dNSName: ~c"localhost"]}
    key = {:namedCurve, :secp256r1}
    chain = %{root: [key: key], intermediates: [], peer: [key: key]}

    %{server_config: server, client_config: client} =
      :public_key.pkix_test_data(%{server_chain: %{chain | peer: [key: key, extensions: [name]]}, client_chain: chain})

    {client[:cacerts], server}
  end
end
