defmodule Lightning.Workflows.Presence do
  @moduledoc """
  Who is on which workflow: Lightning's own module of this name, kept by `presenced` and reached over its HTTP API, so
  that those who share a workflow's canvas there and those who have it open here are seen as one.

  This file stands where `lib/lightning/workflows/presence.ex` stood, and in the supervision tree where it was. It needs
  Elixir 1.14 and OTP 25 or later, and no package; `extra_applications` must name `:inets` and `:ssl`.

  ## Configuration

      config :lightning, Lightning.Workflows.Presence,
        url: "http://127.0.0.1:4001",
        token: System.get_env("PRESENCED_TOKEN")

  | key | variable | |
  |---|---|---|
  | `url` | `PRESENCED_URL` | where presenced serves its API: `http://` or `https://`, over IPv4, or `unix:` and a path |
  | `token` | `PRESENCED_TOKEN` | its `API_TOKEN`, where it has one |
  | `timeout` | | for which a request waits to be connected, and again to be answered: 2000 ms |
  | `lease_seconds` | | after which a session that is not renewed is over: 30 |
  | `ssl` | | options of Erlang's `:ssl`; without them, the system's certificates vouch for an `https://` server |

  ## What is promised

  * **A session lasts as long as its process.** Each process, workflow and user has a lease, renewed at each third of its
    time. It ends with the process, with `untrack_user_presence/3`, and with this node.
  * **It is kept through failures.** A session that presenced no longer knows, since it was started again, is put there
    anew with its first `joined_at`: at once where somebody here is subscribed to the workflow, else when it is to be
    renewed. The processes of this module may be killed, and take up where they were. A caller is never linked to them.
  * **Who tracks is subscribed.** As in Lightning that is the calling process, and not the one that is tracked. It gets
    every `presence_diff` until it ends or calls `unsubscribe/1`, once each, however often it has tracked.
  * **No change goes unheard.** A node has one stream for each workflow that anybody here is subscribed to. Its first
    message is a diff from nobody to everyone who is there, even where that is nobody: a list read before it may have
    missed somebody. What happened while it was cut off follows, as one diff, when it is connected again.

  ## What a subscriber gets

  A `%Phoenix.Socket.Broadcast{}` where Phoenix is there, else a map of the same fields:

      %{topic: "workflow-<id>:presence", event: "presence_diff", payload: %{joins: presences, leaves: presences}}

  with presences as Phoenix has them on its server side, `%{"user id" => %{metas: [meta]}}`, and a meta
  `%{phx_ref: "…", user: user, joined_at: microseconds}`. What a meta holds beside these has its name as text.

  A `user`, here and in lists, is a map of `id`, `first_name`, `last_name` and `email`, whatever was tracked: only these
  four leave Lightning, and a `%User{}` with all else at its default would say what nobody knows.

  ## When presenced cannot be reached

  The log warns once, and tells when it is back. Nothing raises.

  * Tracking and untracking answer `:ok`. A lease keeps trying; a session whose end could not be told is over when its
    lease is.
  * Lists, and `has_any_presence?/1`, are of the sessions that this node has itself, as with Phoenix.Presence on a node
    that is cut off from the others; each such answer is a line in the log. For the REST API's 409 that is the better
    mistake: it only spares an open editor a surprise, while `lock_version` keeps its work from being overwritten. To
    answer that somebody is there would refuse every change of every workflow for as long as presenced is away.

  ## What it has not

  Phoenix.Presence's own functions, such as `track/4`, `update/4`, `list/1`, `get_by_key/2` and the callback `fetch/2`:
  Lightning calls none of them from outside. The first versions of Lightning's module took a topic where this one takes a
  workflow or its id.
  """
  use Supervisor

  require Logger

  alias __MODULE__.{Api, Feed, Lease, Memory}

  defstruct [:user, :joined_at, active_sessions: 0]

  @typedoc "A user on a workflow, whatever the number of tabs; `joined_at` in microseconds of Unix time."
  @type t :: %__MODULE__{user: user, joined_at: integer, active_sessions: non_neg_integer}

  @typedoc "Who: a `%User{}`, or any map with an `id`."
  @type user :: %{
          required(:id) => term,
          optional(:first_name) => String.t() | nil,
          optional(:last_name) => String.t() | nil,
          optional(:email) => String.t() | nil,
          optional(atom) => term
        }

  @typedoc "A `%Workflow{}`, any map with an `id`, or the id alone."
  @type workflow_or_id :: %{required(:id) => String.t(), optional(atom) => term} | String.t()

  @doc "Starts what leases and subscriptions need. Raises where it is not known how presenced is reached."
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(_options \\ []), do: Supervisor.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "A presence; no listing ever has one with no session."
  @spec new_user_presence(user, integer, non_neg_integer) :: t
  def new_user_presence(user, joined_at, active_sessions \\ 0) do
    %__MODULE__{user: user, joined_at: joined_at, active_sessions: active_sessions}
  end

  @doc """
  Puts a user on a workflow, since now and until `pid` ends, and subscribes the calling process to the workflow. When it
  returns the user is listed, unless presenced cannot be reached. A session that is there already stays as it was.
  """
  @spec track_user_presence(user, workflow_or_id, pid) :: :ok
  def track_user_presence(user, workflow_or_id, pid) do
    workflow_id = id_of(workflow_or_id)
    Feed.subscribe(workflow_id)
    Lease.take(workflow_id, user(user), pid)
  end

  @doc "Takes that session off the workflow. The caller stays subscribed, as with Phoenix."
  @spec untrack_user_presence(user, workflow_or_id, pid) :: :ok
  def untrack_user_presence(user, workflow_or_id, pid) do
    Lease.give_back(id_of(workflow_or_id), user(user), pid)
  end

  @doc "Subscribes the calling process to a workflow's diffs without putting anybody there; twice is once."
  @spec subscribe(workflow_or_id) :: :ok
  def subscribe(workflow_or_id), do: Feed.subscribe(id_of(workflow_or_id))

  @doc "Ends the calling process's subscription, if it has one."
  @spec unsubscribe(workflow_or_id) :: :ok
  def unsubscribe(workflow_or_id), do: Feed.unsubscribe(id_of(workflow_or_id))

  @doc "Everyone on a workflow, one presence a user, with the time of the user's first session; the earliest first."
  @spec list_presences_for(workflow_or_id) :: [t]
  def list_presences_for(workflow_or_id) do
    workflow_id = id_of(workflow_or_id)

    presences =
      case Api.presences(workflow_id) do
        {:ok, listed} ->
          for %{"user" => user, "joined_at" => joined_at, "active_sessions" => active_sessions} <- listed do
            new_user_presence(user(user), joined_at, active_sessions)
          end

        {:error, _reason} ->
          warn_of_own_sessions(workflow_id)
          workflow_id |> Memory.sessions() |> own_presences()
      end

    Enum.sort_by(presences, & &1.joined_at)
  end

  @doc "The older name of `list_presences_for/1`."
  @spec list_presences(workflow_or_id) :: [t]
  def list_presences(workflow_or_id), do: list_presences_for(workflow_or_id)

  @doc "Whether anybody is on a workflow, in whatever way: someone who may only look counts too."
  @spec has_any_presence?(workflow_or_id) :: boolean
  def has_any_presence?(workflow_or_id) do
    workflow_id = id_of(workflow_or_id)

    case Api.has_any_presence(workflow_id) do
      {:ok, answer} ->
        answer

      {:error, _reason} ->
        warn_of_own_sessions(workflow_id)
        Memory.sessions(workflow_id) != []
    end
  end

  @doc """
  Ranks everyone on a workflow and tells whether the current user may edit: who is there first may, of those who may do
  more than look, and in one tab only.

  Of `params` it takes `current_user`, `current_user_presence`, which stands in while the user is not listed yet, and
  `view_only_users_ids`. A LiveView's assigns will do.
  """
  @spec build_presences_summary([t], map) :: %{
          presences: [t],
          prior_user_presence: t,
          current_user_presence: t,
          has_presence_edit_priority: boolean
        }
  def build_presences_summary(presences, params) do
    %{current_user: current_user, current_user_presence: stand_in, view_only_users_ids: view_only} = params
    presences = Enum.sort_by(presences, & &1.joined_at)
    current = Enum.find(presences, stand_in, &(&1.user.id == current_user.id))
    prior = Enum.find(presences, current, &(&1.user.id not in view_only))

    %{
      presences: presences,
      prior_user_presence: prior,
      current_user_presence: current,
      has_presence_edit_priority: current.user.id == prior.user.id and current.active_sessions <= 1
    }
  end

  @doc false
  # What may be known of a user outside Lightning.
  def user(%{"id" => id} = json) do
    %{id: id, first_name: json["first_name"], last_name: json["last_name"], email: json["email"]}
  end

  def user(%{id: id} = user) do
    names = Map.new([:first_name, :last_name, :email], &{&1, Map.get(user, &1)})
    Map.put(names, :id, to_string(id))
  end

  @doc false
  # What `Lightning.Workflows.Presence.Lease` and `Lightning.Workflows.Presence.Feed` run on. Whatever dies, `:revive`
  # is the last to start again, and brings back what the memory has.
  @impl Supervisor
  def init(nil) do
    Api.start!()
    Memory.start()

    children = [
      {Registry, keys: :unique, name: __MODULE__.Processes},
      {DynamicSupervisor, name: __MODULE__.Leases, max_restarts: 1_000},
      {DynamicSupervisor, name: __MODULE__.Feeds, max_restarts: 1_000},
      %{id: :revive, start: {__MODULE__, :revive, []}}
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end

  @doc false
  def revive do
    Enum.each(Memory.sessions(), &Lease.start/1)
    Enum.each(Memory.subscribed_workflows(), &Feed.start/1)
    :ignore
  end

  defp own_presences(sessions) do
    for {_user_id, sessions} <- Enum.group_by(sessions, & &1.user.id) do
      first = Enum.min_by(sessions, & &1.joined_at)
      new_user_presence(first.user, first.joined_at, length(sessions))
    end
  end

  defp warn_of_own_sessions(workflow_id) do
    Logger.warning("presenced cannot say who is on workflow #{workflow_id}: answered from this node's own sessions")
  end

  defp id_of(%{id: id}), do: id_of(id)
  defp id_of(id) when is_binary(id), do: id
end

defmodule Lightning.Workflows.Presence.Memory do
  @moduledoc false
  # What this node must not forget: its sessions, its subscriptions, and whether presenced could be reached. A table of
  # the top supervisor, so that it outlives every process below.
  #
  # A session is `%{id, workflow_id, user, pid, joined_at}`.

  @table __MODULE__

  def start, do: :ets.new(@table, [:ordered_set, :public, :named_table, read_concurrency: true])

  # The session of these three, which is as it was where there is one already.
  def session(workflow_id, user, pid) do
    key = {:session, workflow_id, user.id, pid}
    id = Base.url_encode64(:crypto.strong_rand_bytes(16), padding: false)
    joined_at = System.system_time(:microsecond)
    new = %{id: id, workflow_id: workflow_id, user: user, pid: pid, joined_at: joined_at}
    if :ets.insert_new(@table, {key, new}), do: new, else: :ets.lookup_element(@table, key, 2)
  end

  def has_session?(session), do: :ets.lookup(@table, key(session)) == [{key(session), session}]

  def forget_session(session), do: :ets.delete_object(@table, {key(session), session})

  # The session that was there, or `nil`.
  def take_session(workflow_id, user, pid) do
    with [{_key, session}] <- :ets.take(@table, {:session, workflow_id, user.id, pid}), do: session, else: ([] -> nil)
  end

  def sessions(workflow_id \\ :_), do: values({{:session, workflow_id, :_, :_}, :"$1"})

  def remember_subscription(workflow_id, pid), do: :ets.insert(@table, {{:subscription, workflow_id, pid}})

  def forget_subscription(workflow_id, pid), do: :ets.delete(@table, {:subscription, workflow_id, pid})

  def subscribers(workflow_id), do: values({{:subscription, workflow_id, :"$1"}})

  def subscribed_workflows, do: Enum.uniq(values({{:subscription, :"$1", :_}}))

  # True where that is news.
  def note_unreachable, do: :ets.insert_new(@table, {:unreachable})

  # True where that is news.
  def note_reachable, do: :ets.take(@table, :unreachable) != []

  defp key(session), do: {:session, session.workflow_id, session.user.id, session.pid}

  defp values(pattern), do: List.flatten(:ets.match(@table, pattern))
end

defmodule Lightning.Workflows.Presence.Lease do
  @moduledoc false
  # One session at presenced, from its first `PUT` to its `DELETE`. A process that is killed is started again with the
  # same session, and so nobody sees it leave.

  use GenServer, restart: :transient

  alias Lightning.Workflows.Presence.{Api, Leases, Memory, Processes}

  # Returns once presenced has been told, or could not be.
  def take(workflow_id, user, pid), do: workflow_id |> Memory.session(user, pid) |> hold()

  # Returns once presenced has been told, or could not be.
  def give_back(workflow_id, user, pid) do
    if session = Memory.take_session(workflow_id, user, pid), do: GenServer.stop(name(session), :normal, :infinity)
    :ok
  catch
    :exit, _it_has_ended -> :ok
  end

  def start(session), do: DynamicSupervisor.start_child(Leases, {__MODULE__, session})

  # For when presenced may have been started again.
  def renew_all(workflow_id) do
    for session <- Memory.sessions(workflow_id), lease = GenServer.whereis(name(session)), do: send(lease, :tell)
  end

  # A lease that was killed meanwhile is there again. Where the supervisor is away, the memory brings it back.
  defp hold(session) do
    lease =
      case start(session) do
        {:ok, lease} -> lease
        {:error, {:already_started, lease}} -> lease
        :ignore -> nil
      end

    if lease && not told?(lease) && Memory.has_session?(session), do: hold(session), else: :ok
  catch
    :exit, _reason -> :ok
  end

  defp told?(lease) do
    GenServer.call(lease, :told, :infinity)
  catch
    :exit, _reason -> false
  end

  def start_link(session), do: GenServer.start_link(__MODULE__, session, name: name(session))

  @impl GenServer
  def init(session) do
    Process.flag(:trap_exit, true)

    if Memory.has_session?(session) do
      Process.monitor(session.pid)
      {:ok, %{session: session, put: false, failures: 0, timer: nil}, {:continue, :tell}}
    else
      :ignore
    end
  end

  @impl GenServer
  def handle_continue(:tell, state), do: {:noreply, tell(state)}

  @impl GenServer
  def handle_call(:told, _from, state), do: {:reply, true, state}

  @impl GenServer
  def handle_info(:tell, state), do: {:noreply, tell(state)}
  def handle_info({:DOWN, _monitor, :process, _pid, _reason}, state), do: {:stop, :normal, state}
  # The registry's: it has lost the name.
  def handle_info({:EXIT, _registry, _reason}, state), do: {:stop, :nameless, state}

  # Where it fails it is started again, and presenced need not know.
  @impl GenServer
  def terminate(:normal, %{session: session}) do
    Memory.forget_session(session)
    Api.delete_session(session)
  end

  def terminate(:shutdown, %{session: session}), do: Api.delete_session(session)
  def terminate(_failure, _state), do: :ok

  defp tell(state) do
    told = if state.put, do: Api.renew_session(state.session), else: Api.put_session(state.session)

    case told do
      {:ok, _answer} ->
        tell_in(third(), %{state | put: true, failures: 0})

      {:error, 404} when state.put ->
        tell(%{state | put: false})

      {:error, _reason} ->
        tell_in(min(Api.patience(state.failures), third()), %{state | failures: state.failures + 1})
    end
  end

  defp tell_in(milliseconds, state) do
    if state.timer, do: Process.cancel_timer(state.timer)
    %{state | timer: Process.send_after(self(), :tell, milliseconds)}
  end

  defp third, do: div(Api.lease_seconds() * 1000, 3)

  # Of the supervisor too: who outlives one that is killed, for a moment, is in nobody's way.
  defp name(session), do: {:via, Registry, {Processes, {Process.whereis(Leases), session.id}}}
end

defmodule Lightning.Workflows.Presence.Feed do
  @moduledoc false
  # A workflow's stream of server-sent events, for everyone on this node who is subscribed to it. It ends with the last
  # of them.
  #
  # What it knows is `%{{key, phx_ref} => meta}`.

  use GenServer, restart: :transient

  alias Lightning.Workflows.Presence
  alias Lightning.Workflows.Presence.{Api, Feeds, Json, Lease, Memory, Processes, Reader}

  def subscribe(workflow_id) do
    Memory.remember_subscription(workflow_id, self())
    join(workflow_id)
  end

  def unsubscribe(workflow_id) do
    Memory.forget_subscription(workflow_id, self())
    GenServer.cast(name(workflow_id), {:unsubscribed, self()})
  end

  def start(workflow_id), do: DynamicSupervisor.start_child(Feeds, {__MODULE__, workflow_id})

  # A feed that has just lost its last subscriber ends, and another takes its place. Where their supervisor is away,
  # the memory brings the subscription back.
  defp join(workflow_id) do
    case start(workflow_id) do
      {:error, {:already_started, feed}} -> if not joined?(feed), do: join(workflow_id)
      _started -> :ok
    end

    :ok
  catch
    :exit, _reason -> :ok
  end

  defp joined?(feed) do
    GenServer.call(feed, {:subscribed, self()})
  catch
    :exit, _reason -> false
  end

  def start_link(workflow_id), do: GenServer.start_link(__MODULE__, workflow_id, name: name(workflow_id))

  @impl GenServer
  def init(workflow_id) do
    Process.flag(:trap_exit, true)

    case Memory.subscribers(workflow_id) do
      [] ->
        :ignore

      subscribers ->
        monitors = Map.new(subscribers, &{&1, Process.monitor(&1)})
        state = %{workflow_id: workflow_id, monitors: monitors, known: nil, reader: nil, text: "", failures: 0}
        {:ok, state, {:continue, :connect}}
    end
  end

  @impl GenServer
  def handle_continue(:connect, state), do: {:noreply, connect(state)}

  @impl GenServer
  def handle_call({:subscribed, pid}, _from, state) do
    {:reply, true, update_in(state.monitors, &Map.put_new_lazy(&1, pid, fn -> Process.monitor(pid) end))}
  end

  @impl GenServer
  def handle_cast({:unsubscribed, pid}, state), do: without(pid, state)

  @impl GenServer
  def handle_info({:DOWN, _monitor, :process, pid, _reason}, state) do
    Memory.forget_subscription(state.workflow_id, pid)
    without(pid, state)
  end

  def handle_info({:read, reader, chunk}, %{reader: reader} = state), do: {:noreply, hear(chunk, state)}
  def handle_info({:EXIT, reader, reason}, %{reader: reader} = state), do: {:noreply, cut_off(reason, state)}
  def handle_info(:connect, state), do: {:noreply, connect(state)}
  def handle_info({:read, _earlier_reader, _chunk}, state), do: {:noreply, state}
  # The registry's: it has lost the name.
  def handle_info({:EXIT, _registry, _reason}, state), do: {:stop, :nameless, state}

  @impl GenServer
  def terminate(_reason, state), do: Reader.stop(state.reader)

  defp without(pid, state) do
    {monitor, monitors} = Map.pop(state.monitors, pid)
    if monitor, do: Process.demonitor(monitor, [:flush])
    state = %{state | monitors: monitors}
    if monitors == %{}, do: {:stop, :normal, state}, else: {:noreply, state}
  end

  defp connect(state), do: %{state | reader: Reader.start_link(state.workflow_id), text: ""}

  defp cut_off(reason, state) do
    Reader.stop(state.reader)
    # Streams end when presenced stops, and where it sheds a slow reader.
    if reason != {:shutdown, :closed}, do: Api.note_failure(reason)
    Process.send_after(self(), :connect, Api.patience(state.failures))
    %{state | reader: nil, failures: state.failures + 1}
  end

  defp hear(chunk, state) do
    {events, [rest]} = (state.text <> chunk) |> String.split("\n\n") |> Enum.split(-1)
    Enum.reduce(events, %{state | text: rest}, &take(event(&1), &2))
  end

  # The event of a block of a stream, as `{name, data}`; `nil` for a comment, `:error` for what cannot be read.
  defp event(block) do
    fields =
      for line <- String.split(block, "\n"), [name, value] <- [String.split(line, ":", parts: 2)] do
        {name, String.trim_leading(value, " ")}
      end

    with {"event", name} <- List.keyfind(fields, "event", 0), {"data", data} <- List.keyfind(fields, "data", 0) do
      with {:ok, data} <- Json.decode(data), do: {name, data}
    end
  end

  defp take({"presence_state", presences}, state) do
    fresh = entries(presences)
    known = state.known || %{}
    joins = Map.drop(fresh, Map.keys(known))
    leaves = Map.drop(known, Map.keys(fresh))
    Api.note_success()

    if state.known == nil do
      tell(joins, leaves, state)
    else
      hand_over(joins, leaves, state)
      # Whoever comes back to another presenced brings along who is here.
      Lease.renew_all(state.workflow_id)
    end

    %{state | known: fresh, failures: 0}
  end

  defp take({"presence_diff", %{"joins" => joins, "leaves" => leaves}}, state) do
    # The first diffs may tell of what the state has shown.
    joins = Map.drop(entries(joins), Map.keys(state.known))
    leaves = Map.take(entries(leaves), Map.keys(state.known))
    hand_over(joins, leaves, state)
    %{state | known: state.known |> Map.merge(joins) |> Map.drop(Map.keys(leaves))}
  end

  # What it said is lost, and the next state makes up for it.
  defp take(:error, state), do: cut_off({:shutdown, :not_json}, state)
  defp take(_comment, state), do: state

  defp hand_over(joins, leaves, _state) when joins == %{} and leaves == %{}, do: :ok
  defp hand_over(joins, leaves, state), do: tell(joins, leaves, state)

  defp tell(joins, leaves, state) do
    message = %{
      topic: "workflow-#{state.workflow_id}:presence",
      event: "presence_diff",
      payload: %{joins: presences(joins), leaves: presences(leaves)}
    }

    broadcast = Phoenix.Socket.Broadcast
    message = if Code.ensure_loaded?(broadcast), do: struct!(broadcast, message), else: message
    Enum.each(Map.keys(state.monitors), &send(&1, message))
  end

  defp entries(presences) do
    for {key, %{"metas" => metas}} <- presences, meta <- metas, into: %{}, do: {{key, meta["phx_ref"]}, meta(meta)}
  end

  defp presences(entries) do
    by_key = Enum.group_by(entries, fn {{key, _ref}, _meta} -> key end, fn {_id, meta} -> meta end)
    Map.new(by_key, fn {key, metas} -> {key, %{metas: metas}} end)
  end

  defp meta(json) do
    Map.new(json, fn
      {"user", user} -> {:user, Presence.user(user)}
      {"joined_at", joined_at} -> {:joined_at, joined_at}
      {"phx_ref", ref} -> {:phx_ref, ref}
      {"phx_ref_prev", ref} -> {:phx_ref_prev, ref}
      other -> other
    end)
  end

  # Of the supervisor too: who outlives one that is killed, for a moment, is in nobody's way.
  defp name(workflow_id), do: {:via, Registry, {Processes, {Process.whereis(Feeds), workflow_id}}}
end

defmodule Lightning.Workflows.Presence.Api do
  @moduledoc false
  # The requests to presenced. The address and the token are read for each: so neither is in the state of a process,
  # which a crash would log.

  require Logger

  alias Lightning.Workflows.Presence
  alias Lightning.Workflows.Presence.{Json, Memory}

  # Apart from others', whose options and connections are their own.
  @profile :lightning_workflows_presence

  # Raises where it is not known how presenced is reached.
  def start! do
    {:ok, _started} = Application.ensure_all_started(:inets)
    {:ok, _started} = Application.ensure_all_started(:ssl)

    # It may have another's options, from an earlier start.
    :inets.stop(:httpc, @profile)
    {:ok, _pid} = :inets.start(:httpc, profile: @profile)

    case url() do
      "unix:" <> path -> :httpc.set_options([ipfamily: :local, unix_socket: String.to_charlist(path)], @profile)
      "https:" <> _rest -> tls()
      "http:" <> _rest -> :ok
    end
  end

  def presences(workflow_id), do: read([workflow_id, "presences"], "presences")

  def has_any_presence(workflow_id), do: read([workflow_id, "counts"], "has_any_presence")

  def put_session(session) do
    lease = %{user: session.user, joined_at: session.joined_at, lease_seconds: lease_seconds()}
    request(:put, [session.workflow_id, "sessions", session.id], lease)
  end

  def renew_session(session) do
    request(:patch, [session.workflow_id, "sessions", session.id], %{lease_seconds: lease_seconds()})
  end

  def delete_session(session), do: request(:delete, [session.workflow_id, "sessions", session.id])

  def lease_seconds, do: config()[:lease_seconds] || 30

  # Milliseconds to wait after so many failures: 250 at first, at most 10 s; not the same for everyone.
  def patience(failures), do: round(min(250 * 2 ** min(failures, 6), 10_000) * (0.75 + :rand.uniform() / 4))

  def note_failure({:shutdown, reason}), do: note_failure(reason)

  # What is wrong with one request alone says nothing about others.
  def note_failure(status) when status in [409, 413, 422, 429] do
    Logger.warning("presenced refuses a request with status #{status}")
  end

  def note_failure(reason) do
    if Memory.note_unreachable() do
      Logger.warning("presenced cannot be used, and is asked again: #{inspect(reason)}")
    end
  end

  def note_success do
    if Memory.note_reachable(), do: Logger.info("presenced can be used again")
  end

  # A field of what is answered.
  defp read(path, field) do
    case request(:get, path) do
      {:ok, %{^field => value}} -> {:ok, value}
      {:ok, _other} -> failure(:not_the_api)
      {:error, reason} -> {:error, reason}
    end
  end

  # `{:ok, answer}`, or `{:error, reason}`, where a status code is one.
  defp request(method, path, body \\ nil) do
    target = path |> target() |> String.to_charlist()
    headers = for {name, value} <- headers(), do: {String.to_charlist(name), String.to_charlist(value)}
    request = if body, do: {target, headers, ~c"application/json", Json.encode(body)}, else: {target, headers}
    options = [timeout: timeout(), connect_timeout: timeout(), autoredirect: false]
    options = if String.starts_with?(url(), "https:"), do: [{:ssl, tls()} | options], else: options

    case :httpc.request(method, request, options, [body_format: :binary], @profile) do
      {:ok, {{_version, 204, _reason}, _headers, _nothing}} -> success(nil)
      {:ok, {{_version, status, _reason}, _headers, answer}} when status in [200, 201] -> answer(Json.decode(answer))
      # Only that a session is not there any more, which its lease mends.
      {:ok, {{_version, 404, _reason}, _headers, _problem}} when method == :patch -> {:error, 404}
      {:ok, {{_version, status, _reason}, _headers, _problem}} -> failure(status)
      {:error, reason} -> failure(reason)
    end
  end

  defp answer({:ok, answer}), do: success(answer)
  defp answer(:error), do: failure(:not_json)

  defp success(answer) do
    note_success()
    {:ok, answer}
  end

  defp failure(reason) do
    note_failure(reason)
    {:error, reason}
  end

  # Of what lies below `/workflows`.
  def target(path) do
    base = with "unix:" <> _path <- url(), do: "http://localhost"
    path = Enum.map_join(path, "/", &URI.encode(&1, fn char -> URI.char_unreserved?(char) end))
    "#{String.trim_trailing(base, "/")}/api/v1/workflows/#{path}"
  end

  # A connection for each request: where httpc keeps one it lets requests wait behind each other.
  def headers do
    token = setting(:token, "PRESENCED_TOKEN")
    if token, do: [{"connection", "close"}, {"authorization", "Bearer " <> token}], else: [{"connection", "close"}]
  end

  def tls do
    config()[:ssl] ||
      [
        verify: :verify_peer,
        cacerts: :public_key.cacerts_get(),
        customize_hostname_check: [match_fun: :public_key.pkix_verify_hostname_match_fun(:https)]
      ]
  end

  def url do
    setting(:url, "PRESENCED_URL") ||
      raise ArgumentError, "config :lightning, Lightning.Workflows.Presence, url: … or PRESENCED_URL must be set"
  end

  def timeout, do: config()[:timeout] || 2_000

  defp setting(key, variable), do: Enum.find([config()[key], System.get_env(variable)], &(&1 not in [nil, ""]))

  defp config, do: Application.get_env(:lightning, Presence, [])
end

defmodule Lightning.Workflows.Presence.Reader do
  @moduledoc false
  # A connection to a workflow's events, read by a process that is linked to the feed, tells it
  # `{:read, reader, chunk}`, and ends with `{:shutdown, reason}`. Without httpc, which may keep what comes along with
  # the headers to itself until there is more.

  alias Lightning.Workflows.Presence.Api

  # presenced writes something every 15 s.
  @silence_ms 45_000

  def start_link(workflow_id) do
    feed = self()
    spawn_link(fn -> workflow_id |> open() |> read(feed) end)
  end

  def stop(nil), do: :ok

  def stop(reader) do
    Process.unlink(reader)
    Process.exit(reader, :kill)

    receive do
      {:EXIT, ^reader, _reason} -> :ok
    after
      0 -> :ok
    end
  end

  defp open(workflow_id) do
    target = URI.parse(Api.target([workflow_id, "events"]))
    connection = connect(Api.url(), target)
    headers = [{"host", target.authority}, {"accept", "text/event-stream"} | Api.headers()]
    head = for {name, value} <- headers, do: [name, ": ", value, "\r\n"]
    write(connection, ["GET ", target.path, " HTTP/1.1\r\n", head, "\r\n"])

    case next(connection, :http_bin) do
      {:http_response, _version, 200, _reason} -> {connection, chunked?(connection)}
      {:http_response, _version, status, _reason} -> exit({:shutdown, status})
      _other -> exit({:shutdown, :not_http})
    end
  end

  defp connect("unix:" <> path, _target), do: connect(:gen_tcp, {:local, path}, 0, [])
  defp connect("https:" <> _, target), do: connect(:ssl, String.to_charlist(target.host), target.port, Api.tls())
  defp connect(_http, target), do: connect(:gen_tcp, String.to_charlist(target.host), target.port, [])

  defp connect(transport, address, port, options) do
    options = [:binary, active: false] ++ options
    {transport, or_end(transport.connect(address, port, options, Api.timeout()))}
  end

  # Whether the body that follows the headers comes in chunks.
  defp chunked?(connection, found \\ false) do
    case next(connection, :httph_bin) do
      {:http_header, _, :"Transfer-Encoding", _, coding} -> chunked?(connection, String.downcase(coding) == "chunked")
      {:http_header, _, _, _, _} -> chunked?(connection, found)
      :http_eoh -> found
      _other -> exit({:shutdown, :not_http})
    end
  end

  defp read({connection, is_chunked} = body, feed) do
    chunk = if is_chunked, do: chunk(connection), else: next(connection, :raw)
    send(feed, {:read, self(), chunk})
    read(body, feed)
  end

  defp chunk(connection) do
    case connection |> next(:line) |> Integer.parse(16) do
      {0, _end} -> exit({:shutdown, :closed})
      {size, _end} -> connection |> next(:raw, size + 2) |> binary_part(0, size)
      :error -> exit({:shutdown, :not_http})
    end
  end

  defp write({transport, socket}, text), do: or_end(transport.send(socket, text))

  # What comes next, read as a line, raw, or in another of Erlang's forms.
  defp next({transport, socket} = connection, form, length \\ 0) do
    or_end(set_form(connection, form))
    or_end(transport.recv(socket, length, @silence_ms))
  end

  defp set_form({:gen_tcp, socket}, form), do: :inet.setopts(socket, packet: form)
  defp set_form({:ssl, socket}, form), do: :ssl.setopts(socket, packet: form)

  defp or_end(:ok), do: :ok
  defp or_end({:ok, value}), do: value
  defp or_end({:error, reason}), do: exit({:shutdown, reason})
end

defmodule Lightning.Workflows.Presence.Json do
  @moduledoc false
  # As much of JSON as the API needs: all of it to read; objects, text, integers and null to write.

  def encode(value), do: value |> encoded() |> IO.iodata_to_binary()

  # `{:ok, value}`, with maps of text, or `:error`.
  def decode(text) do
    {value, rest} = value(skip(text))
    if skip(rest) == "", do: {:ok, value}, else: :error
  catch
    :not_json -> :error
  end

  defp encoded(nil), do: "null"
  defp encoded(value) when is_integer(value), do: Integer.to_string(value)
  defp encoded(value) when is_binary(value), do: [?", for(<<byte <- value>>, do: escaped(byte)), ?"]

  defp encoded(value) when is_map(value) do
    members = Enum.map_intersperse(value, ?,, fn {key, value} -> [encoded(to_string(key)), ?:, encoded(value)] end)
    [?{, members, ?}]
  end

  defp escaped(byte) when byte in [?", ?\\], do: [?\\, byte]
  defp escaped(byte) when byte < 0x20, do: ["\\u00", Base.encode16(<<byte>>)]
  defp escaped(byte), do: byte

  defp value("null" <> rest), do: {nil, rest}
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("\"" <> rest), do: string(rest, [])
  defp value("[" <> rest), do: rest |> skip() |> array([])
  defp value("{" <> rest), do: rest |> skip() |> object([])

  defp value(text) do
    case Integer.parse(text) do
      {_part, <<char, _rest::binary>>} when char in [?., ?e, ?E] -> text |> Float.parse() |> number()
      integer -> number(integer)
    end
  end

  defp number(:error), do: throw(:not_json)
  defp number({number, rest}), do: {number, rest}

  defp array("]" <> rest, []), do: {[], rest}

  defp array(text, values) do
    {value, rest} = value(text)

    case skip(rest) do
      "," <> rest -> rest |> skip() |> array([value | values])
      "]" <> rest -> {Enum.reverse(values, [value]), rest}
      _other -> throw(:not_json)
    end
  end

  defp object("}" <> rest, []), do: {%{}, rest}

  defp object("\"" <> text, members) do
    {key, rest} = string(text, [])
    {value, rest} = rest |> skip() |> member()

    case skip(rest) do
      "," <> rest -> rest |> skip() |> object([{key, value} | members])
      "}" <> rest -> {Map.new([{key, value} | members]), rest}
      _other -> throw(:not_json)
    end
  end

  defp object(_text, _members), do: throw(:not_json)

  defp member(":" <> rest), do: rest |> skip() |> value()
  defp member(_text), do: throw(:not_json)

  defp string("\"" <> rest, text), do: {text |> Enum.reverse() |> IO.iodata_to_binary(), rest}
  defp string("\\u" <> rest, text), do: unicode(rest, text)
  defp string(<<?\\, char, rest::binary>>, text), do: string(rest, [unescaped(char) | text])
  defp string(<<char, _rest::binary>>, _text) when char < 0x20, do: throw(:not_json)
  defp string(<<char::utf8, rest::binary>>, text), do: string(rest, [<<char::utf8>> | text])
  defp string(_text, _read), do: throw(:not_json)

  defp unescaped(char) when char in [?", ?\\, ?/], do: char
  defp unescaped(?b), do: ?\b
  defp unescaped(?f), do: ?\f
  defp unescaped(?n), do: ?\n
  defp unescaped(?r), do: ?\r
  defp unescaped(?t), do: ?\t
  defp unescaped(_char), do: throw(:not_json)

  # After the `\\u`: UTF-16, where two escapes may be one character.
  defp unicode(<<hex::binary-size(4), rest::binary>>, text) do
    case {unit(hex), rest} do
      {high, <<"\\u", hex::binary-size(4), rest::binary>>} when high in 0xD800..0xDBFF ->
        string(rest, [character(<<high::16, unit(hex)::16>>) | text])

      {char, rest} ->
        string(rest, [character(<<char::16>>) | text])
    end
  end

  defp unicode(_text, _read), do: throw(:not_json)

  defp unit(hex) do
    case Base.decode16(hex, case: :mixed) do
      {:ok, <<unit::16>>} -> unit
      :error -> throw(:not_json)
    end
  end

  defp character(utf16) do
    case :unicode.characters_to_binary(utf16, :utf16) do
      character when is_binary(character) -> character
      _half_a_pair -> throw(:not_json)
    end
  end

  defp skip(<<space, rest::binary>>) when space in [?\s, ?\t, ?\r, ?\n], do: skip(rest)
  defp skip(text), do: text
end
