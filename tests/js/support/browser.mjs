// A real Chromium, and the windows that people open in it.

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** Starts the system's Chromium, silent on the network but for what its pages ask for. */
export function launch() {
  return chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: SWITCHES });
}

/** One browser window with a session of its own; its tabs share it. */
export class Window {
  /** Closes when the test ends. */
  static async open(t, browser, server) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    context.setDefaultTimeout(PATIENCE_MS);
    t.after(() => context.close());
    return new Window(context, server);
  }

  #context;
  #server;

  constructor(context, server) {
    this.#context = context;
    this.#server = server;
    /** What went wrong in any tab: console errors, uncaught exceptions, requests to any host but the server. */
    this.complaints = [];
    context.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(`console: ${message.text()}`);
    });
    context.on("weberror", (error) => this.complaints.push(`uncaught: ${error.error()}`));
    context.on("request", (request) => this.#checkHost(request.url()));
    context.on("page", (page) => page.on("websocket", (socket) => this.#checkHost(socket.url())));
  }

  /** Opens the demo page in a new tab; `query` says who is there and which workflow it is. */
  async tab(query) {
    const page = await this.#context.newPage();
    const answer = await page.goto(`${this.#server.origin}/?${new URLSearchParams(query)}`);
    if (answer.status() !== 200) throw new Error(`the demo page answered ${answer.status()}`);
    return new Tab(page);
  }

  close() {
    return this.#context.close();
  }

  #checkHost(address) {
    const url = new URL(address);
    const isOurs = url.host === new URL(this.#server.origin).host;
    if (!isOurs && url.protocol !== "data:") this.complaints.push(`request: ${address}`);
  }
}

/** The demo page in one tab, by what a person sees of it. Every method waits until it is so. */
export class Tab {
  #page;

  constructor(page) {
    this.#page = page;
  }

  async isConnected() {
    await this.#page.locator('[data-testid="status"][data-state="connected"]').waitFor();
  }

  async isCutOff() {
    await this.#page.locator('[data-testid="status"]:not([data-state="connected"])').waitFor();
  }

  /** Exactly these people: `{id: number of tabs}`. */
  async shows(people) {
    const entries = Object.entries(people);
    for (const [id, tabs] of entries) {
      await this.#page.locator(`${AVATARS}[data-user-id="${id}"][data-tabs="${tabs}"]`).waitFor();
    }
    await this.#page.waitForFunction(
      ([selector, count]) => document.querySelectorAll(selector).length === count,
      [AVATARS, entries.length],
    );
  }

  async mayEdit() {
    await this.#page.locator('[data-testid="canvas"][data-editable="true"]').waitFor();
    await this.#page.locator('[data-testid="banner"]').waitFor({ state: "hidden" });
  }

  /** Locked, with a banner that says this. */
  async isLockedWith(text) {
    await this.#page.locator('[data-testid="canvas"][data-editable="false"]').waitFor();
    await this.#page.locator('[data-testid="banner"]').filter({ hasText: text, visible: true }).waitFor();
  }

  /** Locked for good, without a word: a viewer has nobody to wait for. */
  async isViewOnly() {
    await this.#page.locator('[data-testid="canvas"][data-editable="false"]').waitFor();
    await this.#page.locator('[data-testid="mode"]').filter({ hasText: "View only" }).waitFor();
    await this.#page.locator('[data-testid="banner"]').waitFor({ state: "hidden" });
  }

  /** This one and nobody else has the mark of whoever has the canvas; nobody, if `null`. */
  async isEditedBy(id) {
    const marked = `${AVATARS}[data-editor="true"]`;
    await this.#page.waitForFunction(
      ([selector, expected]) => {
        const ids = [...document.querySelectorAll(selector)].map((avatar) => avatar.dataset.userId);
        return JSON.stringify(ids) === JSON.stringify(expected);
      },
      [marked, id === null ? [] : [id]],
    );
  }

  /** Hears every frame that comes, from the next load on: the events of the canvas, in their order. */
  events() {
    const events = [];
    this.#page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => {
        const [, , topic, event] = JSON.parse(payload);
        if (topic !== "phoenix") events.push(event);
      }),
    );
    return events;
  }

  /** The ids of the people shown right now. */
  ids() {
    return this.#page.locator(AVATARS).evaluateAll((avatars) => avatars.map((avatar) => avatar.dataset.userId));
  }

  /** Survives neither navigation nor reload: whatever is set here proves that the page is still the same. */
  async mark() {
    await this.#page.evaluate(() => (window.marked = true));
  }

  isMarked() {
    return this.#page.evaluate(() => window.marked === true);
  }

  reload() {
    return this.#page.reload();
  }

  close() {
    return this.#page.close();
  }

  /** In both colour schemes, with nothing in motion. */
  async screenshot(name) {
    await mkdir(PICTURES, { recursive: true });
    for (const colorScheme of ["dark", "light"]) {
      await this.#page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.#page.screenshot({ path: `${PICTURES}/${name}-${colorScheme}.png` });
    }
    await this.#page.emulateMedia({ colorScheme: null, reducedMotion: null });
  }
}

const AVATARS = '[data-testid="people"] [data-user-id]';
const PICTURES = fileURLToPath(new URL("../out", import.meta.url));
const PATIENCE_MS = 15_000;
const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
