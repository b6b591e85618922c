// Binary payloads: pushes, replies and broadcasts that are bytes all the way.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients, webSocketClients } from "./support/phoenix.mjs";
import { startConformance } from "./support/server.mjs";

let server;
before(async () => (server = await startConformance()));
after(() => server.stop());

for (const client of webSocketClients) {
  describe(client.name, () => {
    for (const [what, size] of [["no bytes", 0], ["every byte", 256], ["a megabyte", 1 << 20]]) {
      it(`gets ${what} back as sent`, async (t) => {
        const seat = await joined(t, client, "ada");
        for (const [event, expected] of [["echo", "ok"], ["echo_error", "error"]]) {
          const [status, response] = await seat.ask(event, bytes(size));
          assert.equal(status, expected);
          assertBytes(response, size);
        }
      });
    }

    it("hears bytes that its own channel pushes", async (t) => {
      const seat = await joined(t, client, "ada");
      seat.say("push", bytes(256));
      await until("the push has come back", () => seat.received("pushed").length > 0);
      assertBytes(seat.received("pushed")[0], 256);
    });

    it("hears bytes that another broadcasts", async (t) => {
      const [ada, ben] = await Promise.all(["ada", "ben"].map((id) => joined(t, client, id)));
      ada.say("shout", bytes(256));
      await until("both have heard it", () => [ada, ben].every((seat) => seat.received("shout").length > 0));
      for (const seat of [ada, ben]) assertBytes(seat.received("shout")[0], 256);
    });

    it("gets a text reply to a binary question when the reply has no bytes", async (t) => {
      const seat = await joined(t, client, "ada");
      assert.deepEqual(await seat.ask("ack", bytes(256)), ["ok", {}]);
    });
  });
}

for (const client of clients.filter((client) => client.longPoll)) {
  describe(client.name, () => {
    it("sends bytes, and text beside them, in order", async (t) => {
      const ada = await joined(t, client, "ada");
      const ben = await joined(t, webSocketClients[0], "ben");
      ada.say("shout_from", { n: 1 });
      ada.say("shout_from", bytes(256));
      assert.deepEqual(await ada.ask("ack", bytes(3)), ["ok", {}]);
      await until("both have arrived", () => ben.received("shout").length === 2);
      assert.deepEqual(ben.received("shout")[0], { n: 1 });
      assertBytes(ben.received("shout")[1], 256);
    });
  });
}

async function joined(t, client, id) {
  const seat = new Person(t, client, server, id).seat("room:bytes");
  assert.deepEqual(await seat.join(), ["ok", {}]);
  return seat;
}

function bytes(size) {
  return Uint8Array.from({ length: size }, (_, n) => n % 256).buffer;
}

function assertBytes(actual, size) {
  assert.ok(actual instanceof ArrayBuffer, "the payload is binary");
  assert.ok(Buffer.from(actual).equals(Buffer.from(bytes(size))), "the bytes are those that were sent");
}
