// The canvas page of Lightning, as far as its connection goes: the published provider on a `Socket` of the page's own
// phoenix, the request for the context as soon as it is connected, and the person in its awareness after that.

import { randomUUID } from "node:crypto";
import * as broadcast from "lib0/broadcastchannel.js";
import WebSocket from "ws";
import { PhoenixChannelProvider } from "y-phoenix-channel";
import * as Y from "yjs";
import { tell, until } from "./news.mjs";
import { clients } from "./phoenix.mjs";
import { awarenessOf, kindOf, messageOf } from "./yjs.mjs";

// Each provider of a process listens for its end.
process.setMaxListeners(0);

/** One loaded page: a socket, a document, a provider. It is closed when the test ends. */
export class Canvas {
  /**
   * Opens the canvas of `workflow` for the person `name` and resolves when the page would show it, with the person in
   * its awareness. `options`: `session` sets apart the logins of a person, `requestId` the loads of a page (`null`:
   * none), `suffix` names a version of the workflow, `phoenix` another client, `disableBc: false` joins the other tabs,
   * `clientID` is what Yjs would have made up.
   */
  static async open(t, where, name, workflow, options) {
    const canvas = new Canvas(t, where, name, workflow, options);
    await canvas.settled();
    if (canvas.willAppear) await canvas.appeared();
    return canvas;
  }

  #lastSeen;
  #cursor = { sentAt: 0, timer: undefined };
  #settle = { synced: false, updated: false };

  constructor(t, where, name, workflow, options = {}) {
    const { session = randomUUID(), requestId = randomUUID(), suffix = "", phoenix = clients[0].phoenix } = options;
    this.name = name;
    this.topic = `workflow:collaborate:${workflow}${suffix}`;
    /** Whether the page puts its person into its awareness. */
    this.isPresent = options.isPresent ?? true;
    /** Every message up and down: `{at, event, ref, kind}`; `kind` of a binary one is `update`, `awareness` and so on. */
    this.up = [];
    this.down = [];
    /** When each join was answered, and each request for the context, and how: `{at, status, response}`. */
    this.joins = [];
    this.contexts = [];
    /** Who went from this page's awareness, while it was connected and otherwise: `{at, name, clientID}`. */
    this.gone = [];
    this.closes = [];
    this.opened = 0;
    this.user = undefined;
    this.socket = new phoenix.Socket(where.socket, {
      transport: options.transport ?? WebSocket,
      params: { token: `good:${name}:${session}`, ...(requestId ? { request_id: requestId } : {}), ...options.params },
      ...options.socket,
    });
    this.#listen();
    this.socket.connect();
    this.doc = new Y.Doc();
    if (options.clientID) this.doc.clientID = options.clientID;
    this.provider = new PhoenixChannelProvider(this.socket, this.topic, this.doc, {
      params: { project_id: "4b0ea0ee-7c4f-4b63-9a4c-2f1d8b0c7a11", action: options.action ?? "edit" },
      disableBc: options.disableBc ?? true,
      connect: false,
    });
    this.#watchProvider();
    this.provider.connect();
    t.after(() => this.close());
  }

  get awareness() {
    return this.provider.awareness;
  }

  get clientID() {
    return this.doc.clientID;
  }

  get willAppear() {
    return this.isPresent && !/^(nobody|refused|silent)/.test(this.name);
  }

  /** The page's `LoadingBoundary`: a whole document, a workflow in it, and the request for the context is over. */
  get isSettled() {
    const { synced, updated } = this.#settle;
    return synced && updated && this.doc.getMap("workflow").size > 0 && this.contexts.length > 0;
  }

  settled(within) {
    return until(`${this.name} has the canvas`, () => this.isSettled, within);
  }

  /** Resolves once the person stands in the page's own awareness. */
  appeared(within) {
    return until(`${this.name} has appeared`, () => this.awareness.getLocalState()?.lastSeen, within);
  }

  /** The states of the others, by clientID; only those with a person, as the page shows them. */
  get others() {
    const others = [...this.awareness.getStates()].filter(([id, state]) => id !== this.clientID && state.user);
    return new Map(others);
  }

  /** The names of the others, in order, once for each of their tabs. */
  get sees() {
    return [...this.others.values()].map(({ user }) => user.name).sort();
  }

  /** Resolves once exactly these canvases are seen, `within` milliseconds. */
  seesOnly(canvases, within) {
    const expected = canvases.map(({ clientID }) => clientID).sort();
    const seen = () => [...this.others.keys()].sort();
    const what = `${this.name} sees ${canvases.map(({ name }) => name)} and nobody else`;
    return until(what, () => `${seen()}` === `${expected}`, within).catch((error) => {
      error.message += `; sees ${this.sees}`;
      throw error;
    });
  }

  /** Moves the pointer, told at most each 50 ms, the last move always. */
  move(x, y) {
    const cursor = this.#cursor;
    clearTimeout(cursor.timer);
    const wait = cursor.sentAt + THROTTLE_MS - performance.now();
    if (wait <= 0) this.say("cursor", { x, y });
    else cursor.timer = setTimeout(() => this.say("cursor", { x, y }), wait);
  }

  /** Sets one field of the person's own state. */
  say(field, value) {
    if (field === "cursor") this.#cursor.sentAt = performance.now();
    this.awareness.setLocalStateField(field, value);
  }

  /** The cursor of another page, as this one shows it. */
  cursorOf(canvas) {
    return this.awareness.getStates().get(canvas.clientID)?.cursor;
  }

  /** Changes the document in one transaction. */
  edit(change) {
    this.doc.transact(() => change(this.doc));
  }

  /** Pushes to the channel, and resolves with the reply: `[status, response]`. */
  ask(event, payload, timeout) {
    return new Promise((resolve) => {
      const push = this.provider.channel.push(event, payload, timeout);
      for (const status of ["ok", "error", "timeout"]) push.receive(status, (response) => resolve([status, response]));
    });
  }

  /** Sends bytes as a message of `yjs`, as a program would that is no page. */
  sendRaw(bytes, event = "yjs", timeout = NO_ANSWER_MS) {
    this.provider.channel.push(event, new Uint8Array(bytes).buffer, timeout);
  }

  /** Sends awareness entries `[clientID, clock, state]`, whoever's they are. */
  claim(...entries) {
    this.sendRaw(awarenessOf(entries));
  }

  /** Loses the connection without a close frame. The page comes back by itself. */
  drop() {
    this.socket.conn.terminate();
  }

  /** Resolves once the channel was joined for the `n`th time, with when. */
  async joined(n) {
    await until(`${this.name} has joined ${n} times`, () => this.joins.length >= n);
    return this.joins[n - 1].at;
  }

  /** Leaves the canvas, keeps the socket: `provider.destroy`, as the page does when it goes elsewhere. */
  leave() {
    clearInterval(this.#lastSeen);
    this.provider.destroy();
  }

  /** Ends every timer of the page, as a browser does that throttles or freezes a tab. The socket stays open. */
  stopTimers() {
    clearInterval(this.#lastSeen);
    clearInterval(this.awareness._checkInterval);
    clearTimeout(this.socket.heartbeatTimer);
    clearTimeout(this.socket.heartbeatTimeoutTimer);
  }

  /** Closes the tab: phoenix.js closes the socket, without a word of leaving. */
  close() {
    clearInterval(this.#lastSeen);
    clearTimeout(this.#cursor.timer);
    this.socket.disconnect();
    clearInterval(this.awareness._checkInterval);
    if (this.provider.bcconnected) broadcast.unsubscribe(this.provider.bcChannel, this.provider._bcSubscriber);
    this.provider.bcconnected = false;
  }

  #listen() {
    const { encode, decode } = this.socket;
    this.socket.encode = (message, callback) => {
      this.up.push(noteOf(message));
      encode(message, callback);
    };
    this.socket.decode = (raw, callback) =>
      decode(raw, (message) => {
        this.down.push(noteOf(message));
        callback(message);
        tell();
      });
    this.socket.onOpen(() => {
      this.opened += 1;
      tell();
    });
    this.socket.onClose((event) => {
      this.closes.push(event.code);
      tell();
    });
  }

  #watchProvider() {
    this.provider.on("status", ({ status }) => {
      if (status === "connected") this.#connected();
      tell();
    });
    this.provider.on("sync", (synced) => {
      if (synced) this.#settle.synced = true;
      tell();
    });
    this.doc.on("update", (_update, origin) => {
      if (origin === this.provider) this.#settle.updated = true;
      tell();
    });
    this.awareness.on("change", ({ removed }) => {
      const at = performance.now();
      for (const clientID of removed) {
        if (clientID !== this.clientID) this.gone.push({ at, clientID, isConnected: this.socket.isConnected() });
      }
      tell();
    });
  }

  #connected() {
    this.joins.push({ at: performance.now() });
    // The page's stores ask from effects, which run behind what the provider sends.
    setImmediate(async () => {
      if (this.provider.channel?.state !== "joined") return;
      this.ask("request_credentials", {});
      const [status, response] = await this.ask("get_context", {});
      this.contexts.push({ at: performance.now(), status, response });
      this.#introduce(status === "ok" ? response.user : null);
      tell();
    });
  }

  /** The store of the page: the person is set after each answer, and only the first starts the timer of `lastSeen`. */
  #introduce(user) {
    clearInterval(this.#lastSeen);
    if (!user || !this.isPresent) return;
    const isFirst = this.user === undefined;
    const { id, first_name, last_name, email } = user;
    this.user = { id, name: `${first_name} ${last_name}`, email, color: colorOf(id) };
    this.say("user", this.user);
    this.say("lastSeen", Date.now());
    if (isFirst) this.#lastSeen = setInterval(() => this.say("lastSeen", Date.now()), LAST_SEEN_MS);
  }
}

/** Opens a canvas for each name. */
export function openAll(t, where, names, workflow, options) {
  return Promise.all(names.map((name) => Canvas.open(t, where, name, workflow, options)));
}

/** Resolves once each of the canvases sees all the others, and nobody else. */
export function allSeeAll(canvases, within) {
  return Promise.all(canvases.map((one) => one.seesOnly(canvases.filter((other) => other !== one), within)));
}

/** The page's own colour of a person. */
export function colorOf(id) {
  let hash = 0;
  for (const letter of id) hash = ((hash << 5) - hash + letter.charCodeAt(0)) | 0;
  return COLORS[Math.abs(hash) % COLORS.length];
}

function noteOf({ join_ref, ref, event, payload }) {
  const at = performance.now();
  if (!(payload instanceof ArrayBuffer)) return { at, join_ref, ref, event, payload };
  const message = messageOf(payload);
  return { at, join_ref, ref, event, kind: kindOf(message), bytes: message };
}

const COLORS = ["#FF6B6B", "#4ECDC4", "#45B7D1", "#FFA07A", "#98D8C8", "#FFCF56", "#FF8B94", "#AED581"];
const THROTTLE_MS = 50;
const LAST_SEEN_MS = 10_000;
/** The timer of a push without an answer keeps the process alive, so it is short. */
const NO_ANSWER_MS = 1_000;
