// The lines for a reverse proxy that README.md gives, in a real nginx: clients reach the server through them by either
// transport, and stay connected behind them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { startPresenced } from "./support/server.mjs";

let folder, server, nginx, port;
before(async () => {
  server = await startPresenced(0, ["--trusted-proxies", "127.0.0.1"]);
  folder = await mkdtemp(join(tmpdir(), "presenced-nginx-"));
  port = await freePort();
  await writeFile(join(folder, "nginx.conf"), await configuration());
  nginx = spawn("nginx", ["-p", folder, "-e", "error.log", "-c", "nginx.conf"], { stdio: "inherit" });
  await listening();
});
after(async () => {
  nginx?.kill();
  await server.stop();
  await rm(folder, { recursive: true });
});

for (const client of clients) {
  it(`${client.name}: joins, and is seen, through the proxy`, async (t) => {
    const through = { socket: `ws://127.0.0.1:${port}/presence/socket` };
    const [ada, bob] = [new Person(t, client, through, "ada"), new Person(t, client, server, "bob")];
    const topic = `workflow:presence:${client.name.replaceAll(/\W/g, "")}`;
    await ada.enter(topic);
    const seat = await bob.enter(topic);
    assert.ok(bob.received(seat.topic, "presence_state")[0].payload.ada, "the state names who came through the proxy");
  });
}

/** The lines of the page, with the ports of this test, in what nginx needs around them. */
async function configuration() {
  const readme = await readFile(resolve(fileURLToPath(import.meta.url), "../../../README.md"), "utf8");
  const blocks = [...readme.matchAll(/```nginx\n([^`]*)```/g)].map(([, lines]) => lines);
  const lines = blocks.find((block) => block.includes("/presence/socket/"));
  const ours = lines.replace("listen 80;", `listen 127.0.0.1:${port};`).replace("127.0.0.1:4100", `127.0.0.1:${server.port}`);
  assert.notEqual(ours, lines);
  return `daemon off; worker_processes 1; pid nginx.pid; events {} http { access_log off; ${TEMPORARY} ${ours} }`;
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
async function listening() {
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
