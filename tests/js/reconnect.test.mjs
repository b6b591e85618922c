// Connections that end: by the network, by the server's wish, by its shutdown. The client comes back by itself, and
// the lists are right again.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { agree } from "./support/agreement.mjs";
import { refs, said } from "./support/lists.mjs";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients, clientsThatNoticeALostSession, webSocketClients } from "./support/phoenix.mjs";
import { Proxy } from "./support/proxy.mjs";
import { startConformance } from "./support/server.mjs";

for (const client of clients) {
  describe(client.name, () => {
    it("comes back after the network failed, and is there once", async (t) => {
      const server = await serverFor(t);
      const proxy = await Proxy.before(t, server);
      const ben = await new Person(t, client, server, "ben").enter(ROOM, { track: {} });
      const ada = await new Person(t, client, proxy, "ada").enter(ROOM, { track: { n: 1 } });
      const before = await agree([ada, ben], (list) => refs(list).length === 2);

      proxy.fail();
      await until("ada has lost her connection", () => ada.person.closes.length > 0);
      proxy.mend();
      await ada.joinedAgain(1);
      const list = await agree([ada, ben], (list) => refs(list).length === 2 && ref(list, "ada") !== ref(before, "ada"));
      assert.deepEqual(said(list), said(before));
      assert.equal(ref(list, "ben"), ref(before, "ben"));
    });

    it("hears of what changed while it was away", async (t) => {
      const server = await serverFor(t);
      const ada = await new Person(t, client, server, "ada").enter(ROOM, { track: {} });
      const ben = await new Person(t, client, server, "ben").enter(ROOM, { track: {} });
      const cyd = await new Person(t, client, server, "cyd").enter(ROOM, { track: { n: 1 } });
      await agree([ada, ben, cyd], (list) => list.length === 3);

      await new Promise((gone) => ada.person.socket.disconnect(gone));
      ben.leave();
      await cyd.ask("update", { key: "cyd", meta: { n: 2 } });
      const dan = await new Person(t, client, server, "dan").enter(ROOM, { track: {} });
      await until("cyd sees that", () => cyd.metas("ben").length === 0 && cyd.metas("dan").length === 1);

      ada.person.socket.connect();
      await ada.joinedAgain(1);
      const list = await agree([ada, cyd, dan], (list) => refs(list).length === 3);
      assert.deepEqual(said(list), [["ada", [{}]], ["cyd", [{ n: 2 }]], ["dan", [{}]]]);
    });

    it("comes back for as long as it is told that the server cannot say who it is", async (t) => {
      const server = await serverFor(t);
      const answers = ["503", "503", "503"];
      const ada = new Person(t, client, server, "ada", { params: () => ({ reject: answers.pop() ?? "no" }) });
      const seat = await ada.enter(ROOM, { track: {} });
      await agree([seat], (list) => list.length === 1);
      assert.deepEqual([answers, ada.failed], [[], 3], "it was told so each time");
      if (client.longPoll) {
        assert.equal(ada.closes.filter((code) => code === 1011).length, 3, "phoenix.js takes it for the server's failure");
        assert.ok(!ada.closes.includes(1008), "and not for a refusal");
      }
    });

    it("finds a new server on the same port after the old one was killed", async (t) => {
      const old = await serverFor(t);
      const seats = await company(t, client, old);
      const before = await agree(seats, (list) => list.length === 3);
      await old.stop("SIGKILL");
      await returnsTo(t, old, seats, before);
    });

    it("finds a new server on the same port after the old one shut down", async (t) => {
      const old = await serverFor(t);
      const seats = await company(t, client, old);
      const before = await agree(seats, (list) => list.length === 3);
      assert.deepEqual(await old.stop("SIGTERM"), { code: 0, signal: null });
      await returnsTo(t, old, seats, before);
      if (!client.longPoll) {
        for (const seat of seats) assert.equal(seat.person.closes[0], 1012, "the server said that it restarts");
      }
    });
  });
}

for (const client of webSocketClients) {
  describe(client.name, () => {
    it("is closed without a word about anyone leaving when the server shuts down", async (t) => {
      const server = await serverFor(t);
      const seats = await company(t, client, server);
      await agree(seats, (list) => list.length === 3);
      await server.stop("SIGTERM");
      await until("everyone is disconnected", () => seats.every((seat) => seat.person.closes.length > 0));
      for (const seat of seats) {
        assert.deepEqual(seat.departures, []);
        assert.deepEqual([seat.received("phx_close"), seat.received("phx_error")], [[], []]);
      }
    });
  });
}

for (const client of clientsThatNoticeALostSession) {
  describe(client.name, () => {
    it("comes back after the server disconnected its user, and nobody else", async (t) => {
      const server = await serverFor(t);
      const ben = await new Person(t, client, server, "ben").enter(ROOM, { track: {} });
      const ada = await new Person(t, client, server, "ada").enter(ROOM, { track: {} });
      const ada2 = await new Person(t, client, server, "ada").enter(ROOM, { track: {} });
      const before = await agree([ben, ada, ada2], (list) => refs(list).length === 3);

      const answer = await fetch(`${server.origin}/disconnect/ada`);
      assert.equal(await answer.text(), "ok");
      await Promise.all([ada, ada2].map((seat) => seat.joinedAgain(1)));
      const list = await agree([ben, ada, ada2], (list) => refs(list).length === 3);
      assert.equal(refs(list).filter((ref) => refs(before).includes(ref)).length, 1, "only ben's entry is the old one");
      assert.deepEqual([ada, ada2, ben].map((seat) => seat.person.closes.length), [1, 1, 0]);
      // A poll of an ended session is a new connection with an old token, that this server may also take for a bad one
      // of the user's: phoenix.js closes with 3410 for the one, with 1008 for the other, and comes back.
      const codes = client.longPoll ? [3410, 1008] : [1001];
      for (const seat of [ada, ada2]) assert.ok(codes.includes(seat.person.closes[0]), `not ${seat.person.closes[0]}`);
    });
  });
}

/** Ends when the test does. */
async function serverFor(t, port = 0) {
  const server = await startConformance(port);
  t.after(() => server.stop("SIGKILL"));
  return server;
}

/** Starts a server on the port of the old one, and waits until all are back with the list they had. */
async function returnsTo(t, old, seats, before) {
  await until("everyone is disconnected", () => seats.every((seat) => !seat.person.socket.isConnected()));
  await serverFor(t, old.port);
  await Promise.all(seats.map((seat) => seat.joinedAgain(1)));
  const list = await agree(seats, (list) => refs(list).length === seats.length);
  assert.deepEqual(said(list), said(before));
  assert.ok(refs(list).every((ref) => !refs(before).includes(ref)), "the entries are new ones");
}

function company(t, client, server) {
  return Promise.all(
    ["ada", "ben", "cyd"].map((id) => new Person(t, client, server, id).enter(ROOM, { track: { name: id } })),
  );
}

function ref(list, key) {
  return list.find(([found]) => found === key)[1].metas[0].phx_ref;
}

const ROOM = "room:reconnect";
