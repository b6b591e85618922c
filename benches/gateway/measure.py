#!/usr/bin/env python3
"""Measures the gateway, `presenced --upstream`, beside nginx, beside a server like Lightning, and beside a floor.

    cargo build --release --bins --examples && npm ci --prefix tests/js
    python3 benches/gateway/measure.py [--runs 5] [--only cursors,floor,echo,stream,idle] [--json FILE]

Prints a table: of each figure the median and the range of its runs, and what it is to reach. What is compared is run in
turn, each first in every other run. All of it is on one machine, so both sides of a ratio pay for the load. node and nginx
are needed, and openssl for `wss`; idle clients need 20,000 open files. A run takes about two minutes. It ends with 1 where a
run of the load did not pass: such a run has no figures.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent import futures

import stream

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
TOKEN = "good:user{i}"  # as the double of Lightning has them
JOIN = '{"project_id":"p1","action":"edit"}'
MEGABYTES = 20
PAIRS = 20  # at once, for their memory


class Server:
    """A process that says in one line where it listens."""

    def __init__(self, *command, **env):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **env}
        )
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.log.seek(0)
            raise RuntimeError(f"{command[0]} said {line!r}: {self.log.read().decode()}")
        self.port = int(line.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def bench(self, mode, *flags, **settings):
        """A run of `presenced bench` against it: the JSON that is written, of a run that passed or not."""
        return bench(self.port, mode, *flags, pid=self.process.pid, **settings)

    def status_kb(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith(name)).split()[1])

    def counts(self):
        """What a double of Lightning was sent."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts") as answer:
            return json.load(answer)


def double():
    """A server with Lightning's habits, that of the tests."""
    return Server("node", ROOT / "tests/js/gateway/upstream/main.mjs", "--port", 0)


def conformance():
    return Server(TARGET / "examples/conformance", "--port", 0)


def bare():
    return Server(TARGET / "examples/bare", "--port", 0)


def gateway(upstream, scheme="ws", **env):
    host = "localhost" if scheme == "wss" else "127.0.0.1"
    return Server(TARGET / "presenced", "--port", 0, "--upstream", f"{scheme}://{host}:{upstream}/socket", **env)


class Nginx:
    """nginx before an upstream; with a certificate it takes TLS."""

    def __init__(self, upstream, tls=None):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        listen = f"listen 127.0.0.1:{self.port} backlog=4096;"
        if tls:
            listen = listen.replace(" backlog", " ssl backlog")
            listen += f" ssl_certificate {tls}/leaf.pem; ssl_certificate_key {tls}/leaf.key;"
        path = pathlib.Path(self.folder.name) / "nginx.conf"
        path.write_text(CONFIGURATION % {"listen": listen, "upstream": upstream, "folder": self.folder.name})
        nginx = options.nginx or shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([nginx, "-c", path, "-e", f"{self.folder.name}/error.log"])
        wait_for(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


CONFIGURATION = """
daemon off; pid %(folder)s/pid; worker_processes auto; worker_rlimit_nofile 65535; user root;
events { worker_connections 30000; }
http {
  access_log off;
  client_body_temp_path %(folder)s/a; proxy_temp_path %(folder)s/b; fastcgi_temp_path %(folder)s/c;
  uwsgi_temp_path %(folder)s/d; scgi_temp_path %(folder)s/e;
  server {
    %(listen)s
    location /socket {
      proxy_pass http://127.0.0.1:%(upstream)s; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_set_header Host $http_host;
      proxy_read_timeout 1h; proxy_send_timeout 1h;
    }
  }
}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")


def bench(port, mode, *flags, **settings):
    with tempfile.NamedTemporaryFile(suffix=".json") as results:
        command = [TARGET / "presenced", "bench", mode, "--url", f"ws://127.0.0.1:{port}/socket", "--json", results.name]
        command += [*flags, *(text for name, value in settings.items() for text in (f"--{name}", str(value)))]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ran = json.load(results)
        if not ran["passed"]:
            raise NotPassed(f"{mode}: {ran['cut_short']}, {ran['troubles']}, lost {ran['lost']} {ended.stderr}")
        return ran


class NotPassed(Exception):
    """The server did not deliver what it owed, or the load could not be put on it."""


def in_turn(run, *parts):
    """Does them one after the other, from the front in one run and from the back in the next."""
    for part in parts if run % 2 == 0 else reversed(parts):
        part()


class Figures:
    """What was measured, by name, with what it is to reach."""

    def __init__(self):
        self.values, self.goals = {}, {}

    def add(self, name, value, goal=""):
        self.values.setdefault(name, []).append(value)
        self.goals[name] = goal
        print(f"  {name}: {value:.2f}", flush=True)

    def ratio(self, name, ours, theirs, goal):
        """Of the values of one run each."""
        self.add(name, self.values[ours][-1] / self.values[theirs][-1], goal)

    def table(self):
        yield "| figure | median | range | to reach |\n|---|---|---|---|"
        for name, values in self.values.items():
            low, middle, high = min(values), statistics.median(values), max(values)
            yield f"| {name} | {middle:.2f} | {low:.2f}-{high:.2f} | {self.goals[name]} |"


def cursors(figures, run):
    """20 movers at 20 a second in one room, through the gateway and at a server like Lightning."""
    load = dict(rooms=1, members=20, rate=20, duration=10, params=JOIN, token=TOKEN)

    def part(what, is_ours):
        with double() as upstream, contextlib.ExitStack() as stack:
            server = stack.enter_context(gateway(upstream.port)) if is_ours else upstream
            ran = server.bench("cursors", **load)
            goals = ["≤ 2.2", "≤ 1.2", "≤ 30", "≤ 70", ""] if is_ours else [""] * 5
            values = [ran["figures"]["frames_up_per_move"], ran["figures"]["frames_down_per_move"]]
            values += [ran["latency_us"][key] / 1000 for key in ("p50", "p99")] + [ran["figures"]["cpu_us_per_move"]]
            names = ["frames in a move", "frames out a move", "move → seen p50, ms", "move → seen p99, ms", "CPU a move, µs"]
            for name, value, goal in zip(names, values, goals):
                figures.add(f"20 movers, {what}: {name}", value, goal)
            if is_ours:
                figures.add("20 movers: awareness messages upstream", upstream.counts().get("awareness", 0), "0")

    in_turn(run, lambda: part("gateway", True), lambda: part("like Lightning", False))


def floor(figures, run):
    """50 rooms of 4, 10 moves a second each, beside a server that knows no rule."""
    load = dict(rooms=50, members=4, rate=10, duration=10, params=JOIN, token=TOKEN)
    ours, theirs = "50 rooms of 4, gateway: CPU a move, µs", "50 rooms of 4, floor: CPU a move, µs"

    def through_gateway():
        with double() as upstream, gateway(upstream.port) as server:
            told(figures, "gateway", ours, server.bench("cursors", **load))

    def at_floor():
        with bare() as server:
            told(figures, "floor", theirs, server.bench("cursors", **load))

    in_turn(run, through_gateway, at_floor)
    figures.ratio("50 rooms of 4: gateway / floor", ours, theirs, "≤ 1.5")


def told(figures, what, name, ran):
    figures.add(name, ran["figures"]["cpu_us_per_move"])
    for key in ("frames_up_per_move", "frames_down_per_move", "bytes_down_per_move"):
        figures.add(f"50 rooms of 4, {what}: {key.replace('_', ' ')}", ran["figures"][key])


def echo(figures, run):
    """Round trips of 200 bytes over 50 connections, through each in turn."""
    ours, theirs, plain = "echo, gateway", "echo, nginx", "echo, no proxy"
    load = dict(clients=50, messages=options.echoes, bytes=150, param="user_id={i}")
    warm_up = {**load, "messages": max(options.echoes // 10, 1)}
    with conformance() as upstream:
        bench(upstream.port, "echo", **warm_up)

        def through(name, proxy):
            with proxy:
                bench(proxy.port, "echo", **warm_up)
                echoed(figures, name, bench(proxy.port, "echo", **load))

        in_turn(run, lambda: through(theirs, Nginx(upstream.port)), lambda: through(ours, gateway(upstream.port)))
        echoed(figures, plain, bench(upstream.port, "echo", **load))
    figures.ratio("echo: throughput, gateway / nginx", f"{ours}: round trips/s", f"{theirs}: round trips/s", "≥ 0.8")
    figures.ratio("echo: p99, gateway / nginx", f"{ours}: p99, ms", f"{theirs}: p99, ms", "≤ 1.25")


def echoed(figures, name, ran):
    figures.add(f"{name}: round trips/s", ran["received_per_s"])
    figures.add(f"{name}: p99, ms", ran["latency_us"]["p99"] / 1000)


def large(figures, run):
    """A message of 20 MB down and up, and what many at once take of the gateway's memory."""
    size = MEGABYTES * 1_000_000
    with stream.Source(size) as source:

        def through(what, proxy):
            with proxy:
                client = stream.Client(proxy.port, size)
                for way, send in (("down", client.down), ("up", client.up)):
                    send()
                    seconds = statistics.median(send() for _ in range(10))
                    figures.add(f"20 MB {way}, {what}: MB/s", MEGABYTES / seconds)
                client.close()

        in_turn(run, lambda: through("nginx", Nginx(source.port)), lambda: through("gateway", gateway(source.port)))
        for way in ("down", "up"):
            ours, theirs = f"20 MB {way}, gateway: MB/s", f"20 MB {way}, nginx: MB/s"
            figures.ratio(f"20 MB {way}: gateway / nginx", ours, theirs, "≥ 0.8")
        for way in ("down", "up"):
            with gateway(source.port) as proxy, futures.ThreadPoolExecutor(PAIRS) as pool:
                clients = [stream.Client(proxy.port, size) for _ in range(PAIRS)]
                before = proxy.status_kb("VmRSS")
                list(pool.map(lambda client: getattr(client, way)(), clients))
                peak = (proxy.status_kb("VmHWM") - before) / PAIRS
                figures.add(f"20 MB {way}, {PAIRS} pairs at once: peak memory a pair, KB", peak, "≤ 1024")
                for client in clients:
                    client.close()


def idle(figures, _):
    """Clients that have joined a canvas and say nothing, three to a workflow; and people who have said who they are and where,
    and then are quiet."""
    load = dict(clients=options.idle, group=3, topic="workflow:collaborate:w{g}", ready="phx_reply", duration=5, params=JOIN, token=TOKEN)
    with double() as upstream, gateway(upstream.port) as server:
        figures.add("idle client, ws: KB", server.bench("idle", **load)["figures"]["kb_per_connection"], "≤ 12")
    quiet = dict(rooms=options.idle // 10, members=3, rate=1, duration=2, params=JOIN, token=TOKEN)
    with double() as upstream, gateway(upstream.port) as server:
        before = server.status_kb("VmRSS")
        server.bench("cursors", **quiet)
        people = quiet["rooms"] * quiet["members"]
        figures.add("person on a quiet canvas, ws, at most: KB", (server.status_kb("VmHWM") - before) / people, "≤ 12")
    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        with double() as upstream, Nginx(upstream.port, folder) as proxy:
            with gateway(proxy.port, "wss", SSL_CERT_FILE=f"{folder}/ca.pem") as server:
                figures.add("idle client, wss: KB", server.bench("idle", **load)["figures"]["kb_per_connection"], "told")


def certificates(folder):
    """An authority of its own, and a certificate for localhost."""
    new = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for line in (
        f"{new} -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        f"{new} -subj /CN=localhost -keyout leaf.key -out leaf.csr",
        "openssl x509 -req -days 2 -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out leaf.pem",
    ):
        (pathlib.Path(folder) / "names").write_text("subjectAltName=DNS:localhost\n")
        subprocess.run(line.split(), cwd=folder, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


PARTS = {"cursors": cursors, "floor": floor, "echo": echo, "stream": large, "idle": idle}


def main():
    figures = Figures()
    failed = 0
    for run in range(options.runs):
        for name in options.only.split(","):
            print(f"run {run + 1}, {name}", flush=True)
            try:
                PARTS[name](figures, run)
            except NotPassed as error:
                print(f"  a run did not pass: {error}")
                failed += 1
    print(*figures.table(), sep="\n")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures.values, indent=1, ensure_ascii=False) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help="parts with commas between")
    parser.add_argument("--echoes", type=int, default=20_000, help="of each of the 50 connections")
    parser.add_argument("--idle", type=int, default=9_000, help="clients")
    parser.add_argument("--nginx", help="its program, where it is not found")
    parser.add_argument("--json", help="a file for the values of all runs")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(main())
