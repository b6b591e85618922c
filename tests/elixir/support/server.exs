defmodule PresenceTest.Server do
  @moduledoc """
  A `presenced` under test, with its API on an address of its own. It is killed with the process that started it.
  """

  import ExUnit.Assertions

  @token "a-token-that-only-tests-may-know-40-byte"

  # Each line of its input is a signal for the server, and its end kills it; the server's own end is as good.
  @tied_to_its_input """
  exec 3<&0
  "$0" "$@" 3<&- & server=$!
  (while read -r signal <&3; do kill -$signal $server; done; kill -KILL $server) & reader=$!
  { wait $server; } 2>/dev/null; status=$?
  kill $reader 2>/dev/null
  exit $status
  """

  defstruct [:process, :port, :api]

  @doc "Starts a server; its API listens on `api`, an address as the flag takes it, or on a port that is free."
  def start(api \\ "127.0.0.1:#{free_port()}") do
    process =
      Port.open({:spawn_executable, "/bin/sh"}, [
        :binary,
        :exit_status,
        line: 1000,
        args: ["-c", @tied_to_its_input, System.fetch_env!("PRESENCED"), "--port", "0", "--api-listen-address", api],
        env: [{~c"API_TOKEN", String.to_charlist(@token)}, {~c"LOG", ~c"error"}]
      ])

    %__MODULE__{process: process, port: listening(process), api: api}
  end

  @doc "Kills the server, and returns once it is dead."
  def kill(%__MODULE__{process: process}) do
    Port.command(process, "KILL\n")
    assert_receive {^process, {:exit_status, _status}}, 10_000
  end

  @doc "Lets the server hang: connections are still taken for it, and nothing is answered."
  def pause(%__MODULE__{process: process}), do: Port.command(process, "STOP\n")

  @doc "Lets it go on."
  def resume(%__MODULE__{process: process}), do: Port.command(process, "CONT\n")

  @doc "What the API's clients need."
  def token, do: @token

  def url(%__MODULE__{api: "unix:" <> _path = url}), do: url
  def url(%__MODULE__{api: address}), do: "http://#{address}"

  @doc "A port that nothing listens on."
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "A request to the API that the module under test has no part in: the status of the answer, and its JSON."
  def request(server, method, path, body \\ "") do
    url = String.to_charlist(url(server) <> "/api/v1/workflows/" <> path)
    headers = [{~c"authorization", String.to_charlist("Bearer " <> @token)}]
    request = if method == :put, do: {url, headers, ~c"application/json", body}, else: {url, headers}
    {:ok, {{_version, status, _reason}, _headers, answer}} = :httpc.request(method, request, [], body_format: :binary)
    {status, with({:ok, json} <- Lightning.Workflows.Presence.Json.decode(answer), do: json)}
  end

  defp listening(process, written \\ []) do
    receive do
      {^process, {:data, {:eol, "listening on 127.0.0.1:" <> port}}} -> String.to_integer(port)
      {^process, {:data, {_end, line}}} -> listening(process, [line | written])
      {^process, {:exit_status, status}} -> flunk("presenced ended with #{status}: #{inspect(Enum.reverse(written))}")
    after
      10_000 -> flunk("presenced does not listen: #{inspect(Enum.reverse(written))}")
    end
  end
end
