// Stories that take their time, all at once: pages that fall silent or do not come back, and an upstream that stands still.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { allSeeAll, Canvas, openAll } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Person } from "../support/person.mjs";
import { webSocketClients } from "../support/phoenix.mjs";
import { Proxy } from "../support/proxy.mjs";
import { Stage, workflow } from "../support/stage.mjs";

describe("for a while", { concurrency: true }, () => {
  it("a tab whose timers stand still is seen all the time, and sees", async (t) => {
    const stage = await Stage.for(t);
    const [ada, ben, silent] = await openAll(t, stage.gateway, ["ada", "ben", "quiet"], workflow());
    await allSeeAll([ada, ben, silent]);
    silent.stopTimers();
    await sleep(SILENCE_MS);
    assert.deepEqual([ada.gone, ben.gone, silent.gone], [[], [], []]);
    assert.deepEqual(silent.closes, []);
    ada.move(4, 2);
    await until("it sees the move", () => silent.cursorOf(ada)?.x === 4);
  });

  it("people whose page renews nothing since it came back are seen all the time", async (t) => {
    const stage = await Stage.for(t);
    const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
    await allSeeAll([ada, ben]);
    ben.drop();
    await ben.joined(2);
    await until("ben has the context", () => ben.contexts.length === 2);
    await sleep(IDLE_MS);
    assert.deepEqual(ada.gone, []);
  });

  it("an upstream that stands still costs nobody a cursor or the connection, and edits arrive behind it in order", async (t) => {
    const stage = await Stage.for(t);
    const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
    await allSeeAll([ada, ben]);
    const run = new Person(t, webSocketClients[0], stage.gateway, "ada", { params: { token: "good:ada" } }).seat("run:7");
    await run.join();
    stage.upstream.freeze();
    t.after(() => stage.upstream.thaw());
    const seen = [];
    ben.awareness.on("change", () => {
      const x = ben.cursorOf(ada)?.x;
      if (x !== seen.at(-1)) seen.push(x);
    });
    const end = performance.now() + STALL_MS;
    let moves = 0;
    while (performance.now() < end) {
      moves += 1;
      ada.say("cursor", { x: moves, y: 0 });
      ada.edit((doc) => doc.getArray("order").push([moves]));
      run.say("push", { n: moves });
      await sleep(500);
    }
    await until("the last move is seen", () => seen.at(-1) === moves);
    assert.deepEqual(seen, Array.from({ length: moves }, (_, i) => i + 1), "every move was seen, in order");
    assert.deepEqual([ada.closes, ben.closes, ada.gone, ben.gone], [[], [], [], []]);
    stage.upstream.thaw();
    await until("every edit has arrived", () => ben.doc.getArray("order").length === moves);
    assert.deepEqual(ben.doc.getArray("order").toArray(), seen);
    // Yjs would put edits into their order itself; what is echoed shows in which they came.
    await until("every push has come back", () => run.received("pushed").length === moves);
    assert.deepEqual(run.received("pushed").map(({ n }) => n), seen);
  });

  it("who loses the connection is gone after the grace if they do not come back, and not before", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const ben = await Canvas.open(t, proxy, "ben", id);
    await allSeeAll([ada, ben]);
    const lost = performance.now();
    proxy.fail();
    await ada.seesOnly([]);
    const after = ada.gone.at(-1).at - lost;
    assert.ok(after >= GRACE_MS - 100, `gone after ${Math.round(after)} ms`);
  });

  it("who is logged out is gone after the grace: nobody lets them in again", async (t) => {
    const stage = await Stage.for(t);
    const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
    await allSeeAll([ada, ben]);
    await stage.upstream.control("refuse", { status: 403 });
    const closed = performance.now();
    await stage.upstream.control("disconnect", { person: "ben" });
    await ada.seesOnly([]);
    const after = ada.gone.at(-1).at - closed;
    assert.ok(after >= GRACE_MS - 100, `gone after ${Math.round(after)} ms`);
    assert.equal(ben.joins.length, 1);
  });

  it("two tabs of a person that wake after the grace are both there again", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const tabs = await openAll(t, proxy, ["ben", "ben"], id, { session: "one login" });
    await allSeeAll([ada, ...tabs]);
    proxy.fail();
    await ada.seesOnly([]);
    proxy.mend();
    await Promise.all(tabs.map((tab) => tab.joined(2)));
    await allSeeAll([ada, ...tabs]);
  });

  it("who lost the connection has the whole grace again after the gateway stood still", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const ben = await Canvas.open(t, proxy, "ben", id);
    await allSeeAll([ada, ben]);
    proxy.fail();
    await until("ben is away", () => ben.closes.length > 0);
    // The gateway has taken note, and has not yet given him up.
    await sleep(GRACE_MS / 5);
    stage.gateway.freeze();
    t.after(() => stage.gateway.thaw());
    await sleep(GRACE_MS + 2_000);
    proxy.mend();
    stage.gateway.thaw();
    await ben.joined(2);
    await allSeeAll([ada, ben]);
    assert.deepEqual(ada.gone, []);
  });

  it("whose connection says nothing more is gone as soon as a ping was in vain", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const ben = await Canvas.open(t, proxy, "ben", id);
    await allSeeAll([ada, ben]);
    const silent = performance.now();
    proxy.swallow();
    await ada.seesOnly([], PING_MS + ANSWER_MS + 10_000);
    const after = ada.gone.at(-1).at - silent;
    assert.ok(after >= PING_MS + ANSWER_MS - 3_000, `gone after ${Math.round(after)} ms`);
  });

  it("nobody is lost while the upstream is away for longer than the grace, not even who comes back later", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const ben = await Canvas.open(t, proxy, "ben", id);
    await allSeeAll([ada, ben]);
    await stage.upstream.stop();
    await until("ben is away", () => ben.closes.length > 0);
    proxy.fail();
    await sleep(GRACE_MS + 2_000);
    await stage.restartUpstream();
    await ada.joined(2);
    await ada.seesOnly([ben], TWIN_MS);
    assert.equal(ben.joins.length, 1);
    proxy.mend();
    await ben.joined(2);
    await allSeeAll([ada, ben]);
    for (const { gone } of [ada, ben]) assert.deepEqual(gone.filter(({ isConnected }) => isConnected), []);
  });

  it("two tabs of a person are both seen, for as long as both answer", async (t) => {
    const stage = await Stage.for(t);
    const id = workflow();
    const canvases = await openAll(t, stage.gateway, ["ada", "ben", "ben"], id, { session: "one login" });
    await allSeeAll(canvases);
    await sleep(3 * TWIN_MS);
    assert.deepEqual(canvases.flatMap(({ closes, gone }) => [...closes, ...gone]), []);
    await allSeeAll(canvases);
  });

  it("a tab whose connection says nothing more is gone soon after its person is there in another", async (t) => {
    const stage = await Stage.for(t);
    const proxy = await Proxy.before(t, stage.gateway);
    const id = workflow();
    const ada = await Canvas.open(t, stage.gateway, "ada", id);
    const before = await Canvas.open(t, proxy, "ben", id, { session: "one login" });
    await allSeeAll([ada, before]);
    proxy.swallow();
    const anew = await Canvas.open(t, stage.gateway, "ben", id, { session: "one login" });
    await ada.seesOnly([anew], PING_MS);
    assert.equal(ada.gone.at(-1).clientID, before.clientID);
  });
});

const GRACE_MS = 5_000;
/** How long the connection of a person's other tab has to answer. */
const TWIN_MS = 2_000;
const SILENCE_MS = 90_000;
const IDLE_MS = 70_000;
const STALL_MS = 75_000;
/** A connection of which nothing was read for so long is pinged, and has so long to answer. */
const PING_MS = 15_000;
const ANSWER_MS = 10_000;
