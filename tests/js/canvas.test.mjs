// The canvas of a workflow: its two rooms, the people in them, and the joins that are refused.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { after, before, describe, it } from "node:test";
import { randomUUID } from "node:crypto";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { startConformance } from "./support/server.mjs";

const EDIT = { project_id: "p1", action: "edit" };
const REFUSED = [
  ["workflow:collaborate:w1", {}, "invalid parameters. project_id and action are required"],
  ["workflow:collaborate:w1", { project_id: "p1" }, "invalid parameters. project_id and action are required"],
  ["workflow:collaborate:w1", { action: "edit" }, "invalid parameters. project_id and action are required"],
  ["workflow:collaborate:w1", { project_id: "missing", action: "edit" }, "project not found"],
  ["workflow:collaborate:w1:vx", EDIT, "invalid version format"],
  ["workflow:collaborate:w1:v404", EDIT, "snapshot version 404 not found"],
  ["workflow:collaborate:missing", EDIT, "workflow not found"],
  ["workflow:collaborate:w1", { project_id: "elsewhere", action: "edit" }, "workflow does not belong to specified project"],
  ["workflow:collaborate:w1", { project_id: "forbidden", action: "edit" }, "unauthorized"],
  ["workflow:collaborate:w1", { project_id: "p1", action: "watch" }, "invalid action 'watch', must be 'new' or 'edit'"],
  ["workflow:other:w1", EDIT, "join crashed"],
];

let server;
before(async () => (server = await startConformance()));
after(() => server.stop());

for (const client of clients) {
  describe(client.name, () => {
    const enter = (t, id, topic, params = EDIT) => new Person(t, client, server, id).enter(topic, params);

    it("sees the people of both rooms, under its own room's topic", async (t) => {
      const workflow = randomUUID();
      const editor = await enter(t, "1", `workflow:collaborate:${workflow}`);
      const watcher = await enter(t, "2", `workflow:presence:${workflow}`, {});
      const tab = await enter(t, "1", `workflow:presence:${workflow}`, {});
      const seats = [editor, watcher, tab];
      await settled(seats, { 1: 2, 2: 1 });
      for (const seat of seats) assert.deepEqual(presenceTopics(seat), [seat.topic]);

      editor.leave();
      await settled([watcher, tab], { 1: 1, 2: 1 });
      tab.leave();
      await settled([watcher], { 2: 1 });
    });

    it("sees who looks at an old snapshot of the workflow", async (t) => {
      const workflow = randomUUID();
      const editor = await enter(t, "1", `workflow:collaborate:${workflow}`);
      const reader = await enter(t, "2", `workflow:collaborate:${workflow}:v7`);
      await settled([editor, reader], { 1: 1, 2: 1 });
      reader.leave();
      await settled([editor], { 1: 1 });
    });

    it("sees nobody of another workflow", async (t) => {
      const [one, other] = [randomUUID(), randomUUID()];
      const ada = await enter(t, "1", `workflow:collaborate:${one}`);
      const ben = await enter(t, "2", `workflow:collaborate:${other}`);
      await settled([ada], { 1: 1 });
      await settled([ben], { 2: 1 });
    });

    it("shows who people are, and since when they are here", async (t) => {
      const topic = `workflow:collaborate:${randomUUID()}`;
      const first = await enter(t, "1", topic);
      const second = await enter(t, "2", topic);
      await settled([first, second], { 1: 1, 2: 1 });
      const [[one], [two]] = ["1", "2"].map((id) => first.metas(id));
      assert.deepEqual(one.user, { id: "1", first_name: "U1", last_name: "L", email: "1@openfn.org" });
      assert.deepEqual(Object.keys(two).sort(), ["joined_at", "phx_ref", "user"]);
      assert.ok(Number.isSafeInteger(one.joined_at) && one.joined_at <= two.joined_at);
      const sinceJoined = Date.now() - two.joined_at / 1000;
      assert.ok(sinceJoined >= -1000 && sinceJoined < 60_000, "microseconds of the server's clock");
    });

    it("is back after a lost connection, once", async (t) => {
      const topic = `workflow:collaborate:${randomUUID()}`;
      const ada = await enter(t, "1", topic);
      const ben = await enter(t, "2", topic);
      await settled([ada, ben], { 1: 1, 2: 1 });
      const [{ phx_ref: old }] = ben.metas("1");
      ada.person.drop();
      await ada.joinedAgain(1);
      await until("ben no longer sees ada's old entry", () => ben.metas("1").every(({ phx_ref }) => phx_ref !== old));
      await settled([ada, ben], { 1: 1, 2: 1 });
    });

    it("may edit a workflow that is not stored yet", async (t) => {
      const seat = await enter(t, "1", "workflow:collaborate:missing", { ...EDIT, action: "new" });
      assert.deepEqual(seat.joinReplies, [["ok", {}]]);
    });

    for (const [topic, params, reason] of REFUSED) {
      it(`is refused ${topic} with ${JSON.stringify(params)}`, async (t) => {
        const seat = new Person(t, client, server, "1").seat(topic, params);
        assert.deepEqual(await seat.join(), ["error", { reason }]);
      });
    }
  });
}

/** Resolves once every seat believes in the same entries, and each key has as many tabs as expected. */
function settled(seats, tabs) {
  return until(`everyone sees ${JSON.stringify(tabs)}`, () => {
    const [list, ...others] = seats.map((seat) => seat.list);
    const counted = Object.fromEntries(list.map(([key, { metas }]) => [key, metas.length]));
    return isDeepStrictEqual(counted, tabs) && others.every((other) => isDeepStrictEqual(other, list));
  });
}

/** The topics of the presence messages that a person got. */
function presenceTopics(seat) {
  const messages = seat.person.messages.filter(({ event }) => event.startsWith("presence_"));
  return [...new Set(messages.map(({ topic }) => topic))];
}
