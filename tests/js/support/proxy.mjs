// The network between a client and the server, for stories in which it fails.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  /** Forwards a port of its own to the server's, until the test ends. */
  static async before(t, server) {
    const proxy = new Proxy(server.port);
    proxy.#listener.listen(0, "127.0.0.1");
    await once(proxy.#listener, "listening");
    t.after(() => proxy.#close());
    return proxy;
  }

  #listener;
  #pairs = new Set();
  #down = false;

  constructor(port) {
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

  #join(near, far) {
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }

  #close() {
    this.#listener.close();
    this.fail();
  }
}
