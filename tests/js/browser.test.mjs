// The demo page in a real browser: a person sees who else is there, and who may edit.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launch, Window } from "./support/browser.mjs";
import { startPresenced } from "./support/server.mjs";

const ADA = { user_id: "1", first_name: "Ada", last_name: "Lovelace", email: "ada@example.org" };
const VIC = { user_id: "3", first_name: "Vic", last_name: "Onlooker", email: "vic@example.org", role: "viewer" };
const GRACE = { user_id: "2", first_name: "Grace", last_name: "Hopper", email: "grace@example.org" };
const ADA_EDITS =
  "Ada Lovelace is currently active and you can't edit this workflow until they close the editor and canvas.";
const GRACE_EDITS = ADA_EDITS.replace("Ada Lovelace", "Grace Hopper");
const IN_TWO_TABS = "You have this workflow open in 2 tabs and can't edit until you close the other.";

describe("the demo page", () => {
  let browser;
  let server;
  before(async () => ([browser, server] = await Promise.all([launch(), startPresenced()])));
  after(() => Promise.all([browser?.close(), server?.stop()]));

  it("shows a visitor without a name as a guest who may edit, also after a reload", async (t) => {
    const window = await Window.open(t, browser, server);
    const tab = await window.tab({ workflow: "guest" });
    await tab.isConnected();
    await tab.mayEdit();
    const ids = await tab.ids();
    assert.equal(ids.length, 1);
    await tab.reload();
    await tab.isConnected();
    await tab.shows({ [ids[0]]: 1 });
    assert.deepEqual(window.complaints, []);
  });

  it("shows a second person to the first without a reload, and takes them away again", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const ada = await adas.tab({ ...ADA, workflow: "two people" });
    await ada.shows({ 1: 1 });
    await ada.mark();

    const grace = await graces.tab({ ...GRACE, workflow: "two people" });
    await grace.shows({ 1: 1, 2: 1 });
    await ada.shows({ 1: 1, 2: 1 });
    await ada.screenshot("two-people-editing");
    await grace.screenshot("two-people-locked");

    await graces.close();
    await ada.shows({ 1: 1 });
    assert.ok(await ada.isMarked(), "the page was not loaded again");
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });

  it("counts the tabs of one person", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const grace = await graces.tab({ ...GRACE, workflow: "tabs" });
    const first = await adas.tab({ ...ADA, workflow: "tabs" });
    await grace.shows({ 1: 1, 2: 1 });
    const second = await adas.tab({ ...ADA, workflow: "tabs" });
    for (const tab of [grace, first, second]) await tab.shows({ 1: 2, 2: 1 });
    await grace.screenshot("a-person-in-two-tabs");
    await second.close();
    for (const tab of [grace, first]) await tab.shows({ 1: 1, 2: 1 });
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });

  it("lets the first person edit, the next one when they have gone, and puts them last when they come back", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const ada = await adas.tab({ ...ADA, workflow: "priority" });
    await ada.mayEdit();
    const grace = await graces.tab({ ...GRACE, workflow: "priority" });
    await grace.isLockedWith(ADA_EDITS);
    await ada.mayEdit();
    await ada.close();
    await grace.mayEdit();
    await grace.isEditedBy("2");
    const again = await adas.tab({ ...ADA, workflow: "priority" });
    await again.isLockedWith(GRACE_EDITS);
    await grace.mayEdit();
    await again.screenshot("who-came-back-locked");
    await grace.reload();
    await again.mayEdit();
    await grace.isLockedWith(ADA_EDITS);
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });

  it("lets nobody edit while the first person has two tabs", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const first = await adas.tab({ ...ADA, workflow: "two tabs" });
    await first.mayEdit();
    const second = await adas.tab({ ...ADA, workflow: "two tabs" });
    const grace = await graces.tab({ ...GRACE, workflow: "two tabs" });
    for (const tab of [first, second]) await tab.isLockedWith(IN_TWO_TABS);
    await grace.isLockedWith(ADA_EDITS);
    await second.screenshot("two-tabs-locked");
    await first.close();
    await second.mayEdit();
    await grace.isLockedWith(ADA_EDITS);
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });

  it("lets a viewer look on without a banner, first or not, and takes the canvas from nobody for it", async (t) => {
    const [vics, adas, graces] = await Promise.all([
      Window.open(t, browser, server),
      Window.open(t, browser, server),
      Window.open(t, browser, server),
    ]);
    const vic = await vics.tab({ ...VIC, workflow: "a viewer" });
    await vic.shows({ 3: 1 });
    await vic.isViewOnly();
    await vic.isEditedBy(null);
    const ada = await adas.tab({ ...ADA, workflow: "a viewer" });
    await ada.shows({ 1: 1, 3: 1 });
    await ada.mayEdit();
    await vic.isEditedBy("1");
    await vic.isViewOnly();
    const grace = await graces.tab({ ...GRACE, workflow: "a viewer" });
    await grace.isLockedWith(ADA_EDITS);
    await ada.close();
    await grace.mayEdit();
    await vic.isEditedBy("2");
    await vic.isViewOnly();
    await vic.screenshot("a-viewer-looks-on");
    await grace.screenshot("editing-with-a-viewer");
    const complaints = [vics, adas, graces].flatMap((window) => window.complaints);
    assert.deepEqual(complaints, []);
  });

  it("is told who may edit by the server: a summary and whether it is disabled, behind the state", async (t) => {
    const window = await Window.open(t, browser, server);
    const tab = await window.tab({ ...ADA, workflow: "told" });
    await tab.mayEdit();
    const events = tab.events();
    await tab.reload();
    await tab.mayEdit();
    const told = events.filter((event) => event !== "presence_diff");
    assert.deepEqual(told, ["phx_reply", "presence_state", "presence_summary", "set-disabled"]);
    assert.deepEqual(window.complaints, []);
  });

  it("keeps workflows apart", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const ada = await adas.tab({ ...ADA, workflow: "one" });
    const grace = await graces.tab({ ...GRACE, workflow: "another" });
    await ada.shows({ 1: 1 });
    await grace.shows({ 2: 1 });
    for (const tab of [ada, grace]) await tab.mayEdit();
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });

  it("shows names as text, whatever they contain", async (t) => {
    const [adas, graces] = await windows(t, browser, server);
    const grace = await graces.tab({ ...GRACE, workflow: "names" });
    const name = "<img src=x onerror=window.marked=true>";
    await adas.tab({ ...ADA, first_name: name, last_name: name, workflow: "names" });
    await grace.shows({ 1: 1, 2: 1 });
    assert.ok(!(await grace.isMarked()), "no markup of a name was run");
    assert.deepEqual([adas.complaints, graces.complaints], [[], []]);
  });
});

describe("the demo page, when its server", () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser.close());

  for (const [what, signal] of [["is killed", "SIGKILL"], ["shuts down", "SIGTERM"]]) {
    it(`${what} and is started again, recovers by itself`, async (t) => {
      const old = await serverFor(t);
      const [adas, graces] = await windows(t, browser, old);
      const ada = await adas.tab({ ...ADA, workflow: "restart" });
      const grace = await graces.tab({ ...GRACE, workflow: "restart" });
      for (const tab of [ada, grace]) await tab.shows({ 1: 1, 2: 1 });
      for (const tab of [ada, grace]) await tab.mark();

      await old.stop(signal);
      for (const tab of [ada, grace]) await tab.isCutOff();
      await ada.screenshot(`server-${signal.toLowerCase()}`);
      await serverFor(t, old.port);
      for (const tab of [ada, grace]) await tab.isConnected();
      for (const tab of [ada, grace]) await tab.shows({ 1: 1, 2: 1 });
      for (const tab of [ada, grace]) assert.ok(await tab.isMarked(), "the page was not loaded again");
      const complaints = [...adas.complaints, ...graces.complaints];
      assert.deepEqual(complaints.filter((complaint) => !isOfTheOutage(complaint)), []);
    });
  }
});

/** Two windows with nothing in common. */
function windows(t, browser, server) {
  return Promise.all([Window.open(t, browser, server), Window.open(t, browser, server)]);
}

async function serverFor(t, port = 0) {
  const server = await startPresenced(port);
  t.after(() => server.stop("SIGKILL"));
  return server;
}

/** The browser itself reports each connection that the missing server refuses; no page can prevent that. */
function isOfTheOutage(complaint) {
  return /^console: WebSocket connection to '[^']+' failed/.test(complaint);
}
