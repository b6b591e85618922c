// Awareness as `y_ex` 0.8 keeps it: clocks are remembered, only what changed is relayed, and what it removes itself is one
// number on. So whoever returns is not seen at first, and sees nobody.

import * as decoding from "lib0/decoding.js";
import * as encoding from "lib0/encoding.js";

export class Awareness {
  /** By client: `{clock, state}`, the state as JSON text, `null` for who is gone. */
  #clients = new Map();

  /** Takes an update: which clients it changed, to be relayed, and which are new. */
  apply(body) {
    const changed = [];
    const added = [];
    for (const { client, clock, state } of entriesOf(body)) {
      const known = this.#clients.get(client);
      const isNews = !known || known.clock < clock || (known.clock === clock && state === null && known.state !== null);
      if (!isNews) continue;
      if (known?.state !== state) changed.push(client);
      if (!known && state !== null) added.push(client);
      this.#clients.set(client, { clock, state });
    }
    return { changed, added };
  }

  /** Removes the clients of a connection that is gone, and says which of them were there. */
  remove(clients) {
    const present = clients.filter((client) => (this.#clients.get(client)?.state ?? null) !== null);
    for (const client of present) {
      this.#clients.set(client, { clock: this.#clients.get(client).clock + 1, state: null });
    }
    return present;
  }

  get present() {
    return [...this.#clients.keys()].filter((client) => this.#clients.get(client).state !== null);
  }

  /** A message that tells of these clients. */
  encode(clients) {
    const body = encoding.createEncoder();
    encoding.writeVarUint(body, clients.length);
    for (const client of clients) {
      const { clock, state } = this.#clients.get(client);
      encoding.writeVarUint(body, client);
      encoding.writeVarUint(body, clock);
      encoding.writeVarString(body, state ?? "null");
    }
    const message = encoding.createEncoder();
    encoding.writeVarUint(message, 1);
    encoding.writeVarUint8Array(message, encoding.toUint8Array(body));
    return encoding.toUint8Array(message);
  }
}

/** The entries of an update; throws where it cannot be read. */
function entriesOf(body) {
  const decoder = decoding.createDecoder(body);
  const count = decoding.readVarUint(decoder);
  const entries = [];
  for (let i = 0; i < count; i += 1) {
    const [client, clock] = [decoding.readVarUint(decoder), decoding.readVarUint(decoder)];
    const text = decoding.readVarString(decoder);
    entries.push({ client, clock, state: JSON.parse(text) === null ? null : text });
  }
  return entries;
}
