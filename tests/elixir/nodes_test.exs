defmodule PresenceTest.NodesTest do
  @moduledoc "Two nodes of Lightning that are not connected to each other, with one presenced."
  use PresenceTest.Case

  @module "examples/lightning_presence.ex"

  @tag settings: [lease_seconds: 2]
  test "each node sees the other's people, and what it left behind when it died ends with its leases" do
    Presence.track_user_presence(user("1"), "w", self())
    joined("1")

    other = start_node()
    run(other, ~s|Presence.track_user_presence(%{id: "1"}, "w", tracked)|)
    run(other, ~s|Presence.track_user_presence(%{id: "2"}, "w", tracked)|)
    joined("2")

    seen = [{"1", 2}, {"2", 1}]
    assert people(Presence.list_presences_for("w")) == seen
    assert people(run(other, ~s|Presence.list_presences_for("w")|)) == seen

    # Killed: it can say nothing any more.
    stop(other)
    left("2")
    assert people(Presence.list_presences_for("w")) == [{"1", 1}]
  end

  test "on another node a diff is told to whoever tracks there, without Phoenix as a map" do
    other = start_node()
    Presence.track_user_presence(user("1"), "w", self())

    told =
      run(other, """
      Presence.subscribe("w")
      receive do
        %{event: "presence_diff", payload: %{joins: %{"1" => _}}} = told -> told
      end
      """)

    assert Map.keys(told) == [:event, :payload, :topic]
    assert %{topic: "workflow-w:presence", payload: %{joins: %{"1" => %{metas: [%{user: %{id: "1"}}]}}}} = told
    stop(other)
  end

  defp people(presences), do: for(presence <- presences, do: {presence.user.id, presence.active_sessions})

  # A node of its own, without distribution, which runs the module.
  defp start_node do
    paths = for path <- :code.get_path(), List.to_string(path) =~ "elixir", arg <- [~c"-pa", path], do: arg
    {:ok, node, _name} = :peer.start_link(%{connection: :standard_io, args: paths})
    {:ok, _started} = :peer.call(node, :application, :ensure_all_started, [:elixir])
    {:ok, _started} = :peer.call(node, :application, :ensure_all_started, [:logger])
    :peer.call(node, Code, :require_file, [Path.expand(@module)], 30_000)
    settings = Application.get_env(:lightning, Presence)
    :peer.call(node, Application, :put_env, [:lightning, Presence, settings])

    run(node, """
    starter = self()
    keeper = spawn(fn ->
      {:ok, _supervisor} = Presence.start_link()
      send(starter, :started)
      Process.sleep(:infinity)
    end)
    Process.register(keeper, :tracked)
    receive do: (:started -> :ok)
    """)

    node
  end

  defp run(node, code) do
    code = "alias Lightning.Workflows.Presence\ntracked = Process.whereis(:tracked)\n" <> code
    {value, _bindings} = :peer.call(node, Code, :eval_string, [code], 30_000)
    value
  end

  defp stop(node) do
    Process.unlink(node)
    os_process = :peer.call(node, :os, :getpid, [])
    {_output, 0} = System.cmd("kill", ["-KILL", List.to_string(os_process)])
  end
end
