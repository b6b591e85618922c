// Who is in a room, as the clients' own `Presence` tells it, always compared with the server's list in the end.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { agree } from "./support/agreement.mjs";
import { inOrder, refs, said } from "./support/lists.mjs";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients, clientsThatTakeAnyKey } from "./support/phoenix.mjs";
import { startConformance } from "./support/server.mjs";

let server;
before(async () => (server = await startConformance()));
after(() => server.stop());

for (const client of clients) {
  describe(client.name, () => {
    const enter = (t, id, meta = { at: "the door" }) =>
      new Person(t, client, server, id).enter(roomOf(t, client), { track: meta });

    it("sees everyone who has joined, whoever came first", async (t) => {
      const seats = [];
      for (const id of ["ada", "ben", "cyd"]) seats.push(await enter(t, id, { name: id }));
      const list = await agree(seats, (list) => list.length === 3);
      assert.deepEqual(said(list), [["ada", [{ name: "ada" }]], ["ben", [{ name: "ben" }]], ["cyd", [{ name: "cyd" }]]]);
      for (const seat of seats) assert.deepEqual(new Set(keys(seat.arrivals)), new Set(["ada", "ben", "cyd"]));
    });

    it("sees all of a crowd that joins at once", async (t) => {
      const ids = Array.from({ length: 12 }, (_, n) => `user ${n}`);
      const seats = await Promise.all(ids.map((id) => enter(t, id, { name: id })));
      const list = await agree(seats, (list) => list.length === ids.length);
      assert.equal(new Set(refs(list)).size, ids.length);
    });

    it("sees one person in two tabs under one key, until both are gone", async (t) => {
      const ben = await enter(t, "ben");
      const tab1 = await enter(t, "ada", { tab: 1 });
      await until("ben sees the first tab", () => ben.metas("ada").length === 1);
      const tab2 = await enter(t, "ada", { tab: 2 });
      const list = await agree([ben, tab1, tab2], (list) => list.length === 2 && refs(list).length === 3);
      assert.deepEqual(said(list)[0], ["ada", [{ tab: 1 }, { tab: 2 }]]);
      assert.deepEqual(ben.arrivals.filter(({ key }) => key === "ada").map(({ before }) => before.length), [0, 1]);

      tab1.leave();
      await until("one tab is gone", () => ben.metas("ada").length === 1);
      await agree([ben, tab2], (list) => refs(list).length === 2);
      tab2.leave();
      await until("both tabs are gone", () => ben.metas("ada").length === 0);
      await agree([ben], (list) => list.length === 1);
      assert.deepEqual(ben.departures.map(({ key, remaining }) => [key, remaining.length]), [["ada", 1], ["ada", 0]]);
    });

    it("sees an update as one diff in which the key never disappears", async (t) => {
      const ada = await enter(t, "ada", { mood: "calm" });
      const ben = await enter(t, "ben");
      await agree([ada, ben], (list) => list.length === 2);
      const [before] = ben.metas("ada");
      const heard = ben.received("presence_diff").length;

      const [status, { phx_ref: ref }] = await ada.ask("update", { key: "ada", meta: { mood: "busy" } });
      assert.equal(status, "ok");
      await until("ben sees the update", () => ben.metas("ada").some((meta) => meta.mood === "busy"));

      const updated = { mood: "busy", phx_ref: ref, phx_ref_prev: before.phx_ref };
      assert.deepEqual(ben.metas("ada"), [updated]);
      assert.deepEqual(ben.received("presence_diff").slice(heard), [
        { joins: { ada: { metas: [updated] } }, leaves: { ada: { metas: [before] } } },
      ]);
      assert.deepEqual(ben.arrivals.at(-1), { key: "ada", before: [before], joined: [updated] });
      assert.deepEqual(ben.departures, [{ key: "ada", remaining: [updated], left: [before] }]);
      await agree([ada, ben], (list) => list.length === 2);
    });

    it("sees the last of many quick updates", async (t) => {
      const ada = await enter(t, "ada", { n: 0 });
      const ben = await enter(t, "ben");
      await Promise.all(Array.from({ length: 50 }, (_, n) => ada.ask("update", { key: "ada", meta: { n: n + 1 } })));
      const list = await agree([ada, ben], (list) => list.length === 2);
      assert.deepEqual(said(list)[0], ["ada", [{ n: 50 }]]);
      assert.ok(ben.departures.every(({ remaining }) => remaining.length > 0), "ada was never away");
    });

    it("sees someone untracked disappear, and come back when tracked again", async (t) => {
      const ada = await enter(t, "ada", { n: 1 });
      const ben = await enter(t, "ben");
      await agree([ada, ben], (list) => list.length === 2);
      assert.deepEqual(await ada.ask("untrack", { key: "ada" }), ["ok", {}]);
      await agree([ada, ben], (list) => list.length === 1);
      assert.deepEqual(await ada.ask("untrack", { key: "ada" }), ["ok", {}]);
      const [status] = await ada.ask("track", { key: "ada", meta: { n: 2 } });
      assert.equal(status, "ok");
      const list = await agree([ada, ben], (list) => list.length === 2);
      assert.deepEqual(said(list)[0], ["ada", [{ n: 2 }]]);
    });

    it("sees several keys of one channel come, and go together", async (t) => {
      const ada = await enter(t, "ada");
      const ben = await enter(t, "ben");
      for (const key of ["cursor", "voice", "ünïcode ☃"]) {
        const [status] = await ada.ask("track", { key, meta: { of: "ada" } });
        assert.equal(status, "ok");
      }
      await agree([ada, ben], (list) => list.length === 5);
      ada.leave();
      await agree([ben], (list) => list.length === 1);
      assert.deepEqual(keys(ben.departures).sort(), ["ada", "cursor", "voice", "ünïcode ☃"]);
    });

    it("is refused to track a key twice, and can look it up", async (t) => {
      const ada = await enter(t, "ada", { n: 1 });
      const refused = ["error", { reason: "already_tracked", key: "ada" }];
      assert.deepEqual(await ada.ask("track", { key: "ada", meta: { n: 2 } }), refused);
      const [, entry] = await ada.ask("get_by_key", { key: "ada" });
      assert.deepEqual(entry.metas, ada.metas("ada"));
      assert.deepEqual(await ada.ask("get_by_key", { key: "nobody" }), ["ok", {}]);
      await agree([ada], (list) => list.length === 1);
    });

    it("sees people leave, and those who only disconnect", async (t) => {
      const [ada, ben, cyd] = await Promise.all(["ada", "ben", "cyd"].map((id) => enter(t, id)));
      await agree([ada, ben, cyd], (list) => list.length === 3);
      ada.leave();
      await agree([ben, cyd], (list) => list.length === 2);
      ben.person.disconnect();
      const list = await agree([cyd], (list) => list.length === 1);
      assert.equal(list[0][0], "cyd");
      assert.deepEqual(keys(cyd.departures), ["ada", "ben"]);
    });

    it("sees a crashed channel's people go, and come back with its rejoin", async (t) => {
      const ada = await enter(t, "ada", { n: 1 });
      const ben = await enter(t, "ben");
      await agree([ada, ben], (list) => list.length === 2);
      const [{ phx_ref: old }] = ben.metas("ada");
      ada.say("crash", {});
      await until("ben sees ada's new tab", () => ben.metas("ada").some((meta) => meta.phx_ref !== old));
      await ada.synced();
      const list = await agree([ada, ben], (list) => refs(list).length === 2);
      assert.deepEqual(said(list)[0], ["ada", [{ n: 1 }]]);
    });

    it("is present once after joining the same topic twice", async (t) => {
      const ben = await enter(t, "ben");
      const person = new Person(t, client, server, "ada");
      const first = await person.enter(roomOf(t, client), { track: { join: 1 } });
      await agree([first, ben], (list) => refs(list).length === 2);
      const again = await person.enter(roomOf(t, client), { track: { join: 2 } });
      const list = await agree([again, ben], (list) => refs(list).length === 2);
      assert.deepEqual(said(list)[0], ["ada", [{ join: 2 }]]);
    });

    it("keeps rooms apart on one connection", async (t) => {
      const person = new Person(t, client, server, "ada");
      const red = await person.enter(`${roomOf(t, client)} red`, { track: { room: "red" } });
      const blue = await person.enter(`${roomOf(t, client)} blue`, { track: { room: "blue" } });
      assert.deepEqual(said(await agree([red], (list) => list.length === 1)), [["ada", [{ room: "red" }]]]);
      assert.deepEqual(said(await agree([blue], (list) => list.length === 1)), [["ada", [{ room: "blue" }]]]);
      red.leave();
      assert.deepEqual(said(await agree([blue])), [["ada", [{ room: "blue" }]]]);
    });

    it("gets metas as they were written", async (t) => {
      const meta = { text: "\u{1f980} \"quoted\" \\ \u2028", big: 1.5e300, small: -0.25, nested: [{ a: [] }, null, true] };
      const ada = await enter(t, "ada", meta);
      const ben = await enter(t, "ben", {});
      const list = await agree([ada, ben], (list) => list.length === 2);
      assert.deepEqual(said(list), [["ada", inOrder([meta])], ["ben", [{}]]]);
    });
  });
}

for (const client of clientsThatTakeAnyKey) {
  describe(client.name, () => {
    it("sees people whose key is a name that every object has", async (t) => {
      const ids = ["__proto__", "constructor", "toString"];
      const enter = (id) => new Person(t, client, server, id).enter(roomOf(t, client), { track: { id } });
      const seats = await Promise.all(ids.map(enter));
      const list = await agree(seats, (list) => list.length === ids.length);
      assert.deepEqual(list.map(([key]) => key), ids);
      seats[0].leave();
      await agree(seats.slice(1), (list) => list.length === ids.length - 1);
    });
  });
}

/** A room of the test's own: people of an earlier test who only disconnected may still be in theirs for a while. */
function roomOf(t, client) {
  return `room:${client.name}: ${t.name}`;
}

function keys(happenings) {
  return happenings.map(({ key }) => key);
}
