defmodule PresenceTest.Case do
  @moduledoc """
  Tests of `Lightning.Workflows.Presence` against a server of their own, with the module's supervisor running. With
  `@tag :alone` a test starts both itself.
  """
  use ExUnit.CaseTemplate

  alias Lightning.Workflows.Presence
  alias PresenceTest.Server

  using do
    quote do
      import PresenceTest.Case

      alias Lightning.Workflows.Presence
      alias PresenceTest.{Canvas, Server}
    end
  end

  setup context do
    on_exit(fn -> Application.delete_env(:lightning, Presence) end)
    if context[:alone], do: :ok, else: started(context)
  end

  @doc "Says where presenced is, and anything else that is to be configured."
  def configure(server_or_url, settings \\ []) do
    url = if is_binary(server_or_url), do: server_or_url, else: Server.url(server_or_url)
    Application.put_env(:lightning, Presence, [url: url, token: Server.token()] ++ settings)
  end

  @doc "A process that does nothing, which whoever is tracked can stand for, or that does this first and tells when."
  def idle(first \\ fn -> nil end) do
    starter = self()

    idle =
      spawn(fn ->
        first.()
        send(starter, {:idle, self()})
        Process.sleep(:infinity)
      end)

    assert_receive {:idle, ^idle}, 10_000
    idle
  end

  @doc "Ends a process at once, and returns when it is dead."
  def kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 10_000
  end

  @doc "A user with this id, as Lightning has them: of more than is known outside."
  def user(id) do
    %{id: id, first_name: "F" <> id, last_name: "L" <> id, email: id <> "@example.org", hashed_password: "secret"}
  end

  @doc "Waits for the diff in which this user joins; returns the meta."
  def joined(user_id) do
    assert_receive %{event: "presence_diff", payload: %{joins: %{^user_id => %{metas: [meta | _]}}}}, 15_000
    meta
  end

  @doc "Waits for the diff in which this user leaves; returns the meta."
  def left(user_id) do
    assert_receive %{event: "presence_diff", payload: %{leaves: %{^user_id => %{metas: [meta | _]}}}}, 15_000
    meta
  end

  @doc "Asks again and again until the answer is yes."
  def until(asked, tries \\ 400) do
    cond do
      asked.() -> :ok
      tries == 0 -> flunk("it did not come to be")
      true -> Process.sleep(25) && until(asked, tries - 1)
    end
  end

  @doc "What has been heard and not asked for yet, as `{:joined, user_id}` and `{:left, user_id}`."
  def heard do
    receive do
      %{event: "presence_diff", payload: %{joins: joins, leaves: leaves}} ->
        for({id, _} <- joins, do: {:joined, id}) ++ for({id, _} <- leaves, do: {:left, id}) ++ heard()
    after
      0 -> []
    end
  end

  @doc "The processes that keep leases or feeds."
  def processes(supervisor) do
    for {_id, pid, _type, _modules} <- DynamicSupervisor.which_children(supervisor), is_pid(pid), do: pid
  end

  defp started(context) do
    server = Server.start()
    configure(server, context[:settings] || [])
    start_supervised!(Presence)
    {:ok, server: server}
  end
end

ExUnit.start(timeout: 60_000, capture_log: true)
