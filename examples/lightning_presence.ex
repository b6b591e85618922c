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
  | `timeout` | | for which a request waits to be connected, and again to be answered: 2000 ms, of 1 to 60000 |
  | `lease_seconds` | | after which a session that is not renewed is over: 30, of 1 to 3600 |
  | `ssl` | | options of Erlang's `:ssl`; without them, the system's certificates vouch for an `https://` server |

  Numbers may be text, as `System.get_env/1` has them, and empty text counts as unset. With a setting that cannot be
  used this does not start, and says which one it is.

  ## What is promised

  * **A session lasts as long as its process.** Each process, workflow and user has a lease, renewed at each third of its
    time. It ends with the process, with `untrack_user_presence/3`, and with this node.
  * **One session is in nobody else's way.** Ids are text or whole numbers, and are text in whatever is answered; who
    or what has another is on nothing, which the log tells. A name or address that is not text is not known.
  * **It is kept through failures.** A session that presenced no longer knows, since it was started again, is put there
    anew with its first `joined_at`: at once where somebody here is subscribed to the workflow, else when it is to be
    renewed. The processes of this module may be killed, and take up where they were. A caller is never linked to them.
  * **Ranks after a restart of presenced** are by what it is told then: a tab on the canvas comes back as of now, and a
    session that is put anew as of when it began. So a legacy editor that was open before the restart ranks before the
    tabs that came back, those too that had been there first.
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

  The log warns once, and tells when it is back. Nothing raises. Who finds out waits for at most the timeout; after that
  nobody does: every call is answered at once, until a probe in the background, after 1 s at first and every 10 s at
  last, or a subscription's stream gets through.

  * Tracking and untracking answer `:ok`. A lease keeps trying, and so does the end of a session until its lease would
    be over.
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

  alias __MODULE__.{Api, Feed, Lease, Memory, Probe, Revival, Settings}

  # `ranked_sessions` are those that count where it is decided who may edit; `nil` where all do.
  defstruct [:user, :joined_at, :ranked_sessions, active_sessions: 0]

  @typedoc "A user on a workflow, whatever the number of tabs; `joined_at` in microseconds of Unix time."
  @type t :: %__MODULE__{
          user: user,
          joined_at: integer,
          active_sessions: non_neg_integer,
          ranked_sessions: non_neg_integer | nil
        }

  @typedoc "Who: a `%User{}`, or any map with an `id`, which is text or a whole number."
  @type user :: %{
          required(:id) => term,
          optional(:first_name) => String.t() | nil,
          optional(:last_name) => String.t() | nil,
          optional(:email) => String.t() | nil,
          optional(atom) => term
        }

  @typedoc "A `%Workflow{}`, any map with an `id`, or the id alone."
  @type workflow_or_id :: %{required(:id) => String.t(), optional(atom) => term} | String.t()

  @doc "Starts what leases and subscriptions need. An error says which setting cannot be used."
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
  def track_user_presence(user, workflow_or_id, pid) when is_pid(pid) do
    with {:ok, workflow_id} <- workflow_id(workflow_or_id), {:ok, user} <- known_user(user) do
      Feed.subscribe(workflow_id)
      Lease.take(workflow_id, user, pid)
    else
      :refused -> :ok
    end
  end

  @doc "Takes that session off the workflow. The caller stays subscribed, as with Phoenix."
  @spec untrack_user_presence(user, workflow_or_id, pid) :: :ok
  def untrack_user_presence(user, workflow_or_id, pid) do
    with {:ok, workflow_id} <- workflow_id(workflow_or_id), {:ok, user} <- known_user(user) do
      Lease.give_back(workflow_id, user, pid)
    else
      :refused -> :ok
    end
  end

  @doc "Subscribes the calling process to a workflow's diffs without putting anybody there; twice is once."
  @spec subscribe(workflow_or_id) :: :ok
  def subscribe(workflow_or_id) do
    with {:ok, workflow_id} <- workflow_id(workflow_or_id), do: Feed.subscribe(workflow_id), else: (:refused -> :ok)
  end

  @doc "Ends the calling process's subscription, if it has one."
  @spec unsubscribe(workflow_or_id) :: :ok
  def unsubscribe(workflow_or_id) do
    with {:ok, workflow_id} <- workflow_id(workflow_or_id), do: Feed.unsubscribe(workflow_id), else: (:refused -> :ok)
  end

  @doc "Everyone on a workflow, one presence a user, with the time of the user's first session; the earliest first."
  @spec list_presences_for(workflow_or_id) :: [t]
  def list_presences_for(workflow_or_id) do
    presences =
      with {:ok, workflow_id} <- workflow_id(workflow_or_id),
           {:error, _reason} <- listed(workflow_id) do
        warn_of_own_sessions(workflow_id)
        workflow_id |> Memory.sessions() |> own_presences()
      else
        {:ok, presences} -> presences
        :refused -> []
      end

    Enum.sort_by(presences, & &1.joined_at)
  end

  @doc "The older name of `list_presences_for/1`."
  @spec list_presences(workflow_or_id) :: [t]
  def list_presences(workflow_or_id), do: list_presences_for(workflow_or_id)

  @doc "Whether anybody is on a workflow, in whatever way: someone who may only look counts too."
  @spec has_any_presence?(workflow_or_id) :: boolean
  def has_any_presence?(workflow_or_id) do
    with {:ok, workflow_id} <- workflow_id(workflow_or_id),
         {:error, _reason} <- Api.has_any_presence(workflow_id) do
      warn_of_own_sessions(workflow_id)
      Memory.sessions(workflow_id) != []
    else
      {:ok, answer} -> answer
      :refused -> false
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
    {current_id, view_only} = {id_of(current_user), Enum.map(view_only, &id_of/1)}
    # Who only looks on is listed, and not ranked.
    presences = presences |> Enum.reject(&(&1.ranked_sessions == 0)) |> Enum.sort_by(& &1.joined_at)
    current = Enum.find(presences, stand_in, &(id_of(&1.user) == current_id))
    prior = Enum.find(presences, current, &(id_of(&1.user) not in view_only))

    %{
      presences: presences,
      prior_user_presence: prior,
      current_user_presence: current,
      has_presence_edit_priority:
        id_of(current.user) == id_of(prior.user) and (current.ranked_sessions || current.active_sessions) <= 1
    }
  end

  @doc false
  # What may be known of a user outside Lightning; `nil` where that is nobody.
  def user(%{"id" => id} = json), do: user(id, json["first_name"], json["last_name"], json["email"])

  def user(%{id: id} = user),
    do: user(id, Map.get(user, :first_name), Map.get(user, :last_name), Map.get(user, :email))

  def user(_nobody), do: nil

  defp user(id, first_name, last_name, email) do
    if id = id_of(id), do: %{id: id, first_name: text(first_name), last_name: text(last_name), email: text(email)}
  end

  @doc false
  # What `Lightning.Workflows.Presence.Lease` and `Lightning.Workflows.Presence.Feed` run on. They are started again by
  # the last of these alone: so one that can only fail never takes along a supervisor, and Lightning with it.
  @impl Supervisor
  def init(nil) do
    Settings.check!()
    Api.start()
    Memory.start()

    children = [
      {Registry, keys: :unique, name: __MODULE__.Processes},
      Probe,
      {DynamicSupervisor, name: __MODULE__.Leases},
      {DynamicSupervisor, name: __MODULE__.Feeds},
      Revival
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end

  # As presenced has it.
  defp listed(workflow_id) do
    with {:ok, listed} <- Api.presences(workflow_id) do
      presences =
        for %{"user" => user, "joined_at" => joined_at, "active_sessions" => active_sessions} = presence <- listed,
            user = user(user) do
          since = presence["ranked_since"] || joined_at
          %{new_user_presence(user, since, active_sessions) | ranked_sessions: presence["ranked_sessions"]}
        end

      {:ok, presences}
    end
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

  defp workflow_id(workflow_or_id) do
    if id = id_of(workflow_or_id), do: {:ok, id}, else: refused("a workflow")
  end

  defp known_user(user), do: if(user = user(user), do: {:ok, user}, else: refused("a user"))

  defp refused(what) do
    Logger.warning("#{what} whose id is neither text nor a whole number is passed over")
    :refused
  end

  # As text; `nil` for what is no id.
  defp id_of(%{id: id}), do: id_of(id)
  defp id_of(id) when is_integer(id), do: Integer.to_string(id)
  defp id_of(""), do: nil
  defp id_of(id), do: text(id)

  defp text(value), do: if(is_binary(value) and String.valid?(value), do: value)
end

defmodule Lightning.Workflows.Presence.Settings do
  @moduledoc false
  # What is configured. It is read whenever it is needed: so neither address nor token is in the state of a process,
  # which a crash would log.

  alias Lightning.Workflows.Presence

  @timeout_ms {2_000, 1..60_000}
  # What presenced takes.
  @lease_seconds {30, 1..3_600}

  # Raises where a setting cannot be used, without its value, which may be secret.
  def check! do
    check!(url() != nil, "url: … or PRESENCED_URL must be set")
    check!(url?(url()), "url must be http:// or https:// and a host, or unix: and a path")
    check!(token() == nil or (is_binary(token()) and String.printable?(token())), "token must be text")
    check!(ssl() == nil or Keyword.keyword?(ssl()), "ssl must be a list of options")

    for {name, {_default, range}} <- [timeout: @timeout_ms, lease_seconds: @lease_seconds] do
      check!(number(name, range) != :error, "#{name} must be a whole number from #{range.first} to #{range.last}")
    end
  end

  def url, do: given(:url, "PRESENCED_URL")

  def token, do: given(:token, "PRESENCED_TOKEN")

  # Milliseconds.
  def timeout, do: number_or_default(:timeout, @timeout_ms)

  def lease_seconds, do: number_or_default(:lease_seconds, @lease_seconds)

  # Options of a connection to an `https://` server.
  def tls do
    ssl() ||
      [
        verify: :verify_peer,
        cacerts: :public_key.cacerts_get(),
        customize_hostname_check: [match_fun: :public_key.pkix_verify_hostname_match_fun(:https)]
      ]
  end

  defp check!(true, _rule), do: :ok
  defp check!(false, rule), do: raise(ArgumentError, "config :lightning, Lightning.Workflows.Presence, #{rule}")

  defp url?("unix:" <> path), do: path != ""

  defp url?("http" <> _rest = url) do
    match?(%URI{scheme: scheme, host: <<_, _::binary>>} when scheme in ["http", "https"], URI.parse(url))
  end

  defp url?(_other), do: false

  defp ssl, do: config()[:ssl]

  # What cannot be used was set since the start, and counts as unset.
  defp number_or_default(name, {default, range}) do
    number = number(name, range)
    if is_integer(number), do: number, else: default
  end

  # `nil` where there is none, `:error` for what is none.
  defp number(name, range) do
    with value when is_binary(value) <- given(name), {number, ""} <- Integer.parse(value) do
      within(number, range)
    else
      value when is_integer(value) -> within(value, range)
      nil -> nil
      _other -> :error
    end
  end

  defp within(number, range), do: if(number in range, do: number, else: :error)

  defp given(name, variable \\ nil) do
    Enum.find([config()[name], variable && System.get_env(variable)], &(&1 not in [nil, ""]))
  end

  defp config, do: Application.get_env(:lightning, Presence, [])
end

defmodule Lightning.Workflows.Presence.Revival do
  @moduledoc false
  # Starts what the memory has and no process keeps, at once when it starts, as it does after whatever died, and then
  # again and again. The pause is what a lease or a feed that can only fail costs.

  use GenServer

  alias Lightning.Workflows.Presence.{Feed, Lease, Memory}

  @pause_ms 1_000

  def start_link(_options), do: GenServer.start_link(__MODULE__, nil)

  @impl GenServer
  def init(nil) do
    revive()
    {:ok, nil}
  end

  @impl GenServer
  def handle_info(:revive, nil) do
    revive()
    {:noreply, nil}
  end

  defp revive do
    for session <- Memory.sessions(), not Lease.running?(session), do: Lease.start(session)
    for workflow_id <- Memory.subscribed_workflows(), not Feed.running?(workflow_id), do: Feed.start(workflow_id)
    Process.send_after(self(), :revive, @pause_ms)
  end
end

defmodule Lightning.Workflows.Presence.Probe do
  @moduledoc false
  # Asks a presenced that could not be used, one question at a time, until it answers. Meanwhile nobody else asks.

  use GenServer

  alias Lightning.Workflows.Presence.{Api, Memory}

  @first_ms 1_000
  @last_ms 10_000

  def start_link(_options), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # For when presenced could not be used.
  def wake, do: GenServer.cast(__MODULE__, :wake)

  @impl GenServer
  def init(nil) do
    state = %{pause: @first_ms, timer: nil}
    {:ok, if(Memory.unreachable?(), do: probe_in(@first_ms, state), else: state)}
  end

  @impl GenServer
  def handle_cast(:wake, state), do: {:noreply, probe_in(@first_ms, state)}

  @impl GenServer
  def handle_info(:probe, state) do
    if Memory.unreachable?(), do: Api.probe()
    {:noreply, if(Memory.unreachable?(), do: probe_in(min(2 * state.pause, @last_ms), state), else: state)}
  end

  defp probe_in(pause, state) do
    if state.timer, do: Process.cancel_timer(state.timer)
    %{state | pause: pause, timer: Process.send_after(self(), :probe, pause)}
  end
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

  def unreachable?, do: :ets.member(@table, :unreachable)

  # True where that is news.
  def note_unreachable, do: :ets.insert_new(@table, {:unreachable})

  # True where that is news.
  def note_reachable, do: :ets.take(@table, :unreachable) != []

  defp key(session), do: {:session, session.workflow_id, session.user.id, session.pid}

  defp values(pattern), do: List.flatten(:ets.match(@table, pattern))
end

defmodule Lightning.Workflows.Presence.Lease do
  @moduledoc false
  # One session at presenced, from its first `PUT` to its `DELETE`, which is tried until presenced would have ended the
  # session of itself. A process that is killed is started again with the same session, and so nobody sees it leave.

  use GenServer, restart: :temporary

  alias Lightning.Workflows.Presence.{Api, Leases, Memory, Processes, Settings}

  # Returns once presenced has been told, or could not be.
  def take(workflow_id, user, pid), do: workflow_id |> Memory.session(user, pid) |> hold()

  # Returns once presenced has been told, or could not be.
  def give_back(workflow_id, user, pid) do
    if session = Memory.take_session(workflow_id, user, pid), do: end_of(session)
    :ok
  end

  def start(session), do: DynamicSupervisor.start_child(Leases, {__MODULE__, session})

  def running?(session), do: GenServer.whereis(name(session)) != nil

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

  defp end_of(session) do
    GenServer.call(name(session), :leave, :infinity)
  catch
    :exit, {:normal, _call} -> :ok
    # Nobody keeps it just now, and nobody will.
    :exit, _reason -> Api.delete_session(session)
  end

  def start_link(session), do: GenServer.start_link(__MODULE__, session, name: name(session))

  @impl GenServer
  def init(session) do
    Process.flag(:trap_exit, true)

    if Memory.has_session?(session) do
      Process.monitor(session.pid)
      {:ok, %{session: session, put: false, over_at: nil, failures: 0, timer: nil}, {:continue, :tell}}
    else
      :ignore
    end
  end

  @impl GenServer
  def handle_continue(:tell, state), do: {:noreply, tell(state)}

  @impl GenServer
  def handle_call(:told, _from, state), do: {:reply, true, state}
  # The caller sees it end, or else is told not to wait.
  def handle_call(:leave, _from, state), do: with({:noreply, state} <- leave(state), do: {:reply, :ok, state})

  @impl GenServer
  def handle_info(:tell, %{over_at: nil} = state), do: {:noreply, tell(state)}
  def handle_info(:tell, state), do: leave(state)

  def handle_info({:DOWN, _monitor, :process, _pid, _reason}, state) do
    Memory.forget_session(state.session)
    leave(state)
  end

  # The registry's: it has lost the name.
  def handle_info({:EXIT, _registry, _reason}, state), do: {:stop, :nameless, state}

  # Where it fails it is started again, and presenced need not know.
  @impl GenServer
  def terminate(:shutdown, %{session: session}), do: Api.delete_session(session)
  def terminate(_reason, _state), do: :ok

  defp tell(state) do
    told = if state.put, do: Api.renew_session(state.session), else: Api.put_session(state.session)

    case told do
      {:ok, _answer} -> tell_in(third(), %{state | put: true, failures: 0})
      {:error, 404} when state.put -> tell(%{state | put: false})
      {:error, _reason} -> tell_again(state)
    end
  end

  defp leave(%{over_at: nil} = state) do
    leave(%{state | over_at: now() + Settings.lease_seconds() * 1000, failures: 0})
  end

  defp leave(state) do
    case Api.delete_session(state.session) do
      {:error, reason} when reason != 404 ->
        if now() < state.over_at, do: {:noreply, tell_again(state)}, else: {:stop, :normal, state}

      _it_is_over ->
        {:stop, :normal, state}
    end
  end

  defp tell_again(state) do
    tell_in(min(Api.patience(state.failures), third()), %{state | failures: state.failures + 1})
  end

  defp tell_in(milliseconds, state) do
    if state.timer, do: Process.cancel_timer(state.timer)
    %{state | timer: Process.send_after(self(), :tell, milliseconds)}
  end

  defp third, do: div(Settings.lease_seconds() * 1000, 3)

  defp now, do: System.monotonic_time(:millisecond)

  # Of the supervisor too: who outlives one that is killed, for a moment, is in nobody's way.
  defp name(session), do: {:via, Registry, {Processes, {Process.whereis(Leases), session.id}}}
end

defmodule Lightning.Workflows.Presence.Feed do
  @moduledoc false
  # A workflow's stream of server-sent events, for everyone on this node who is subscribed to it. It ends with the last
  # of them.
  #
  # What it knows is `%{{key, phx_ref} => meta}`.

  use GenServer, restart: :temporary

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

  def running?(workflow_id), do: GenServer.whereis(name(workflow_id)) != nil

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
  # The requests to presenced. None raises. While presenced cannot be used only the probe is made.

  require Logger

  alias Lightning.Workflows.Presence.{Json, Memory, Probe, Settings}

  # Apart from others', whose options and connections are their own.
  @profile :lightning_workflows_presence

  def start do
    {:ok, _started} = Application.ensure_all_started(:inets)
    {:ok, _started} = Application.ensure_all_started(:ssl)

    # It may have another's options, from an earlier start.
    :inets.stop(:httpc, @profile)
    {:ok, _pid} = :inets.start(:httpc, profile: @profile)

    with "unix:" <> path <- Settings.url() do
      :httpc.set_options([ipfamily: :local, unix_socket: String.to_charlist(path)], @profile)
    end
  end

  def presences(workflow_id), do: read([workflow_id, "presences"], "presences", &is_list/1)

  def has_any_presence(workflow_id), do: read([workflow_id, "counts"], "has_any_presence", &is_boolean/1)

  # Of no workflow: the answer alone counts, as a success or as a failure.
  def probe, do: attempt(:get, ["-", "counts"], nil)

  def put_session(session) do
    lease = %{user: session.user, joined_at: session.joined_at, lease_seconds: Settings.lease_seconds()}
    request(:put, [session.workflow_id, "sessions", session.id], lease)
  end

  def renew_session(session) do
    request(:patch, [session.workflow_id, "sessions", session.id], %{lease_seconds: Settings.lease_seconds()})
  end

  def delete_session(session), do: request(:delete, [session.workflow_id, "sessions", session.id])

  # Milliseconds to wait after so many failures: 250 at first, at most 10 s; not the same for everyone.
  def patience(failures), do: round(min(250 * 2 ** min(failures, 6), 10_000) * (0.75 + :rand.uniform() / 4))

  def note_failure({:shutdown, reason}), do: note_failure(reason)

  # What is wrong with one request alone says nothing about others.
  def note_failure(status) when status in [400, 409, 413, 422, 429] do
    Logger.warning("presenced refuses a request with status #{status}")
  end

  def note_failure(reason) do
    if Memory.note_unreachable() do
      Probe.wake()
      Logger.warning("presenced cannot be used, and is asked again: #{inspect(reason)}")
    end
  end

  def note_success do
    if Memory.note_reachable(), do: Logger.info("presenced can be used again")
  end

  # A field of what is answered.
  defp read(path, field, is_right) do
    with {:ok, answer} <- request(:get, path) do
      case answer do
        %{^field => value} -> if is_right.(value), do: {:ok, value}, else: failure(:not_the_api)
        _other -> failure(:not_the_api)
      end
    end
  end

  # `{:ok, answer}`, or `{:error, reason}`, where a status code is one.
  defp request(method, path, body \\ nil) do
    if Memory.unreachable?(), do: {:error, :unreachable}, else: attempt(method, path, body)
  end

  defp attempt(method, path, body) do
    target = path |> target() |> String.to_charlist()
    headers = for {name, value} <- headers(), do: {String.to_charlist(name), String.to_charlist(value)}
    request = if body, do: {target, headers, ~c"application/json", Json.encode(body)}, else: {target, headers}
    timeout = Settings.timeout()
    options = [timeout: timeout, connect_timeout: timeout, autoredirect: false]
    options = if String.starts_with?(Settings.url(), "https:"), do: [{:ssl, Settings.tls()} | options], else: options

    case :httpc.request(method, request, options, [body_format: :binary], @profile) do
      {:ok, {{_version, 204, _reason}, _headers, _nothing}} -> success(nil)
      {:ok, {{_version, status, _reason}, _headers, answer}} when status in [200, 201] -> answer(Json.decode(answer))
      # Only that a session is not there any more, which its lease mends or wants.
      {:ok, {{_version, 404, _reason}, _headers, _problem}} when method in [:patch, :delete] -> {:error, 404}
      {:ok, {{_version, status, _reason}, _headers, _problem}} -> failure(status)
      {:error, reason} -> failure(reason)
    end
  catch
    kind, thrown -> not_made(kind, thrown)
  end

  # What is wrong is here, and says nothing about presenced. What was thrown may hold the token.
  defp not_made(kind, thrown) do
    Logger.warning(
      "a request to presenced cannot be made: #{inspect(if is_exception(thrown), do: thrown.__struct__, else: kind)}"
    )

    {:error, :not_made}
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
    base = with "unix:" <> _path <- Settings.url(), do: "http://localhost"
    path = Enum.map_join(path, "/", &URI.encode(&1, fn char -> URI.char_unreserved?(char) end))
    "#{String.trim_trailing(base, "/")}/api/v1/workflows/#{path}"
  end

  # A connection for each request: where httpc keeps one it lets requests wait behind each other.
  def headers do
    token = Settings.token()
    if token, do: [{"connection", "close"}, {"authorization", "Bearer " <> token}], else: [{"connection", "close"}]
  end
end

defmodule Lightning.Workflows.Presence.Reader do
  @moduledoc false
  # A connection to a workflow's events, read by a process that is linked to the feed, tells it
  # `{:read, reader, chunk}`, and ends with `{:shutdown, reason}`. Without httpc, which may keep what comes along with
  # the headers to itself until there is more.

  alias Lightning.Workflows.Presence.{Api, Settings}

  # presenced writes something every 15 s.
  @silence_ms 45_000

  def start_link(workflow_id) do
    feed = self()

    spawn_link(fn ->
      try do
        workflow_id |> open() |> read(feed)
      rescue
        # It may hold the token.
        error -> exit({:shutdown, error.__struct__})
      end
    end)
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
    connection = connect(Settings.url(), target)
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
  defp connect("https:" <> _, target), do: connect(:ssl, String.to_charlist(target.host), target.port, Settings.tls())
  defp connect(_http, target), do: connect(:gen_tcp, String.to_charlist(target.host), target.port, [])

  defp connect(transport, address, port, options) do
    options = [:binary, active: false] ++ options
    {transport, or_end(transport.connect(address, port, options, Settings.timeout()))}
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
