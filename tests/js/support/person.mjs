// A user of the real client: one socket, and a seat for each channel joined on it.

import { tell, until } from "./news.mjs";
import { canonical } from "./lists.mjs";

/** One `Socket` of a client package, and all that happened to it. It disconnects when the test ends. */
export class Person {
  /**
   * `where` has the `socket` address: a server or a proxy. `params` may be a function, asked anew for each attempt to
   * connect. `options` go to `Socket` as they are; only the waits between attempts are shortened here.
   */
  constructor(t, client, where, id, { params = {}, ...options } = {}) {
    this.id = id;
    this.client = client;
    /** Every message, decoded: `{join_ref, ref, topic, event, payload}`. */
    this.messages = [];
    /** The code of every close, and how often the socket opened and failed. */
    this.closes = [];
    this.opened = 0;
    this.failed = 0;
    this.socket = new client.phoenix.Socket(where.socket, {
      transport: client.transport,
      params: () => ({ user_id: id, ...(typeof params === "function" ? params() : params) }),
      reconnectAfterMs: () => RETRY_MS,
      rejoinAfterMs: () => RETRY_MS,
      ...options,
    });
    this.socket.onMessage((message) => this.#happened(() => this.messages.push(message)));
    this.socket.onOpen(() => this.#happened(() => (this.opened += 1)));
    this.socket.onError(() => this.#happened(() => (this.failed += 1)));
    this.socket.onClose((event) => this.#happened(() => this.closes.push(event.code)));
    this.socket.connect();
    t.after(() => this.socket.disconnect());
  }

  /** A seat in `topic`, not joined yet. `params` may be a function, asked anew for each attempt to join. */
  seat(topic, params = {}) {
    return new Seat(this, topic, params);
  }

  /** Joins `topic` and resolves with the seat once its presence list has arrived. Needs params that track. */
  async enter(topic, params) {
    const seat = this.seat(topic, params);
    seat.join();
    await seat.synced();
    return seat;
  }

  /** Closes the socket without leaving any channel. */
  disconnect() {
    this.socket.disconnect();
  }

  /** Loses the connection and comes back by itself. */
  drop() {
    if (this.client.longPoll) this.socket.disconnect(() => this.socket.connect());
    else this.socket.conn.terminate();
  }

  /** Sends a frame as it is, past the channels. */
  send(join_ref, ref, topic, event, payload = {}) {
    this.socket.push({ join_ref, ref, topic, event, payload });
  }

  /** The messages of one topic that are this event. */
  received(topic, event) {
    return this.messages.filter((message) => message.topic === topic && message.event === event);
  }

  #happened(note) {
    note();
    tell();
  }
}

/** One `Channel` with the package's own `Presence` folding what arrives. */
export class Seat {
  constructor(person, topic, params) {
    this.person = person;
    this.topic = topic;
    this.channel = person.socket.channel(topic, params);
    this.presence = new person.client.phoenix.Presence(this.channel);
    /** The replies to the joins, first and later: `[status, response]`. */
    this.joinReplies = [];
    /** What the presence callbacks said: `{key, before, joined}`, and `{key, remaining, left}`, each a list of metas. */
    this.arrivals = [];
    this.departures = [];
    /** The payload of every `phx_error`, the client's own included, and how often the channel closed. */
    this.errors = [];
    this.closed = 0;
    this.#listen();
  }

  /** Joins, and resolves with the first reply: `[status, response]`. */
  join() {
    const attempt = this.channel.join();
    for (const status of ["ok", "error", "timeout"]) {
      attempt.receive(status, (response) => {
        this.joinReplies.push([status, response]);
        tell();
      });
    }
    return until(`the join of ${this.topic} is answered`, () => this.joinReplies[0]);
  }

  /** Resolves once joined, with the presence state of the current join received. */
  synced() {
    return until(`${this.person.id} has the list of ${this.topic}`, () => this.isSynced);
  }

  /** Resolves once joined again, with the list, after `joins` joins were answered. */
  async joinedAgain(joins) {
    await until(`${this.person.id} has joined ${this.topic} again`, () => this.joinReplies.length > joins);
    await this.synced();
  }

  get isSynced() {
    return this.isJoined && !this.presence.inPendingSyncState();
  }

  get isJoined() {
    return this.person.socket.isConnected() && this.channel.state === "joined";
  }

  /** Leaves; the client forgets the channel at once. */
  leave() {
    this.channel.leave();
  }

  /**
   * Resolves once the server has closed the channel that was left. A new seat in the same topic that does not wait for
   * this may hear of a change that was sent to the old one, and of which it will not hear the end.
   */
  gone() {
    const left = this.channel.joinRef();
    return until(`${this.person.id}'s channel to ${this.topic} is gone`, () =>
      this.person.received(this.topic, "phx_close").some(({ join_ref }) => join_ref === left),
    );
  }

  /** Pushes, and resolves with the reply: `[status, response]`, where status may be the client's `timeout`. */
  ask(event, payload, timeout = REPLY_MS) {
    return new Promise((resolve) => {
      const push = this.channel.push(event, payload, timeout);
      for (const status of ["ok", "error", "timeout"]) {
        push.receive(status, (response) => resolve([status, response]));
      }
    });
  }

  /** Pushes what has no reply. */
  say(event, payload) {
    this.channel.push(event, payload, UNANSWERED_MS);
  }

  /** What this client believes, in canonical form. */
  get list() {
    return canonical(this.presence.state);
  }

  /** The metas under `key` as this client believes them; empty when there are none. */
  metas(key) {
    return this.list.find(([found]) => found === key)?.[1].metas ?? [];
  }

  /** The payloads of an event of this topic, in order. */
  received(event) {
    return this.person.received(this.topic, event).map((message) => message.payload);
  }

  #listen() {
    this.presence.onJoin((key, current, { metas }) => {
      this.arrivals.push({ key, before: copy(current?.metas ?? []), joined: copy(metas) });
    });
    this.presence.onLeave((key, current, { metas }) => {
      this.departures.push({ key, remaining: copy(current.metas), left: copy(metas) });
    });
    this.channel.onError((payload) => {
      this.errors.push(payload);
      tell();
    });
    this.channel.onClose(() => {
      this.closed += 1;
      tell();
    });
  }
}

/** The client goes on changing the metas that its callbacks were given. */
function copy(metas) {
  return structuredClone(metas);
}

const RETRY_MS = 20;
const REPLY_MS = 10_000;
/** The timer of an unanswered push keeps the process alive, so it is short. */
const UNANSWERED_MS = 1_000;
