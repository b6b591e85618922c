// What the gateway does not look at passes as it is: refusals, other topics, long poll, headers, the ends of connections.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { randomUUID } from "node:crypto";
import { Canvas } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Person } from "../support/person.mjs";
import { clients } from "../support/phoenix.mjs";
import { startGateway } from "../support/server.mjs";
import { Stage, workflow } from "../support/stage.mjs";

const EDIT = { project_id: "4b0ea0ee-7c4f-4b63-9a4c-2f1d8b0c7a11", action: "edit" };

let stage;
before(async () => (stage = await Stage.start()));
after(() => stage.stop());

for (const client of clients) {
  describe(client.name, () => {
    const ada = (t) => new Person(t, client, stage.gateway, "ada", { params: { token: "good:ada" } });

    it("joins of topics that are no canvas are Lightning's to answer", async (t) => {
      const person = ada(t);
      assert.deepEqual(await person.seat("run:7", { deep: [1, { x: null }] }).join(), ["ok", { deep: [1, { x: null }] }]);
      assert.deepEqual(await person.seat("ai_assistant:x:new").join(), ["error", { reason: "unmatched topic" }]);
    });

    it("what is pushed on them comes back as it was", async (t) => {
      const seat = ada(t).seat("run:8");
      await seat.join();
      const text = { text: "ü🦀\u0000 \\ ", number: 1e21, list: [[], {}] };
      assert.deepEqual(await seat.ask("anything", text), ["ok", text]);
      const long = { text: "x".repeat(300_000) };
      assert.deepEqual(await seat.ask("anything", long), ["ok", long]);
      seat.say("push", { n: 1 });
      await until("it is pushed", () => seat.received("pushed").length === 1);
      assert.deepEqual(seat.received("pushed"), [{ n: 1 }]);
    });

    it("an event that Lightning does not know is answered as it answers it", async (t) => {
      const seat = ada(t).seat(`workflow:collaborate:${workflow()}`, EDIT);
      await seat.join();
      assert.deepEqual(await seat.ask("from_the_future", {}), ["error", { reason: "unknown event: from_the_future" }]);
    });

    it("a join that Lightning refuses is refused with its reason", async (t) => {
      const person = ada(t);
      for (const [suffix, params, reason] of REFUSED) {
        const seat = person.seat(`workflow:collaborate:${suffix}`, params);
        assert.deepEqual(await seat.join(), ["error", { reason }]);
        seat.leave();
      }
    });

    it("a binary that is asked for comes as binary", { skip: client.longPoll }, async (t) => {
      const seat = ada(t).seat("run:9");
      await seat.join();
      const [status, answer] = await seat.ask("anything", Uint8Array.of(1, 0, 255).buffer);
      assert.deepEqual([status, [...new Uint8Array(answer)]], ["ok", [1, 0, 255]]);
    });
  });
}

for (const { name, phoenix } of clients.filter(({ longPoll }) => longPoll)) {
  it(`${name}: has its context, and edits by words alone`, async (t) => {
    const client = clients.find((client) => client.name === name);
    const person = new Person(t, { ...client, phoenix }, stage.gateway, "ada", { params: { token: "good:ada" } });
    const seat = person.seat(`workflow:collaborate:${workflow()}`, EDIT);
    await seat.join();
    const [status, { user }] = await seat.ask("get_context", {});
    assert.deepEqual([status, user.first_name], ["ok", "Ada"]);
    assert.equal((await seat.ask("save_workflow", {}))[1].lock_version, 2);
  });
}

describe("an upgrade that Lightning refuses", () => {
  for (const [what, query, status] of [
    ["with a bad token", "token=bad", 403],
    ["without a token", "x=1", 500],
    ["of a long poll with a bad token", "token=bad", 200],
  ]) {
    it(`${what} is refused as Lightning does it`, async () => {
      const path = what.includes("long poll") ? "longpoll" : "websocket";
      const through = await upgrade(stage.gateway.port, `/socket/${path}?${query}&vsn=2.0.0`);
      const direct = await upgrade(stage.upstream.port, `/socket/${path}?${query}&vsn=2.0.0`);
      assert.equal(through.status, status);
      assert.deepEqual([through.status, through.body], [direct.status, direct.body]);
      if (status !== 200) assert.equal(through.body, "");
    });
  }

  it("comes back with its status, its headers and its body", async (t) => {
    const upstream = createServer().on("upgrade", (_request, socket) => {
      socket.end("HTTP/1.1 418 Teapot\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-why: tea\r\ncontent-length: 5\r\n\r\nshort");
    });
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    t.after(() => upstream.close());
    const gateway = await startGateway({ socket: `ws://127.0.0.1:${upstream.address().port}/socket` });
    t.after(() => gateway.stop("SIGKILL"));
    const { status, headers, body } = await upgrade(gateway.port, "/socket/websocket?token=x&vsn=2.0.0");
    assert.deepEqual([status, headers["x-why"], headers["set-cookie"], body], [418, "tea", ["a=1", "b=2"], "short"]);
  });

  it("is tried again by the page until it is taken", async (t) => {
    const own = await Stage.for(t);
    await own.upstream.control("refuse", { status: 403 });
    const canvas = new Canvas(t, own.gateway, "ada", workflow());
    await until("the page was refused", () => canvas.closes.length > 1);
    await own.upstream.control("refuse");
    await canvas.settled();
  });
});

it("other paths are not the gateway's", async () => {
  for (const path of ["/", "/socket", "/socket/other", "/live/websocket", "/counts", "/socket/websocket/x", "/socket/../counts"]) {
    assert.equal((await upgrade(stage.gateway.port, path)).status, 404, path);
  }
});

it("the upgrade reaches Lightning with the client's headers, and without an extension", async (t) => {
  const headers = { cookie: "a=1; b=2", "x-request-id": "r1", traceparent: "00-1-2-03", authorization: "Bearer x" };
  await open(t, `/socket/websocket?token=good:${randomUUID()}&vsn=2.0.0`, headers);
  const { headers: pairs } = await stage.upstream.counts();
  const seen = Object.fromEntries(pairs);
  for (const [name, value] of Object.entries(headers)) assert.equal(seen[name], value, name);
  assert.equal(seen["sec-websocket-version"], "13");
  assert.equal(seen["sec-websocket-extensions"], undefined);
  assert.match(seen["x-forwarded-for"], /^127\.0\.0\.1$/);
});

it("heartbeats are answered here: none of them reaches Lightning", async (t) => {
  const canvas = await Canvas.open(t, stage.gateway, "ada", workflow());
  const before = await stage.upstream.counts();
  for (let i = 0; i < 50; i += 1) {
    const ref = canvas.socket.makeRef();
    canvas.socket.push({ topic: "phoenix", event: "heartbeat", payload: {}, ref, join_ref: null });
    await until("it is answered", () => canvas.down.some((note) => note.ref === ref && note.event === "phx_reply"));
  }
  const after = await stage.upstream.counts();
  assert.ok(after.received - before.received < 25, `${after.received - before.received} messages reached it`);
});

it("connections that Lightning closes are closed with its code", async (t) => {
  const canvas = await Canvas.open(t, stage.gateway, "leaver", workflow());
  await stage.upstream.control("disconnect", { person: "leaver" });
  await until("the page is closed", () => canvas.closes.length > 0);
  assert.equal(canvas.closes[0], 1001);
  await canvas.joined(2);
});

/** Asks for a WebSocket and resolves with the answer. */
function upgrade(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, headers: { ...UPGRADE, ...headers }, agent: false });
    asked.on("upgrade", ({ statusCode: status, headers }, socket) => resolve({ status, headers, socket }));
    asked.on("response", async (answer) => {
      let body = "";
      for await (const chunk of answer) body += chunk;
      resolve({ status: answer.statusCode, headers: answer.headers, body });
    });
    asked.on("error", reject).end();
  });
}

/** Opens a WebSocket, until the test ends. */
async function open(t, path, headers) {
  const { status, socket } = await upgrade(stage.gateway.port, path, headers);
  assert.equal(status, 101);
  t.after(() => socket.destroy());
}

const UPGRADE = {
  connection: "upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-extensions": "permessage-deflate",
};
const REFUSED = [
  ["w", {}, "invalid parameters. project_id and action are required"],
  ["w", { ...EDIT, project_id: "missing" }, "project not found"],
  ["missing", EDIT, "workflow not found"],
  ["w:x", EDIT, "invalid room suffix 'x'"],
  ["w:v1", { ...EDIT, action: "new" }, "invalid parameters. a new workflow has no version to pin"],
  ["w", { ...EDIT, action: "watch" }, "invalid action 'watch', must be 'new' or 'edit'"],
];
