// What a real browser does to a canvas: each way in which a page ends or stops is told to the others as it should be.
// The two pages are in contexts of their own: two windows of one profile would hear each other without any server.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "../support/browser.mjs";
import { Site } from "../support/site.mjs";
import { Stage, workflow } from "../support/stage.mjs";

describe("a page in a browser", { concurrency: 2 }, () => {
  let stage, site, browser;
  before(async () => ([stage, site, browser] = await Promise.all([Stage.start(), Site.start(), launch()])));
  after(() => Promise.all([browser?.close(), site?.close(), stage?.stop()]));

  it("that is loaded anew is gone at once, and there again", async (t) => {
    const { ada, ben } = await two(t);
    const old = ben.id;
    const start = Date.now();
    await ben.page.reload();
    await ben.isSettled();
    await ada.sees([ben.id]);
    assert.notEqual(ben.id, old);
    assert.ok((await ada.wentAfter(old, start)) < AT_ONCE);
  });

  it("that goes elsewhere is gone at once", async (t) => {
    const { ada, ben } = await two(t);
    const start = Date.now();
    await ben.page.goto("about:blank");
    await ada.sees([]);
    assert.ok((await ada.wentAfter(ben.id, start)) < AT_ONCE);
  });

  it("that is closed is gone at once", async (t) => {
    const { ada, ben } = await two(t);
    const start = Date.now();
    await ben.page.close();
    await ada.sees([]);
    assert.ok((await ada.wentAfter(ben.id, start)) < AT_ONCE);
  });

  it("whose process is killed is gone at once: what is left of the browser closes its socket", async (t) => {
    const { ada, ben } = await two(t);
    const start = Date.now();
    const session = await ben.page.context().newCDPSession(ben.page);
    // It does not answer: there is nobody left who could.
    session.send("Page.crash").catch(() => {});
    await ada.sees([]);
    assert.ok((await ada.wentAfter(ben.id, start)) < AT_ONCE);
  });

  it("that is frozen stays, and sees everybody when it wakes", async (t) => {
    const { ada, ben } = await two(t);
    const session = await ben.page.context().newCDPSession(ben.page);
    // No script and no timer of it runs then, and its socket stays open. (`Page.setWebLifecycleState` freezes nothing here.)
    await session.send("Debugger.enable");
    await session.send("Debugger.pause");
    await sleep(FROZEN_MS);
    assert.deepEqual(await ada.others(), [ben.id]);
    assert.deepEqual(await ada.went(ben.id), []);
    await session.send("Debugger.resume");
    await session.send("Debugger.disable");
    const slept = await ben.page.evaluate(() => canvas.longestPause());
    assert.ok(slept > FROZEN_MS - 5_000, `its timers stood still for ${slept} ms`);
    await ada.page.evaluate(() => canvas.move(4, 2));
    await ben.page.waitForFunction((id) => canvas.cursorOf(id)?.x === 4, ada.id);
    await ben.sees([ada.id]);
    assert.deepEqual(await ada.went(ben.id), []);
  });

  /** Two people on one canvas who see each other. */
  async function two(t) {
    const id = workflow();
    const [ada, ben] = await Promise.all(["ada", "ben"].map((name) => Tab.open(t, name, id)));
    await ada.sees([ben.id]);
    await ben.sees([ada.id]);
    return { ada, ben };
  }

  class Tab {
    static async open(t, name, id) {
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      await page.goto(`${site.origin}/?${new URLSearchParams({ name, workflow: id, socket: stage.gateway.socket })}`);
      const tab = new Tab(page);
      await tab.isSettled();
      return tab;
    }

    constructor(page) {
      this.page = page;
    }

    async isSettled() {
      await this.page.waitForFunction(() => window.canvas?.isSettled());
      this.id = await this.page.evaluate(() => canvas.clientID);
    }

    others() {
      return this.page.evaluate(() => canvas.others());
    }

    async sees(ids) {
      await this.page.waitForFunction((ids) => `${canvas.others().sort()}` === `${ids.sort()}`, ids);
    }

    /** When `id` went, each time. */
    went(id) {
      return this.page.evaluate((id) => canvas.changes.filter((change) => change.id === id && !change.came), id);
    }

    async wentAfter(id, start) {
      const [{ at }] = await this.went(id);
      return at - start;
    }
  }
});

/** Longer than a browser with four pages takes on a busy machine. */
const PATIENCE_MS = 90_000;
/** Well under the grace; a machine may be busy. */
const AT_ONCE = 2_000;
const FROZEN_MS = 40_000;
