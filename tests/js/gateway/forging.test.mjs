// Clients that are no page: they pose as others, claim what others hold, and send bytes that are no message. Nobody else
// is the worse for it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, it } from "node:test";
import { allSeeAll, Canvas, colorOf, openAll } from "../support/canvas.mjs";
import { until } from "../support/news.mjs";
import { Stage, workflow } from "../support/stage.mjs";
import { bytesOf } from "../support/yjs.mjs";

let stage;
before(async () => (stage = await Stage.start()));
after(() => stage.stop());

it("who poses as another is shown as who they are", async (t) => {
  const [ada, mona] = await openAll(t, stage.gateway, ["ada", "mona"], workflow());
  await allSeeAll([ada, mona]);
  mona.say("user", { ...ada.user, admin: true });
  mona.say("cursor", { x: 3, y: 4 });
  await until("ada sees the cursor", () => ada.cursorOf(mona)?.x === 3);
  const { color, ...shown } = ada.others.get(mona.clientID).user;
  assert.deepEqual(shown, { id: mona.user.id, name: "Mona Tester", email: "mona@example.org" });
});

it("a user that hides behind an escape, or stands twice, is replaced all the same", async (t) => {
  const [ada, mona] = await openAll(t, stage.gateway, ["ada", "mona"], workflow());
  await allSeeAll([ada, mona]);
  const forged = JSON.stringify(ada.user);
  const texts = [
    `{"\\u0075ser":${forged},"n":1}`,
    `{"user":{},"user":${forged},"n":2}`,
    `{"n":3,"user":${forged},"us\\u0065r":${forged}}`,
  ];
  for (const [at, text] of texts.entries()) {
    mona.claim([mona.clientID, Date.now() + at, text]);
    await until("ada sees the state", () => ada.others.get(mona.clientID)?.n === at + 1);
    assert.equal(ada.others.get(mona.clientID).user.name, "Mona Tester");
  }
});

it("names and colours that would break out of a style sheet do not", async (t) => {
  const [ada, mallory] = await openAll(t, stage.gateway, ["ada", "mallory"], workflow());
  await allSeeAll([ada, mallory]);
  assert.doesNotMatch(ada.others.get(mallory.clientID).user.name, /[\p{Cc}"\\<>{}]/u);
  assert.match(ada.others.get(mallory.clientID).user.name, /^Mal.*Tester$/);
  let n = 0;
  for (const color of ["red;} body{display:none", "url(//evil.example)", "#12345", "#1234567", "", 7, null, ["#123456"]]) {
    mallory.awareness.setLocalState({ ...mallory.awareness.getLocalState(), n: ++n, user: { ...mallory.user, color } });
    await until("ada sees the state", () => ada.others.get(mallory.clientID).n === n);
    assert.equal(ada.others.get(mallory.clientID).user.color, colorOf(mallory.user.id));
  }
  mallory.say("user", { ...mallory.user, color: "#0a1B2c" });
  await until("ada sees the colour", () => ada.others.get(mallory.clientID).user.color === "#0a1B2c");
});

it("who claims the client of another is not heard for it, and stays who they are", async (t) => {
  const [ada, ben, mona] = await openAll(t, stage.gateway, ["ada", "ben", "mona"], workflow());
  await allSeeAll([ada, ben, mona]);
  mona.claim([ben.clientID, Date.now() * 2, { user: mona.user, cursor: { x: 666, y: 0 } }]);
  mona.move(1, 1);
  ben.move(2, 2);
  await until("both moves are seen", () => ada.cursorOf(mona)?.x === 1 && ada.cursorOf(ben)?.x === 2);
  assert.equal(ada.others.get(ben.clientID).user.name, "Ben Tester");
  assert.deepEqual(ada.gone, []);
});

it("a first claim of a client that another holds is refused, and another may follow", async (t) => {
  const id = workflow();
  const [ada, ben] = await openAll(t, stage.gateway, ["ada", "ben"], id);
  await allSeeAll([ada, ben]);
  const mona = await Canvas.open(t, stage.gateway, "mona", id, { clientID: ben.clientID });
  const state = { ...mona.awareness.getLocalState(), cursor: { x: 666, y: 0 } };
  mona.claim([ben.clientID, Date.now() * 2, state]);
  // What is said behind it is seen.
  await mona.ask("request_credentials", {});
  ben.move(1, 1);
  await until("ben's move is seen", () => ada.cursorOf(ben)?.x === 1);
  assert.deepEqual(ada.sees, ["Ben Tester"]);
  mona.claim([77_002, 1, { ...state, cursor: { x: 5, y: 5 } }]);
  await until("mona is seen under another", () => ada.awareness.getStates().get(77_002)?.cursor?.x === 5);
  assert.deepEqual(ada.sees, ["Ben Tester", "Mona Tester"]);
  assert.deepEqual(ada.gone, []);
});

it("nulls for others remove nobody", async (t) => {
  const [ada, ben, mona] = await openAll(t, stage.gateway, ["ada", "ben", "mona"], workflow());
  await allSeeAll([ada, ben, mona]);
  mona.claim([ada.clientID, Date.now() * 2, null], [ben.clientID, Date.now() * 2, null]);
  mona.move(1, 1);
  await until("ada and ben see the move", () => [ada, ben].every((one) => one.cursorOf(mona)?.x === 1));
  assert.deepEqual([...ada.gone, ...ben.gone], []);
});

it("a client that has forgotten the others is told of them again, and nobody else is", async (t) => {
  const [ada, ben, cyd] = await openAll(t, stage.gateway, ["ada", "ben", "cyd"], workflow());
  await allSeeAll([ada, ben, cyd]);
  // As y-protocols does after thirty seconds without a word, in a tab that was frozen.
  const { removeAwarenessStates } = await import("@y/protocols/awareness.js");
  removeAwarenessStates(cyd.awareness, [ada.clientID, ben.clientID], "timeout");
  assert.deepEqual(cyd.sees, []);
  await cyd.seesOnly([ada, ben], ONE_SECOND);
  assert.deepEqual([...ada.gone, ...ben.gone], []);
});

it("binaries that are no message hurt neither the upstream nor anybody else", async (t) => {
  const [ada, ben, mona] = await openAll(t, stage.gateway, ["ada", "ben", "mona"], workflow());
  await allSeeAll([ada, ben, mona]);
  for (const bytes of [...FATAL, ...(await malformed())]) {
    mona.sendRaw(bytes);
    mona.sendRaw(bytes, "yjs_sync");
  }
  mona.edit((doc) => doc.getMap("workflow").set("name", "behind it all"));
  mona.move(1, 1);
  await until("the edit has arrived", () => ada.doc.getMap("workflow").get("name") === "behind it all");
  await until("the move has arrived", () => [ada, ben].every((one) => one.cursorOf(mona)?.x === 1));
  assert.deepEqual([ada, ben, mona].flatMap(({ closes, gone }) => [...closes, ...gone]), []);
});

it("an entry beside one that cannot be read does not count", async (t) => {
  const [ada, mona] = await openAll(t, stage.gateway, ["ada", "mona"], workflow());
  await allSeeAll([ada, mona]);
  mona.claim([mona.clientID, Date.now(), { cursor: { x: 666, y: 0 } }], [5, 1, "{not JSON"]);
  mona.move(1, 1);
  await until("ada sees the move", () => ada.cursorOf(mona)?.x === 1);
  const told = ada.down.filter(({ kind }) => kind === "awareness").map(({ bytes }) => Buffer.from(bytes).toString("latin1"));
  assert.ok(told.every((text) => !text.includes("666")));
});

it("a state that is too long is not told, the one before it stays", async (t) => {
  const [ada, mona] = await openAll(t, stage.gateway, ["ada", "mona"], workflow());
  await allSeeAll([ada, mona]);
  mona.move(1, 1);
  await until("ada sees the move", () => ada.cursorOf(mona)?.x === 1);
  const state = mona.awareness.getLocalState();
  mona.awareness.setLocalState({ ...state, cursor: { x: 2, y: 2 }, long: "x".repeat(5_000) });
  // What is asked behind it is answered behind it, and ada's page would have been told by then.
  await mona.ask("request_credentials", {});
  ada.move(7, 7);
  await until("mona sees ada's move", () => mona.cursorOf(ada)?.x === 7);
  assert.deepEqual(ada.cursorOf(mona), { x: 1, y: 1 });
  mona.awareness.setLocalState({ ...state, cursor: { x: 3, y: 3 } });
  await until("ada sees the last move", () => ada.cursorOf(mona)?.x === 3);
  assert.ok(ada.down.every(({ bytes }) => !bytes || !Buffer.from(bytes).includes("xxxxx")));
  assert.deepEqual(ada.gone, []);
});

it("a state of eight hundred levels is told as it is", async (t) => {
  const [ada, mona] = await openAll(t, stage.gateway, ["ada", "mona"], workflow());
  await allSeeAll([ada, mona]);
  mona.claim([mona.clientID, Date.now(), `{"n":${"[".repeat(800)}${"]".repeat(800)}}`]);
  await until("ada sees it", () => ada.others.get(mona.clientID)?.n);
  let depth = 0;
  for (let value = ada.others.get(mona.clientID).n; value; [value] = value) depth += 1;
  assert.equal(depth, 800);
});

/** What of the vectors a strict reader refuses. */
async function malformed() {
  const read = async (name) => JSON.parse(await readFile(new URL(`${VECTORS}/${name}.json`, import.meta.url), "utf8"));
  const [awareness, messages] = [await read("awareness"), await read("messages")];
  const isRefused = ({ strict }) => strict.refuses;
  const bodies = awareness.malformed.filter(isRefused).map(({ awareness_body }) => bytesOf(awareness_body));
  const refused = messages.messages.filter(isRefused).map(({ message }) => bytesOf(message));
  return [...bodies.map((body) => [1, ...lengthOf(body), ...body]), ...refused];
}

function lengthOf({ length }) {
  return length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7];
}

/** Each of them ends Lightning, or would end a server that reads state vectors as it reads these. */
const FATAL = ["0105ffffffff07", "00000affffffff0f", "000005ffffffff0f", "000005ffffffff07"].map(bytesOf);
const VECTORS = "../../../js-client-fixtures/canvas/vectors";
const ONE_SECOND = 1_000;
