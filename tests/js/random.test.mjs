// A random story of six clients, both versions and both transports, told again by the seed that it prints:
// `SEED=<n> node --test random.test.mjs`. However it goes, everyone ends with the server's list, and it is the right one.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { agree } from "./support/agreement.mjs";
import { inOrder, said } from "./support/lists.mjs";
import { Person } from "./support/person.mjs";
import { clients, webSocketClients } from "./support/phoenix.mjs";
import { startConformance } from "./support/server.mjs";

let server;
before(async () => (server = await startConformance()));
after(() => server.stop());

it("six clients and two hundred random operations end in one list", async (t) => {
  const seed = Number(process.env.SEED ?? 20_240_607);
  t.diagnostic(`seed ${seed}`);
  const random = generator(seed);
  const cast = [...clients, ...webSocketClients];
  const actors = cast.map((client, n) => new Actor(new Person(t, client, server, USERS[n % USERS.length]), n));

  const scripts = actors.map(() => []);
  for (let step = 0; step < OPERATIONS; step += 1) {
    scripts[random(actors.length)].push({ step, choice: random(WEIGHTED.length), key: KEYS[random(KEYS.length)] });
  }
  await Promise.all(actors.map((actor, n) => actor.play(scripts[n])));
  for (const actor of actors) if (!actor.seat) await actor.join({ step: OPERATIONS });

  const expected = merged(actors.map((actor) => actor.tracked));
  const list = await agree(actors.map((actor) => actor.seat), (list) => isDeepStrictEqual(said(list), expected));
  assert.deepEqual(said(list), expected);
});

/** One client that does what its script says, one operation after the other, and knows what it then has tracked. */
class Actor {
  constructor(person, number) {
    this.person = person;
    this.number = number;
    this.seat = null;
    /** key → meta */
    this.tracked = new Map();
  }

  async play(script) {
    for (const operation of script) {
      const name = this.seat ? WEIGHTED[operation.choice] : "join";
      await this[name](operation);
    }
  }

  async join({ step }) {
    const meta = this.#meta(step);
    this.seat = await this.person.enter(ROOM, { track: meta });
    this.tracked = new Map([[this.person.id, meta]]);
    this.joinMeta = meta;
  }

  async leave() {
    this.seat.leave();
    await this.seat.gone();
    this.seat = null;
    this.tracked = new Map();
  }

  async track({ step, key }) {
    const [status, response] = await this.seat.ask("track", { key, meta: this.#meta(step) });
    if (this.tracked.has(key)) {
      assert.deepEqual([status, response], ["error", { reason: "already_tracked", key }]);
    } else {
      assert.equal(status, "ok");
      this.tracked.set(key, this.#meta(step));
    }
  }

  /** Updates what is tracked: updating anything else crashes the channel, and has its own story. */
  async update({ step, key }) {
    if (!this.tracked.has(key)) return;
    const [status] = await this.seat.ask("update", { key, meta: this.#meta(step) });
    assert.equal(status, "ok");
    this.tracked.set(key, this.#meta(step));
  }

  async untrack({ key }) {
    assert.deepEqual(await this.seat.ask("untrack", { key }), ["ok", {}]);
    this.tracked.delete(key);
  }

  /** Loses the connection; the client's rejoin repeats the params of its join. */
  async drop() {
    const joins = this.seat.joinReplies.length;
    this.person.drop();
    await this.seat.joinedAgain(joins);
    this.tracked = new Map([[this.person.id, this.joinMeta]]);
  }

  #meta(step) {
    return { actor: this.number, step };
  }
}

/** What all have tracked, as `said` shows a list. */
function merged(trackings) {
  const metas = new Map();
  for (const tracked of trackings) {
    for (const [key, meta] of tracked) metas.set(key, [...(metas.get(key) ?? []), meta]);
  }
  return [...metas.keys()].sort().map((key) => [key, inOrder(metas.get(key))]);
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

const ROOM = "room:random";
const USERS = ["ada", "ben", "cyd"];
const KEYS = [...USERS, "shared cursor"];
const OPERATIONS = 200;
const WEIGHTED = ["track", "track", "update", "update", "update", "untrack", "untrack", "leave", "drop"];
