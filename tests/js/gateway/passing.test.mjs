// What the gateway does not look at passes as it is: refusals, other topics, long poll, headers, the ends of connections.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { randomUUID } from "node:crypto";
import { agree } from "../support/agreement.mjs";
import { Canvas } from "../support/canvas.mjs";
import { said } from "../support/lists.mjs";
import { until } from "../support/news.mjs";
import { Person } from "../support/person.mjs";
import { clients, webSocketClients } from "../support/phoenix.mjs";
import { startConformance, startGateway } from "../support/server.mjs";
import { Stage, workflow } from "../support/stage.mjs";

const EDIT = { project_id: "4b0ea0ee-7c4f-4b63-9a4c-2f1d8b0c7a11", action: "edit" };

let stage, phoenix, throughToPhoenix;
before(async () => {
  [stage, phoenix] = await Promise.all([Stage.start(), startConformance()]);
  throughToPhoenix = await startGateway(phoenix);
});
after(() => Promise.all([stage.stop(), phoenix.stop(), throughToPhoenix.stop()]));

for (const client of clients) {
  describe(`${client.name}, with an upstream that is no Lightning`, () => {
    // Of its own, because a long-poll session is there for a while after its client is gone.
    const room = `room:${randomUUID()}`;
    const enter = (t, id, params) => new Person(t, client, throughToPhoenix, id).enter(room, params);

    it("has the presence of its topics", async (t) => {
      const ada = await enter(t, "ada", { track: { n: 1 } });
      const ben = await enter(t, "ben", { track: { n: 2 } });
      const list = await agree([ada, ben], (list) => list.length === 2);
      assert.deepEqual(said(list), [["ada", [{ n: 1 }]], ["ben", [{ n: 2 }]]]);
      ben.leave();
      await agree([ada], (list) => list.length === 1);
    });

    it("has its pushes answered, whatever they hold and however long they are", async (t) => {
      const seat = new Person(t, client, throughToPhoenix, "ada").seat(room);
      assert.deepEqual((await seat.join())[0], "ok");
      for (const words of [{ text: "ü🦀\u0000 \\ ", number: 1e21, list: [[], {}] }, { text: "x".repeat(300_000) }]) {
        assert.deepEqual(await seat.ask("echo", words), ["ok", words]);
        assert.deepEqual(await seat.ask("echo_error", words), ["error", words]);
      }
    });

    it("has a join refused, and one of a topic that nobody serves", async (t) => {
      const person = new Person(t, client, throughToPhoenix, "ada");
      assert.deepEqual(await person.seat(room, { error: "no" }).join(), ["error", { reason: "no" }]);
      assert.deepEqual(await person.seat("nobody:x").join(), ["error", { reason: "unmatched topic" }]);
    });
  });
}

for (const client of webSocketClients) {
  describe(client.name, () => {
    const seat = (t, topic, params) =>
      new Person(t, client, stage.gateway, "ada", { params: { token: "good:ada" } }).seat(topic, params);

    it("what is pushed on other topics comes back as it was, text and bytes", async (t) => {
      const run = seat(t, "run:7", { deep: [1, { x: null }] });
      assert.deepEqual(await run.join(), ["ok", { deep: [1, { x: null }] }]);
      run.say("push", { n: 1 });
      await until("it is pushed", () => run.received("pushed").length === 1);
      assert.deepEqual(run.received("pushed"), [{ n: 1 }]);
      for (const bytes of [[1, 0, 255], new Array(300_000).fill(7)]) {
        const [status, answer] = await run.ask("anything", Uint8Array.from(bytes).buffer);
        assert.deepEqual([status, [...new Uint8Array(answer)]], ["ok", bytes]);
      }
    });

    it("an event that Lightning does not know is answered as it answers it", async (t) => {
      const canvas = seat(t, `workflow:collaborate:${workflow()}`, EDIT);
      await canvas.join();
      assert.deepEqual(await canvas.ask("from_the_future", {}), ["error", { reason: "unknown event: from_the_future" }]);
    });

    it("a join that Lightning refuses is refused with its reason", async (t) => {
      for (const [room, params, reason] of REFUSED) {
        assert.deepEqual(await seat(t, `workflow:collaborate:${room}`, params).join(), ["error", { reason }]);
      }
    });
  });
}

describe("an upgrade that Lightning refuses", () => {
  for (const [what, query, status] of [["with a bad token", "token=bad", 403], ["without a token", "x=1", 500]]) {
    it(`${what} is refused with ${status} and an empty body`, async () => {
      const refused = await upgrade(stage.gateway.port, `/socket/websocket?${query}&vsn=2.0.0`);
      assert.deepEqual([refused.status, refused.body], [status, ""]);
    });
  }

  it("of a long poll is refused in the upstream's words", async () => {
    const path = "/socket/longpoll?reject=true&vsn=2.0.0";
    const [direct, through] = [await get(phoenix.port, path), await get(throughToPhoenix.port, path)];
    assert.equal(through.status, 200);
    assert.equal(JSON.parse(through.body).status, 403);
    assert.deepEqual([through.status, through.body], [direct.status, direct.body]);
  });

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
  const { headers: raw } = await stage.upstream.counts();
  const seen = Object.fromEntries(raw.flatMap((name, i) => (i % 2 ? [] : [[name.toLowerCase(), raw[i + 1]]])));
  for (const [name, value] of Object.entries(headers)) assert.equal(seen[name], value, name);
  assert.equal(seen["sec-websocket-version"], "13");
  assert.equal(seen["sec-websocket-extensions"], undefined);
  assert.match(seen["x-forwarded-for"], /^127\.0\.0\.1$/);
});

it("heartbeats are answered here: none of them reaches Lightning", async (t) => {
  const canvas = await Canvas.open(t, stage.gateway, "ada", workflow());
  const { heartbeats = 0 } = await stage.upstream.counts();
  for (let i = 0; i < 50; i += 1) {
    const ref = canvas.socket.makeRef();
    canvas.socket.push({ topic: "phoenix", event: "heartbeat", payload: {}, ref, join_ref: null });
    await until("it is answered", () => canvas.down.some((note) => note.ref === ref && note.event === "phx_reply"));
  }
  // The gateway's own keep each connection alive: one in 25 s, and this one is younger.
  const reached = (await stage.upstream.counts()).heartbeats ?? 0;
  assert.ok(reached - heartbeats < 3, `${reached - heartbeats} heartbeats reached it`);
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
  return get(port, path, { ...UPGRADE, ...headers });
}

function get(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, headers, agent: false });
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
