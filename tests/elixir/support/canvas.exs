defmodule PresenceTest.Canvas do
  @moduledoc """
  Someone on a workflow's canvas: a channel of the real protocol, by long poll, in a process that tells its starter
  `{:canvas, event, payload}` of each presence message.
  """

  alias Lightning.Workflows.Presence.Json

  @doc "Joins; returns when the canvas has its `presence_state`."
  def join(server, user_id, workflow_id) do
    starter = self()
    canvas = spawn_link(fn -> server |> open(user_id) |> live("workflow:collaborate:" <> workflow_id, starter) end)

    receive do
      {:canvas, "presence_state", _presences} -> canvas
    after
      10_000 -> ExUnit.Assertions.flunk("the canvas was not joined")
    end
  end

  @doc "Leaves the channel."
  def leave(canvas), do: send(canvas, :leave)

  defp open(server, user_id) do
    url = "http://127.0.0.1:#{server.port}/socket/longpoll?vsn=2.0.0&user_id=#{user_id}"
    %{"status" => 410, "token" => token} = request(:get, url)
    url <> "&token=" <> URI.encode_www_form(token)
  end

  defp live(url, topic, starter) do
    post(url, ~s(["1","1","#{topic}","phx_join",{"project_id":"p1","action":"edit"}]))
    hear(url, topic, starter)
  end

  defp hear(url, topic, starter) do
    poll = Task.async(fn -> request(:get, url) end)
    messages = answer(poll, url, topic)["messages"] || []

    for message <- messages,
        {:ok, [_join, _ref, ^topic, "presence_" <> _ = event, payload]} <- [Json.decode(message)] do
      send(starter, {:canvas, event, payload})
    end

    hear(url, topic, starter)
  end

  # Somebody may leave while the poll waits.
  defp answer(%Task{ref: ref} = poll, url, topic) do
    receive do
      {^ref, answer} ->
        Process.demonitor(ref, [:flush])
        answer

      :leave ->
        post(url, ~s(["1","2","#{topic}","phx_leave",{}]))
        answer(poll, url, topic)
    end
  end

  defp post(url, message), do: %{"status" => 200} = request(:post, url, message)

  defp request(method, url, body \\ nil) do
    url = String.to_charlist(url)
    headers = [{~c"connection", ~c"close"}]
    request = if body, do: {url, headers, ~c"application/json", body}, else: {url, headers}
    {:ok, {{_version, 200, _reason}, _headers, answer}} = :httpc.request(method, request, [], body_format: :binary)
    {:ok, answer} = Json.decode(answer)
    answer
  end
end
