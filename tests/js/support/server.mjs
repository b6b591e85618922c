// A server under test: one child process that listens on a port of 127.0.0.1.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Starts the server the fixtures were recorded against. Port 0 lets the system choose one. */
export function startConformance(port = 0) {
  return Server.start(join("examples", "conformance"), port);
}

/** Starts the product with nothing configured: its development mode, with the demo page at `/`. */
export function startPresenced(port = 0, flags = []) {
  return Server.start("presenced", port, flags);
}

/** The product with these people, written in a file, and this secret for their tokens. */
export function startWithPeople(file, secret) {
  return Server.start("presenced", 0, ["--people", file], { SECRET_KEY_BASE: secret });
}

/** Starts the tests' own Lightning. */
export function startUpstream(port = 0) {
  return Server.spawn(process.execPath, [UPSTREAM, "--port", String(port)], environment());
}

/** Starts the product in front of an upstream, a server or a proxy. */
export function startGateway(upstream, port = 0, flags = []) {
  return startPresenced(port, ["--upstream", upstream.socket, ...flags]);
}

/** A user token of the product's own making. */
export function makeToken(secret, userId, ...flags) {
  const env = { ...environment(), SECRET_KEY_BASE: secret };
  const path = join(targetDirectory(), "debug", "presenced");
  return execFileSync(path, ["token", "make", ...flags, userId], { env, encoding: "utf8" }).trim();
}

class Server {
  /** Starts what cargo has built. */
  static start(binary, port, flags = [], variables = {}) {
    const path = join(targetDirectory(), "debug", binary);
    return Server.spawn(path, ["--port", String(port), ...flags], { ...environment(), ...variables });
  }

  /** Resolves when the server listens; rejects with what it wrote if it ends first. */
  static async spawn(path, flags, env) {
    const child = spawn(path, flags, { env, stdio: ["ignore", "pipe", "pipe"] });
    const server = new Server(child);
    server.port = await server.#listening(path);
    return server;
  }

  #child;
  #exited;
  #written = [];

  constructor(child) {
    this.#child = child;
    this.#exited = new Promise((gone) => child.once("exit", (code, signal) => gone({ code, signal })));
    const killWithUs = () => child.kill("SIGKILL");
    process.once("exit", killWithUs);
    child.once("exit", () => process.removeListener("exit", killWithUs));
  }

  /** Where the clients connect, without the transport. */
  get socket() {
    return `ws://127.0.0.1:${this.port}/socket`;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the process and resolves with how it ended: `{code, signal}`. */
  stop(signal = "SIGTERM") {
    this.#child.kill(signal);
    return this.#exited;
  }

  /** Stops the process where it is, as a machine that is suspended or too busy; `thaw` lets it go on. */
  freeze() {
    this.#child.kill("SIGSTOP");
  }

  thaw() {
    this.#child.kill("SIGCONT");
  }

  /** What the tests' own Lightning has counted. */
  async counts() {
    return (await fetch(`${this.origin}/counts`)).json();
  }

  /** Asks the tests' own Lightning for a fault; `gateway/upstream/control.mjs` has them. */
  async control(what, query = {}, body = undefined) {
    const answer = await fetch(`${this.origin}/control/${what}?${new URLSearchParams(query)}`, {
      method: "POST",
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`the upstream cannot ${what}: ${answer.status}`);
  }

  async #listening(path) {
    const lines = createInterface({ input: this.#child.stdout });
    const listening = new Promise((found) => {
      lines.on("line", (line) => {
        this.#remember(line);
        const match = /listening on 127\.0\.0\.1:(\d+)/.exec(line);
        if (match) found(Number(match[1]));
      });
    });
    createInterface({ input: this.#child.stderr }).on("line", (line) => this.#remember(line));
    const failed = once(this.#child, "error").then(([error]) => {
      throw new Error(`${path} does not start: ${error.message}`);
    });
    const ended = this.#exited.then(({ code, signal }) => {
      throw new Error(`${path} ended (${signal ?? code}) before it listened:\n${this.#written.join("\n")}`);
    });
    return Promise.race([listening, failed, ended]);
  }

  #remember(line) {
    this.#written.push(line);
    if (this.#written.length > LINES_KEPT) this.#written.shift();
  }
}

function targetDirectory() {
  const repository = resolve(fileURLToPath(import.meta.url), "../../../..");
  return resolve(repository, process.env.CARGO_TARGET_DIR ?? "target");
}

/** Only what a process needs to run, so that no variable of the caller configures the server. */
function environment() {
  const { PATH, HOME, RUST_LOG = "warn", RUST_BACKTRACE = "1" } = process.env;
  return { PATH, HOME, RUST_LOG, RUST_BACKTRACE };
}

const UPSTREAM = fileURLToPath(new URL("../gateway/upstream/main.mjs", import.meta.url));
const LINES_KEPT = 100;
