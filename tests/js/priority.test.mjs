// Edit priority, live: what a page of the real client is told of it by the server, in the order in which it happens.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { startPresenced } from "./support/server.mjs";

const EDIT = { project_id: "p1", action: "edit" };
const ASKING = { ...EDIT, summary: true };

let server;
/** A long poll that is lost is noticed within a few of its windows. */
before(async () => (server = await startPresenced(0, ["--longpoll-window", "2000"])));
after(() => server.stop());

for (const client of clients) {
  describe(client.name, () => {
    const enter = (t, id, topic, { params = ASKING, role } = {}) =>
      new Person(t, client, server, id, { params: role ? { role } : {} }).enter(topic, params);

    it("is told who comes first, and who does when they have left and come back", async (t) => {
      const topic = room();
      const ada = await enter(t, "ada", topic);
      await knows(ada, { present: ["ada"], prior: "ada", disabled: false });
      const ben = await enter(t, "ben", topic);
      await knows(ada, { present: ["ada", "ben"], prior: "ada", disabled: false });
      await knows(ben, { present: ["ada", "ben"], prior: "ada", disabled: true });
      ada.leave();
      await knows(ben, { present: ["ben"], prior: "ben", disabled: false });
      const again = await enter(t, "ada", topic);
      await knows(again, { present: ["ben", "ada"], prior: "ben", disabled: true });
      await knows(ben, { present: ["ben", "ada"], prior: "ben", disabled: false });
      assert.deepEqual(ben.received("set-disabled"), [{ disabled: true }, { disabled: false }]);
    });

    it("may edit in no tab while there are two", async (t) => {
      const topic = room();
      const first = await enter(t, "ada", topic);
      const second = await enter(t, "ada", topic);
      for (const tab of [first, second]) {
        await knows(tab, { present: ["ada", "ada"], prior: "ada", disabled: true });
      }
      first.leave();
      await knows(second, { present: ["ada"], prior: "ada", disabled: false });
    });

    it("is not ranked as a viewer, though the first to come", async (t) => {
      const topic = room();
      const vic = await enter(t, `vic ${client.name}`, topic, { role: "viewer" });
      const { id } = vic.person;
      await knows(vic, { present: [], prior: id, disabled: true });
      const ada = await enter(t, "ada", topic);
      await knows(ada, { present: ["ada"], prior: "ada", disabled: false });
      await knows(vic, { present: ["ada"], prior: "ada", disabled: true });
    });

    it("is back with a fresh summary after a lost connection", async (t) => {
      const topic = room();
      const ada = await enter(t, "ada", topic);
      const ben = await enter(t, "ben", topic);
      await knows(ben, { present: ["ada", "ben"], prior: "ada", disabled: true });
      ada.person.drop();
      await ada.joinedAgain(1);
      for (const seat of [ada, ben]) {
        await knows(seat, { present: ["ben", "ada"], prior: "ben", disabled: seat === ada });
      }
    });

    it("is told nothing of it without having asked", async (t) => {
      const topic = room();
      const ada = await enter(t, "ada", topic, { params: EDIT });
      const ben = await enter(t, "ben", topic);
      await knows(ben, { present: ["ada", "ben"], prior: "ada", disabled: true });
      await until("ada sees ben", () => ada.metas("ben").length === 1);
      await ada.ask("anything", {});
      assert.deepEqual([ada.received("presence_summary"), ada.received("set-disabled")], [[], []]);
    });

    it("never reads of anybody in a summary whom its presence does not show", async (t) => {
      const topic = room();
      const ada = await enter(t, "ada", topic);
      ada.channel.on("presence_summary", ({ presences }) => {
        const told = presences.map(({ user, active_sessions }) => [user.id, active_sessions]).sort();
        const shown = ada.list.map(([key, { metas }]) => [key, metas.length]).sort();
        assert.deepEqual(told, shown);
      });
      const others = await Promise.all(Array.from({ length: 10 }, (_, at) => enter(t, `u${at}`, topic)));
      for (const other of others.slice(5)) other.leave();
      await until("ada is told of the five who stay", () => latest(ada)?.presences.length === 6);
    });
  });
}

const room = () => `workflow:collaborate:${randomUUID()}`;

const latest = (seat) => seat.received("presence_summary").at(-1);

/** Resolves once a client was told this: who is present, in their order and once a tab, who is prior, and whether it is disabled. */
function knows(seat, expected) {
  return until(`${seat.person.id} knows ${JSON.stringify(expected)}`, () => {
    const summary = latest(seat);
    const disabled = seat.received("set-disabled").at(-1)?.disabled;
    if (!summary) return false;
    assert.equal(summary.current_user_presence.user.id, seat.person.id);
    const present = summary.presences.flatMap(({ user, active_sessions }) => Array(active_sessions).fill(user.id));
    return isDeepStrictEqual({ present, prior: summary.prior_user_presence.user.id, disabled }, expected);
  });
}
