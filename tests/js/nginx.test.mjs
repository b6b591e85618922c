// The lines for a reverse proxy that README.md gives, in a real nginx: clients reach the server through them by either
// transport, and stay connected behind them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { allSeeAll, openAll } from "./support/canvas.mjs";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { startPresenced } from "./support/server.mjs";
import { Stage, workflow } from "./support/stage.mjs";

describe("before a presence endpoint of its own", () => {
  let server, nginx;
  before(async () => {
    server = await startPresenced(0, ["--trusted-proxies", "127.0.0.1"]);
    nginx = await Nginx.with("/presence/socket/", { 4100: server.port });
  });
  after(() => Promise.all([nginx?.stop(), server?.stop()]));

  for (const client of clients) {
    it(`${client.name}: joins, and is seen, through the proxy`, async (t) => {
      const through = { socket: `ws://127.0.0.1:${nginx.port}/presence/socket` };
      const [ada, bob] = [new Person(t, client, through, "ada"), new Person(t, client, server, "bob")];
      const topic = `workflow:presence:${client.name.replaceAll(/\W/g, "")}`;
      await ada.enter(topic);
      const seat = await bob.enter(topic);
      assert.ok(bob.received(seat.topic, "presence_state")[0].payload.ada, "the state names who came through the proxy");
    });
  }
});

describe("before a gateway", () => {
  let stage, nginx;
  before(async () => {
    stage = await Stage.start(["--trusted-proxies", "127.0.0.1"]);
    nginx = await Nginx.with("location /socket/ ", { 4100: stage.gateway.port, 4000: stage.upstream.port });
  });
  after(() => Promise.all([nginx?.stop(), stage?.stop()]));

  it("people have the canvas, see each other, and Lightning sees where they come from", async (t) => {
    const through = { socket: `ws://127.0.0.1:${nginx.port}/socket` };
    const canvases = await openAll(t, through, ["ada", "ben"], workflow());
    await allSeeAll(canvases);
    const { headers } = await stage.upstream.counts();
    const of = (name) => headers[headers.findIndex((known) => known.toLowerCase() === name) + 1];
    assert.equal(of("host"), `127.0.0.1:${nginx.port}`);
    assert.equal(of("x-forwarded-for"), "127.0.0.1, 127.0.0.1");
    assert.equal(of("x-forwarded-proto"), "http");
  });

  it("all else is Lightning's", async () => {
    assert.equal((await fetch(`http://127.0.0.1:${nginx.port}/counts`)).status, 200);
  });
});

/** nginx with one block of README.md. */
class Nginx {
  /** Starts it with the block that has these words in it. `ports` says what stands for the page's own. */
  static async with(words, ports) {
    const folder = await mkdtemp(join(tmpdir(), "presenced-nginx-"));
    const port = await freePort();
    await writeFile(join(folder, "nginx.conf"), await configuration(words, { ...ports, 80: port }));
    const child = spawn("nginx", ["-p", folder, "-e", "error.log", "-c", "nginx.conf"], { stdio: "inherit" });
    await listening(child, port);
    return new Nginx(folder, child, port);
  }

  #folder;
  #child;

  constructor(folder, child, port) {
    this.#folder = folder;
    this.#child = child;
    this.port = port;
  }

  async stop() {
    this.#child.kill();
    await once(this.#child, "exit");
    await rm(this.#folder, { recursive: true });
  }
}

/** The lines of the page, with the ports of this test, in what nginx needs around them. */
async function configuration(words, ports) {
  const readme = await readFile(resolve(fileURLToPath(import.meta.url), "../../../README.md"), "utf8");
  const blocks = [...readme.matchAll(/```nginx\n([^`]*)```/g)].map(([, lines]) => lines);
  let lines = blocks.find((block) => block.includes(words));
  for (const [known, ours] of Object.entries(ports)) {
    const replaced = lines
      .replaceAll(`listen ${known};`, `listen 127.0.0.1:${ours};`)
      .replaceAll(new RegExp(`127\\.0\\.0\\.1:${known}\\b`, "g"), `127.0.0.1:${ours}`);
    assert.notEqual(replaced, lines, `port ${known}`);
    lines = replaced;
  }
  return `daemon off; worker_processes 1; pid nginx.pid; events {} http { access_log off; ${TEMPORARY} ${lines} }`;
}

/** Where nginx would write to folders that belong to the system. */
const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`).join(" ");

function freePort() {
  return new Promise((found) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => found(port));
    });
  });
}

/** Resolves once nginx takes connections. */
async function listening(nginx, port) {
  for (;;) {
    assert.equal(nginx.exitCode, null, "nginx has ended");
    const taken = await new Promise((done) => {
      const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
      socket.on("connect", () => socket.end());
    });
    if (taken) return;
    await new Promise((later) => setTimeout(later, 20));
  }
}
