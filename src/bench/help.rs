//! What `--help` says behind the flags: what each mode counts, and the keys of the JSON.

macro_rules! help {
    ($mode:literal) => {
        concat!(
            $mode,
            "

Exit codes: 0 all came as expected; 1 something was lost, doubled, out of order or refused, or the run ended early; 2 \
unusable arguments. Ctrl-C ends a run early and tells what it has."
        )
    };
}

pub(super) const RESULTS: &str = "\
What --json writes is one object. A key that does not apply to a run is null:
  mode, url, settings       what was run; settings are the mode's flags
  passed                    whether all came as expected: exit code 0
  cut_short                 why the run ended before its end
  counted                   what these count: expected, received, lost, doubled, out_of_order
  short_clients             the first ten clients whose own account is not exact: client, and the same counts
  troubles                  what went wrong, the most frequent first: what, count
  elapsed_s, received_per_s
  latency_us                of, count, min, mean, p50, p90, p99, p99.9, max
  figures                   the mode's own numbers
  server                    with --pid: cpu_user_s, cpu_system_s, cpu_us_per_received, resident_before_kb,
                            resident_after_kb
  timeline                  what came, in parts of a tenth of a second: at_s, received

Exit codes: 0 all came as expected; 1 something was lost, doubled, out of order or refused, or the run ended early; 2 \
unusable arguments.";

pub(super) const IDLE: &str = help!(
    "\
Counts sightings: each client is owed the sight of each member of its group, in presence_state or presence_diff.
Latency: from opening the connection to the end of the join.
Figures: clients_joined, connect_join_s, joins_per_s, and with --pid kb_per_connection: the server's memory behind the \
stay, less that before, for each client.

Examples:
  presenced bench idle --clients 10000 --pid $(pidof presenced)
  presenced bench idle --topic 'workflow:collaborate:{g}' --params '{\"project_id\":\"p1\",\"action\":\"edit\"}'
  presenced bench idle --url ws://127.0.0.1:4100/socket --topic 'room:{g}' --params '{\"track\":{}}'"
);

pub(super) const FANOUT: &str = help!(
    "\
Counts deliveries: each member, the sender too, is owed each message once and in order.
Latency: from sending to receipt, in a closed loop. What users feel of a server is for bench latency to tell.
Figures: messages_sent.

The server needs a channel that broadcasts what it is sent; Lightning's canvas does not. The one in examples/ does:
  cargo run --release --example conformance -- --port 4100
  presenced bench fanout --url ws://127.0.0.1:4100/socket --clients 1000 --window 8"
);

pub(super) const STORM: &str = help!(
    "\
Counts sightings: each client is owed the sight of each client, itself among them, in presence_state or presence_diff.
Latency: from a client's join until it has seen all.
Figures: clients_converged, frames, megabytes.
The clients must be different users, whom presence knows by --key.

Examples:
  presenced bench storm --clients 1000
  presenced bench storm --url ws://127.0.0.1:4100/socket --topic room:storm --params '{\"track\":{}}'"
);

pub(super) const CHURN: &str = help!(
    "\
Counts rounds: a join, its presence_state, a leave and the phx_close that ends it. When all is over, each resident must \
list whom it listed before, by phx_ref, or the run fails.
Latency: from a join to its presence_state.
Figures: residents, rounds_measured, diffs_to_residents, diffs_a_round, last_diff_behind_last_leave_s.

Examples:
  presenced bench churn --duration 10 --warmup 2 --json churn.json --plot churn.svg
  presenced bench churn --url ws://127.0.0.1:4100/socket --topic 'room:c{g}' --params '{\"track\":{}}'"
);

pub(super) const LATENCY: &str = help!(
    "\
An open loop: joins or broadcasts are due at a fixed rate, and a latency counts from when one was due, not from when it \
could be sent.
Counts joins; or deliveries, as bench fanout does.
Latency: from when it was due to the presence_state of the join, or to the receipt by each member.
Figures: sent_late_p50_us and sent_late_p99_us, how far behind the rate things were sent: because of this program's own \
load, or, of joins, because every client was still at one.

Examples:
  presenced bench latency --rate 500 --duration 30 --plot latency.svg
  presenced bench latency --what broadcast --url ws://127.0.0.1:4100/socket --clients 200 --rate 50"
);

pub(super) const CURSORS: &str = help!(
    "\
Each client is a page of Lightning's canvas: it joins, asks for the document and get_context, tells its person by Yjs \
awareness, and moves. As the page's provider does, it sends every state again that it takes, one message for each that \
it was sent.
Counts sightings: each member is owed each move of each other member of its room. A move is seen with the first state of \
its mover that shows it or a later one; superseded_percent says how many were seen by a later one. Out of order is a \
state that shows an earlier move behind a later one. A run fails too where somebody is told its own clientID, or \
somebody who is there as gone.
Latency: from when a move was due to its sight, or to that of the later one, by each of the others.
Figures: moves, frames_up_per_move, frames_down_per_move and bytes_down_per_move, which are awareness as the clients see \
it, superseded_percent, sent_late_p50_us and sent_late_p99_us, as in bench latency, and with --pid cpu_us_per_move: the \
server's. All of them without the warm-up but superseded_percent and the sightings.

Examples:
  presenced bench cursors --token-file tokens --params '{\"project_id\":\"…\",\"action\":\"new\"}'
  presenced bench cursors --rooms 50 --members 4 --rate 10 --token 'good:{i}' --pid $(pidof presenced)"
);

pub(super) const ECHO: &str = help!(
    "\
Counts round trips: each message of a client is owed its answer, for which the client waits.
Latency: from sending to the answer, in a closed loop.

The server needs a channel that answers. With a proxy before it, this measures the proxy:
  cargo run --release --example conformance -- --port 4100
  presenced bench echo --url ws://127.0.0.1:8080/socket"
);
