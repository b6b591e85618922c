// Two tabs of one page with the provider's own BroadcastChannel on, as its default is: what the gateway tells one of them
// the other hears as well, and hands back.

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { allSeeAll, Canvas } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Stage, workflow } from "../support/stage.mjs";

let stage;
before(async () => (stage = await Stage.start()));
after(() => stage.stop());

it("in a quiet room they send no more than a frame a second", async (t) => {
  const id = workflow();
  const tab = { session: "one login", requestId: "one-load-of-a-page-0001", disableBc: false };
  const [first, second] = [await Canvas.open(t, stage.gateway, "ada", id, tab), await Canvas.open(t, stage.gateway, "ada", id, tab)];
  const ben = await Canvas.open(t, stage.gateway, "ben", id);
  await until("ben sees both", () => ben.others.size === 2);
  first.move(1, 1);
  await until("the move is seen", () => ben.cursorOf(first)?.x === 1);
  await sleep(2_000);
  const since = performance.now();
  await sleep(5_000);
  for (const canvas of [first, second, ben]) {
    const frames = canvas.up.filter(({ kind, at }) => kind === "awareness" && at > since);
    assert.ok(frames.length <= 5, `${canvas.name} sent ${frames.length} frames in 5 s`);
  }
  assert.deepEqual(ben.gone, []);
});

it("one of them closes, and the other stays", async (t) => {
  const id = workflow();
  const tab = { session: "one login", requestId: "one-load-of-a-page-0002", disableBc: false };
  const [first, second] = [await Canvas.open(t, stage.gateway, "ada", id, tab), await Canvas.open(t, stage.gateway, "ada", id, tab)];
  const ben = await Canvas.open(t, stage.gateway, "ben", id);
  await allSeeAll([ben, first, second]);
  first.close();
  await ben.seesOnly([second]);
});

it("three tabs of one load are all shown, and stay so", async (t) => {
  const id = workflow();
  const tab = { session: "one login", requestId: "one-load-of-a-page-0003" };
  const tabs = [];
  for (let i = 0; i < 3; i += 1) tabs.push(await Canvas.open(t, stage.gateway, "ada", id, tab));
  const ben = await Canvas.open(t, stage.gateway, "ben", id);
  await allSeeAll([ben, ...tabs]);
  await sleep(3_000);
  await allSeeAll([ben, ...tabs]);
  assert.deepEqual([ben, ...tabs].flatMap(({ closes, gone }) => [...closes, ...gone]), []);
});
