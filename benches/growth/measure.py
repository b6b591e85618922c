#!/usr/bin/env python3
"""Measures how the cost of presenced grows with members, topics, connections and threads, and draws it.

    python3 -m venv /tmp/growth && /tmp/growth/bin/pip install -r benches/growth/requirements.txt
    /tmp/growth/bin/python benches/growth/measure.py [--runs 3]

Builds the conformance server and `presenced bench`, starts one server a point, and writes growth.json and growth.svg
beside this file: of each point the median of its runs. A run takes about two minutes on two cores and needs 18,500 open
files. CPU time is the kernel's account of the server's process, so what the load itself costs is not in it.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time
from concurrent import futures

import matplotlib
import websocket

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SERVER = TARGET / "release/examples/conformance"
BENCH = TARGET / "release/presenced"

DELIVERIES = 400_000  # of a fan-out
CHANNELS = 100  # joined over one connection, the most that one may have
SETTLING = 3  # seconds until memory is read
# How many processes with how many threads each. Two that share nothing show what two cores cost without us.
THREADS = {"1": (1, 1), "2": (1, 2), "2 processes of 1": (2, 1)}
ONE, EIGHT = "cpu_us_per_delivery_one_under_way", "cpu_us_per_delivery_eight_under_way"


class Server:
    """A server in a process of its own, on a port that was free."""

    def __init__(self, threads=None):
        env = {**os.environ, **({"TOKIO_WORKER_THREADS": str(threads)} if threads else {})}
        command = [SERVER, "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def bench(self, mode, **flags):
        """One run of `presenced bench`: the JSON that it writes."""
        with tempfile.NamedTemporaryFile(suffix=".json") as results:
            command = [BENCH, "bench", mode, "--url", f"ws://127.0.0.1:{self.port}/socket"]
            command += ["--pid", str(self.process.pid), "--json", results.name]
            command += [text for name, value in flags.items() for text in (f"--{name}", str(value))]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return json.load(results)

    def cpu_us(self):
        """What its threads have run so far, by the scheduler's own account: finer than the ticks of `stat`."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1000

    def resident_kb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def fanout(server, members, window):
    """CPU of a delivery of a broadcast, with so many under way."""
    messages = max(40, DELIVERIES // members)
    ran = server.bench("fanout", clients=members, messages=messages, window=window)
    return ran["server"]["cpu_us_per_received"]


def members(count):
    with Server() as one, Server() as eight:
        return {ONE: fanout(one, count, 1), EIGHT: fanout(eight, count, 8)}


def topics(count):
    """Each is joined and tracked once; a connection joins many."""
    with Server() as server:
        url = f"ws://127.0.0.1:{server.port}/socket/websocket?vsn=2.0.0&user_id=1"
        clients = [websocket.create_connection(url) for _ in range(math.ceil(count / CHANNELS))]
        cpu, memory = server.cpu_us(), server.resident_kb()
        for nth, client in enumerate(clients):
            own = range(nth * CHANNELS, min(count, (nth + 1) * CHANNELS))
            for topic in own:
                client.send(f'["{topic}","{topic}","workflow:presence:{topic}","phx_join",{{}}]')
            states = 0
            while states < len(own):
                states += '"presence_state"' in client.recv()
        time.sleep(0.3)
        return {
            "cpu_us_per_join": (server.cpu_us() - cpu) / count,
            "kb_per_topic": (server.resident_kb() - memory) / count,
        }


def connections(count):
    """Joined and tracked, three to a workflow."""
    with Server() as server:
        cpu = server.cpu_us()
        ran = server.bench("idle", clients=count, group=3, duration=SETTLING)
        return {
            "cpu_us_per_connect_and_join": (server.cpu_us() - cpu) / count,
            "kb_per_connection": ran["figures"]["kb_per_connection"],
            "joins_per_s": ran["figures"]["joins_per_s"],
        }


def threads(kind):
    """A thousand members, of one process or of two that share nothing but the machine."""
    processes, threads_of_each = THREADS[kind]

    def cpu(window):
        with contextlib.ExitStack() as servers, futures.ThreadPoolExecutor() as pool:
            started = [servers.enter_context(Server(threads_of_each)) for _ in range(processes)]
            ran = [pool.submit(fanout, server, 1000 // processes, window) for server in started]
            return statistics.mean(run.result() for run in ran)

    return {ONE: cpu(1), EIGHT: cpu(8)}


DELIVERED = [
    (ONE, "a delivery, one broadcast under way", "CPU, µs"),
    (EIGHT, "a delivery, eight under way", "CPU, µs"),
]
# What is measured at which points, and how it is drawn: its figures with their labels and the axis they are on.
CURVES = [
    (members, [10, 30, 100, 300, 1000, 3000, 10000], "members of a topic", DELIVERED),
    (topics, [1, 10, 100, 1000, 10000, 50000], f"topics, {CHANNELS} a connection",
     [("cpu_us_per_join", "a join", "CPU, µs"), ("kb_per_topic", "memory of a topic", "KB")]),
    (connections, [1000, 3000, 6000, 12000, 18000], "connections",
     [("cpu_us_per_connect_and_join", "connect and join", "CPU, µs"),
      ("kb_per_connection", "memory of a connection", "KB")]),
    (threads, list(THREADS), "worker threads", DELIVERED),
]


def median(what, at, runs):
    ran = [what(at) for _ in range(runs)]
    return {"at": at, **{key: round(statistics.median(run[key] for run in ran), 2) for key in ran[0]}}


def draw(figures, file):
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.size": 9})
    from matplotlib import pyplot

    canvas, panels = pyplot.subplots(2, 2, figsize=(10, 6.4), layout="constrained")
    for panel, (what, _, name, lines) in zip(panels.flat, CURVES):
        points = figures[what.__name__]
        axes = {lines[0][2]: panel}
        for (key, label, unit), colour in zip(lines, ["#1c64b6", "#c2570c"]):
            axis = axes.get(unit) or axes.setdefault(unit, panel.twinx())
            # A handful of topics are less than what the process takes from the system at a time.
            shown = [point for point in points if key != "kb_per_topic" or point["at"] >= 100]
            axis.plot([point["at"] for point in shown], [point[key] for point in shown], "o-", color=colour, label=label)
            axis.set_ylabel(unit)
        if what is topics:
            # What the first costs is what a process needs once.
            panel.set_yscale("log")
            panel.set_ylim(10, 1000)
            axes["KB"].set_ylim(0, 8)
        else:
            for axis in axes.values():
                axis.set_ylim(0, axis.get_ylim()[1] * 1.25)
        if what is not threads:
            panel.set_xscale("log")
            panel.set_xticks([point["at"] for point in points], [f"{point['at']:,}" for point in points])
            panel.minorticks_off()
        panel.set_xlabel(name)
        panel.grid(color="#dee2e6")
        handles = [line for axis in axes.values() for line in axis.get_lines()]
        panel.legend(handles=handles, loc="upper right", frameon=False)
    canvas.savefig(file, metadata={"Date": None})


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--runs", type=int, default=3, help="of each point (default: 3)")
    options.add_argument("--draw", action="store_true", help="draw growth.json anew, and measure nothing")
    options = options.parse_args()
    results = HERE / "growth.json"
    if not options.draw:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        subprocess.run(["cargo", "build", "--release", "--bins", "--examples"], cwd=ROOT, check=True)
        figures = {what.__name__: [] for what, *_ in CURVES}
        for what, ats, name, _ in CURVES:
            for at in ats:
                point = median(what, at, options.runs)
                figures[what.__name__].append(point)
                print(f"{at} {name}:", *(f"{key} {value}" for key, value in point.items() if key != "at"), flush=True)
        results.write_text(json.dumps(figures, indent=1) + "\n")
    draw(json.loads(results.read_text()), HERE / "growth.svg")


if __name__ == "__main__":
    main()
