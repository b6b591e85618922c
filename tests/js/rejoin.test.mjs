// A topic that is left and joined again before what was said in between has come back, as by a component that is mounted
// twice: phoenix.js takes the last diffs of the old join for news of the new one. Whatever the delay, nobody must stay in
// its list who is not there.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { Proxy } from "./support/proxy.mjs";
import { startConformance } from "./support/server.mjs";

for (const client of clients) {
  describe(client.name, { concurrency: true }, () => {
    // In long poll a few: there every message of a client waits for the answers to those before.
    const atOnce = client.longPoll ? 5 : 50;
    let server;
    before(async () => (server = await startConformance()));
    after(() => server.stop());

    for (const delay of [0, 10, 30, 100]) {
      it(`with ${2 * delay} ms there and back, no list keeps who has left`, async (t) => {
        const through = await Proxy.before(t, server, delay);
        const [me, other] = ["me", "other"].map((id) => new Person(t, client, through, id));
        const step = Math.max(delay / 3, 0.5);
        const seats = [];
        for (let round = 0; round < ROUNDS; round += atOnce) {
          const batch = Array.from({ length: atOnce }, (_, i) => leaveAndRejoin(me, other, round + i, step));
          seats.push(...(await Promise.all(batch)));
        }
        // Until the last diff, of whatever window, has come.
        await sleep(500 + 4 * delay);
        await Promise.all(seats.map((seat) => seat.ask("echo", {})));
        const wrong = seats.filter((seat) => JSON.stringify(seat.list.map(([key, { metas }]) => [key, metas.length])) !== ONE);
        assert.deepEqual(wrong.map(({ list }) => list), []);
      });
    }
  });
}

/** Joins a room of its own, leaves it at some time of the join, and joins it at once. Resolves with the seat once it has a list. */
async function leaveAndRejoin(me, other, round, step) {
  const room = `room:${randomUUID()}`;
  const first = me.seat(room, TRACKED);
  first.channel.join();
  const guest = round % 2 ? other.seat(room, TRACKED) : undefined;
  guest?.channel.join();
  await sleep((round % 10) * step);
  first.leave();
  guest?.leave();
  const again = me.seat(room, TRACKED);
  again.join();
  await again.synced();
  return again;
}

const TRACKED = { track: { n: 1 } };
const ONE = JSON.stringify([["me", 1]]);
const ROUNDS = 50;
