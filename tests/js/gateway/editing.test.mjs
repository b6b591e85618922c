// Editing through the gateway is editing on Lightning: the page loads, documents of any length arrive, and what one
// changes all have.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Canvas, openAll } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { clients } from "../support/phoenix.mjs";
import { Stage, workflow } from "../support/stage.mjs";

let stage;
before(async () => (stage = await Stage.start()));
after(() => stage.stop());

for (const client of clients.filter(({ longPoll }) => !longPoll)) {
  it(`${client.name}: the page has its workflow and its person`, async (t) => {
    const ada = await Canvas.open(t, stage.gateway, "ada", workflow(), { phoenix: client.phoenix });
    assert.match(ada.doc.getMap("workflow").get("name"), /^Workflow /);
    assert.equal(ada.user.name, "Ada Tester");
    assert.deepEqual(ada.closes, []);
  });
}

for (const people of [3, 30]) {
  it(`what each of ${people} changes at once, all have in the end`, async (t) => {
    const names = Array.from({ length: people }, (_, i) => `person${i}`);
    const canvases = await openAll(t, stage.gateway, names, workflow());
    for (const canvas of canvases) {
      canvas.edit((doc) => doc.getMap("positions").set(canvas.name, [1, 2]));
      canvas.edit((doc) => bodyOf(doc).insert(0, `${canvas.name};`));
    }
    const hasAll = ({ doc }) => doc.getMap("positions").size === people + 1 && bodyOf(doc).length === lengthAfter(names);
    await until("all have every change", () => canvases.every(hasAll));
    for (const { doc } of canvases) assert.deepEqual(doc.toJSON(), canvases[0].doc.toJSON());
  });
}

it("edits of a person who may only look go nowhere, and those of others reach them", async (t) => {
  const [ada, viewer] = await openAll(t, stage.gateway, ["ada", "viewer"], workflow());
  viewer.edit((doc) => doc.getMap("workflow").set("name", "of a viewer"));
  ada.edit((doc) => doc.getMap("positions").set("j1", [3, 4]));
  await until("the viewer has the change", () => viewer.doc.getMap("positions").get("j1")[0] === 3);
  assert.match(ada.doc.getMap("workflow").get("name"), /^Workflow /);
});

it("saving is answered, and everybody hears of it", async (t) => {
  const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
  ada.edit((doc) => doc.getMap("workflow").set("name", "Renamed"));
  const [status, saved] = await ada.ask("save_workflow", {});
  assert.deepEqual([status, saved.lock_version, saved.workflow.name], ["ok", 2, "Renamed"]);
  const told = await until("ben hears of it", () => ben.down.find(({ event }) => event === "workflow_saved"));
  assert.equal(told.payload.latest_snapshot_lock_version, 2);
  await until("both have the new version", () =>
    [ada, ben].every(({ doc }) => doc.getMap("workflow").get("lock_version") === 2),
  );
});

it("versions of a workflow have documents and people of their own", async (t) => {
  const id = workflow();
  const ada = await Canvas.open(t, stage.gateway, "ada", id);
  const rooms = [":v3", ":release2", ":run:7a0e"];
  const others = await Promise.all(rooms.map((suffix) => Canvas.open(t, stage.gateway, "ben", id, { suffix })));
  const cyd = await Canvas.open(t, stage.gateway, "cyd", id);
  await ada.seesOnly([cyd]);
  for (const other of others) assert.deepEqual(other.sees, []);
});

describe("a long document", () => {
  for (const size of ["1mb", "20mb"]) {
    it(`of ${size} arrives whole`, async (t) => {
      const ada = await Canvas.open(t, stage.gateway, "ada", workflow(`${size}-`));
      assert.equal(bodyOf(ada.doc).length, Number.parseInt(size, 10) * 1_000_000);
    });
  }

  it("of 20mb that one writes reaches the other, with the edits around it in order", async (t) => {
    const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], workflow());
    const long = "0123456789abcdef".repeat(1_250_000);
    ada.edit((doc) => doc.getArray("order").push(["before"]));
    ada.edit((doc) => bodyOf(doc).insert(0, long));
    ada.edit((doc) => doc.getArray("order").push(["behind"]));
    const order = [];
    ben.doc.getArray("order").observe(() => order.push(`${ben.doc.getArray("order").toArray().at(-1)}:${bodyOf(ben.doc).length > long.length}`));
    await until("ben has it all", () => order.length === 2, 30_000);
    assert.deepEqual(order, ["before:false", "behind:true"]);
  });
});

function bodyOf(doc) {
  return doc.getArray("jobs").get(0).get("body");
}

function lengthAfter(names) {
  return "fn(state => state)".length + names.reduce((sum, name) => sum + name.length + 1, 0);
}
