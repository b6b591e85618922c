// Stories of a minute and more, all at once: pages that fall silent, and an upstream that stands still.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { allSeeAll, openAll } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Stage, workflow } from "../support/stage.mjs";

describe("for more than a minute", { concurrency: true }, () => {
  it("a tab whose timers stand still is seen all the time, and sees", async (t) => {
    const stage = await Stage.for(t);
    const [ada, ben, silent] = await openAll(t, stage.gateway, ["ada", "ben", "silent tab"], workflow());
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
      await sleep(500);
    }
    await until("the last move is seen", () => seen.at(-1) === moves);
    assert.deepEqual(seen, Array.from({ length: moves }, (_, i) => i + 1), "every move was seen, in order");
    assert.deepEqual([ada.closes, ben.closes, ada.gone, ben.gone], [[], [], [], []]);
    stage.upstream.thaw();
    await until("every edit has arrived", () => ben.doc.getArray("order").length === moves);
    assert.deepEqual(ben.doc.getArray("order").toArray(), seen);
  });
});

const SILENCE_MS = 90_000;
const IDLE_MS = 70_000;
const STALL_MS = 75_000;
