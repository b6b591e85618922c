// The network between a client and the server, for stories in which it fails.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  /** Forwards a port of its own to the server's, until the test ends. What passes takes `delay` milliseconds each way. */
  static async before(t, server, delay = 0) {
    const proxy = new Proxy(server.port, delay);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    t.after(() => proxy.#close());
    return proxy;
  }

  #delay;
  #listener;
  #pairs = new Set();
  #down = false;
  /** Pairs that are open and carry nothing any more. */
  #swallowed = new Set();

  constructor(port, delay) {
    this.#delay = delay;
    this.#listener = createServer((near) => {
      if (this.#down) near.destroy();
      else this.#join(near, connect(port, "127.0.0.1"));
    });
  }

  /** Where the clients connect, without the transport. */
  get socket() {
    return `ws://127.0.0.1:${this.#listener.address().port}/socket`;
  }

  /** Ends every connection, on both sides, and each new one until `mend`. */
  fail() {
    this.#down = true;
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Lets new connections through. */
  mend() {
    this.#down = false;
  }

  /**
   * From now on nothing passes on the present connections, in either direction; whoever ends one end of them, the other
   * hears nothing of it. New connections pass.
   */
  swallow() {
    for (const pair of this.#pairs) {
      this.#swallowed.add(pair);
      for (const socket of pair) socket.unpipe().resume();
    }
    this.#pairs.clear();
  }

  /** Ends the present connections as soon as the server has sent `bytes` more on one of them. */
  cutAfter(bytes) {
    for (const [near, far] of this.#pairs) {
      let left = bytes;
      far.on("data", ({ length }) => {
        left -= length;
        if (left <= 0) near.destroy();
      });
    }
  }

  #join(near, far) {
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#forward(one, other);
      one.on("error", () => this.#ended(pair, other));
      one.on("close", () => this.#ended(pair, other));
    }
  }

  #forward(one, other) {
    if (!this.#delay) return one.pipe(other);
    one.on("data", (data) => setTimeout(() => other.write(data), this.#delay));
    one.on("end", () => setTimeout(() => other.end(), this.#delay));
  }

  #ended(pair, other) {
    if (this.#swallowed.has(pair)) return;
    other.destroy();
    this.#pairs.delete(pair);
  }

  #close() {
    this.#listener.close();
    this.fail();
    for (const socket of [...this.#swallowed].flat()) socket.destroy();
  }
}
