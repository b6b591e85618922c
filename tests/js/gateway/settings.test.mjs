// What an operator can set of the gateway does what its help says.

import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { allSeeAll, Canvas, openAll } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Proxy } from "../support/proxy.mjs";
import { Stage, workflow } from "../support/stage.mjs";

it("--grace: for how long somebody is shown whose connection was lost", async (t) => {
  const stage = await Stage.for(t, ["--grace", "1"]);
  const proxy = await Proxy.before(t, stage.gateway);
  const id = workflow();
  const ada = await Canvas.open(t, stage.gateway, "ada", id);
  const ben = await Canvas.open(t, proxy, "ben", id);
  await allSeeAll([ada, ben]);
  const lost = performance.now();
  proxy.fail();
  await ada.seesOnly([]);
  const after = ada.gone.at(-1).at - lost;
  assert.ok(after >= 900 && after < 4_000, `gone after ${Math.round(after)} ms`);
});

it("--awareness-interval: how often the members of a room are sent what changed, at the most", async (t) => {
  const stage = await Stage.for(t, ["--awareness-interval", "500"]);
  const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
  await allSeeAll([ada, ben]);
  const since = performance.now();
  for (let x = 1; x <= 40; x += 1) {
    ada.say("cursor", { x, y: 0 });
    await sleep(50);
  }
  await until("the last move is seen", () => ben.cursorOf(ada)?.x === 40);
  const took = performance.now() - since;
  const frames = ben.down.filter(({ kind, at }) => kind === "awareness" && at > since).length;
  assert.ok(frames >= 2 && frames <= took / 500 + 2, `${frames} frames in ${Math.round(took)} ms`);
});

it("--trust-awareness-identity: names are passed on as pages claim them", async (t) => {
  const stage = await Stage.for(t, ["--trust-awareness-identity"]);
  const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
  await allSeeAll([ada, ben]);
  ben.say("user", { ...ben.user, name: "Anybody" });
  await until("the name is seen", () => ada.sees[0] === "Anybody");
});
