// What all connections have in common: rooms, counts, and the faults that were asked for.

import { Room } from "./room.mjs";

export class Lightning {
  connections = new Set();
  /** With this status every new connection is refused, while it is set. */
  refusal = undefined;
  /** The headers of the last upgrade: names and values in turn, as they came. */
  headers = [];
  #rooms = new Map();
  #counts = {};

  /** The room of a topic. It is kept, as Lightning keeps documents in its database. */
  room(topic, workflow) {
    if (!this.#rooms.has(topic)) this.#rooms.set(topic, new Room(workflow));
    return this.#rooms.get(topic);
  }

  knownRoom(topic) {
    return this.#rooms.get(topic);
  }

  count(what) {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  get counts() {
    return { connections: this.connections.size, headers: this.headers, ...this.#counts };
  }
}
