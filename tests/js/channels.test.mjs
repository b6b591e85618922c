// Joining, asking, telling and ending: what a channel does for each real client.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients, webSocketClients } from "./support/phoenix.mjs";
import { startConformance } from "./support/server.mjs";

let server;
before(async () => (server = await startConformance()));
after(() => server.stop());

for (const client of clients) {
  describe(client.name, () => {
    it("gets the payload of its join", async (t) => {
      const seat = new Person(t, client, server, "ada").seat("room:lobby", { reply: { motd: "hallo", n: [1, 2.5, null] } });
      assert.deepEqual(await seat.join(), ["ok", { motd: "hallo", n: [1, 2.5, null] }]);
    });

    it("retries a refused join until it is let in", async (t) => {
      const seat = new Person(t, client, server, "ada").seat("room:lobby", () =>
        seat.joinReplies.length < 2 ? { error: "not yet" } : {},
      );
      seat.join();
      await until("the third join is answered", () => seat.joinReplies.length === 3);
      const refused = ["error", { reason: "not yet" }];
      assert.deepEqual(seat.joinReplies, [refused, refused, ["ok", {}]]);
      assert.deepEqual(await seat.ask("echo", { in: true }), ["ok", { in: true }]);
    });

    it("is told that its join crashed", async (t) => {
      const seat = new Person(t, client, server, "ada").seat("room:crash_join");
      assert.deepEqual(await seat.join(), ["error", { reason: "join crashed" }]);
    });

    it("is told that no channel serves its topic", async (t) => {
      const seat = new Person(t, client, server, "ada").seat("nowhere:1");
      assert.deepEqual(await seat.join(), ["error", { reason: "unmatched topic" }]);
    });

    it("never opens when its connection is refused", async (t) => {
      const person = new Person(t, client, server, "ada", { params: { reject: "true" } });
      await until("two attempts have failed", () => person.failed >= 2);
      assert.equal(person.opened, 0);
    });

    it("gets the reply it asked for, or waits in vain", async (t) => {
      const seat = await joined(new Person(t, client, server, "ada"), "room:lobby");
      const payload = { text: "grüß dich ☃ \u{1f980}", nested: { list: [1, "2", { three: 3 }] }, nothing: null };
      assert.deepEqual(await seat.ask("echo", payload), ["ok", payload]);
      assert.deepEqual(await seat.ask("echo_error", payload), ["error", payload]);
      assert.deepEqual(await seat.ask("ack", payload), ["ok", {}]);
      assert.deepEqual(await seat.ask("noreply", payload, 100), ["timeout", {}]);
    });

    it("gets many replies in the order of its questions", async (t) => {
      const seat = await joined(new Person(t, client, server, "ada"), "room:lobby");
      const answered = [];
      const questions = Array.from({ length: 90 }, (_, n) => n);
      await Promise.all(questions.map((n) => seat.ask("echo", { n }).then(([, reply]) => answered.push(reply.n))));
      assert.deepEqual(answered, questions);
    });

    it("sends what it pushed while it was joining", async (t) => {
      const seat = new Person(t, client, server, "ada").seat("room:lobby");
      seat.channel.join();
      assert.deepEqual(await seat.ask("echo", { early: true }), ["ok", { early: true }]);
    });

    it("is pushed to by its own channel", async (t) => {
      const seat = await joined(new Person(t, client, server, "ada"), "room:lobby");
      seat.say("push", { n: 1 });
      await until("the push has come back", () => seat.received("pushed").length > 0);
      assert.deepEqual(seat.received("pushed"), [{ n: 1 }]);
    });

    it("hears a broadcast like everyone else in the room", async (t) => {
      const [ada, ben, cyd] = await company(t, client, "room:shout");
      const elsewhere = await joined(ada.person, "room:quiet");
      ada.say("shout", { from: "ada" });
      await until("all three have heard it", () => [ada, ben, cyd].every((seat) => seat.received("shout").length > 0));
      for (const seat of [ada, ben, cyd]) assert.deepEqual(seat.received("shout"), [{ from: "ada" }]);
      assert.deepEqual(elsewhere.received("shout"), []);
    });

    it("does not hear what it broadcasts to the others", async (t) => {
      const [ada, ben, cyd] = await company(t, client, "room:shout_from");
      ada.say("shout_from", { from: "ada" });
      await until("the others have heard it", () => [ben, cyd].every((seat) => seat.received("shout").length > 0));
      await ada.ask("echo", { fence: 1 });
      assert.deepEqual(ada.received("shout"), []);
    });

    it("hears an intercepted broadcast as its own channel rewrote it", async (t) => {
      const seats = await company(t, client, "room:intercept");
      seats[0].say("intercept", { n: 1 });
      await until("all three have heard it", () => seats.every((seat) => seat.received("intercepted").length > 0));
      for (const seat of seats) assert.deepEqual(seat.received("intercepted"), [{ n: 1, for: seat.person.id }]);
    });

    it("closes for good when its channel stops normally", async (t) => {
      const seat = await joined(new Person(t, client, server, "ada"), "room:lobby");
      assert.deepEqual(await seat.ask("stop", { reason: "normal" }), ["ok", {}]);
      await until("the channel has closed", () => seat.closed);
      assert.deepEqual(seat.errors, []);
      assert.equal(seat.channel.state, "closed");
    });

    it("closes for good when its channel shuts down", async (t) => {
      const seat = await joined(new Person(t, client, server, "ada"), "room:lobby");
      seat.say("stop", { reason: "shutdown" });
      await until("the channel has closed", () => seat.closed);
      assert.deepEqual(seat.errors, []);
    });

    it("rejoins when its channel has crashed, and keeps its connection", async (t) => {
      const person = new Person(t, client, server, "ada");
      const seat = await joined(person, "room:lobby");
      const bystander = await joined(person, "room:bystander");
      seat.say("crash", {});
      await until("it has joined again", () => seat.joinReplies.length === 2);
      assert.deepEqual(seat.errors, [{ reason: "channel_crash" }]);
      assert.deepEqual(await seat.ask("echo", { back: true }), ["ok", { back: true }]);
      assert.deepEqual(bystander.errors, []);
      assert.deepEqual([person.opened, person.closes], [1, []]);
    });

    it("may leave a topic and join it again at once", async (t) => {
      const person = new Person(t, client, server, "ada");
      const first = await joined(person, "room:lobby");
      first.leave();
      const second = await joined(person, "room:lobby");
      assert.deepEqual(await second.ask("echo", { seat: 2 }), ["ok", { seat: 2 }]);
      assert.equal(second.closed, 0);
    });

    it("replaces its channel when it joins a topic twice", async (t) => {
      const person = new Person(t, client, server, "ada");
      const first = await joined(person, "room:lobby");
      const second = await joined(person, "room:lobby");
      assert.equal(first.closed, 1);
      assert.deepEqual(await second.ask("echo", { seat: 2 }), ["ok", { seat: 2 }]);
      assert.equal(second.closed, 0);
    });

    it("sees the reply to a duplicate join before the close of the old channel", async (t) => {
      const person = new Person(t, client, server, "ada");
      const seat = await joined(person, "room:lobby");
      const old = seat.channel.joinRef();
      person.send("again", "again", "room:lobby", "phx_join");
      await until("the old channel has closed", () => seat.closed);
      const lately = person.messages.slice(-2).map(({ join_ref, ref, event }) => [join_ref, ref, event]);
      assert.deepEqual(lately, [["again", "again", "phx_reply"], [old, old, "phx_close"]]);
    });

    it("gets no answer to a push of an earlier join", async (t) => {
      const person = new Person(t, client, server, "ada");
      const seat = await joined(person, "room:lobby");
      person.send("stale", "too late", "room:lobby", "echo", { stale: true });
      assert.deepEqual(await seat.ask("echo", { fresh: true }), ["ok", { fresh: true }]);
      assert.deepEqual(person.messages.filter((message) => message.ref === "too late"), []);
    });

    it("is told that it is not in the topic it pushes to", async (t) => {
      const person = new Person(t, client, server, "ada");
      await until("it is connected", () => person.opened);
      person.send("1", "lost", "room:lobby", "echo");
      const [reply] = await until("an answer has come", () => person.messages.length && person.messages);
      assert.deepEqual(reply, {
        join_ref: null,
        ref: "lost",
        topic: "room:lobby",
        event: "phx_reply",
        payload: { status: "error", response: { reason: "unmatched topic" } },
      });
    });
  });
}

for (const client of webSocketClients) {
  describe(client.name, () => {
    it("keeps its connection while its heartbeats are answered", async (t) => {
      const person = new Person(t, client, server, "ada", { heartbeatIntervalMs: 100 });
      await until("five heartbeats are answered", () => person.received("phoenix", "phx_reply").length >= 5);
      const [heartbeat] = person.received("phoenix", "phx_reply");
      assert.deepEqual(heartbeat.payload, { status: "ok", response: {} });
      assert.equal(heartbeat.join_ref, null);
      assert.deepEqual([person.opened, person.closes], [1, []]);
    });
  });
}

async function joined(person, topic, params = {}) {
  const seat = person.seat(topic, params);
  const [status] = await seat.join();
  assert.equal(status, "ok");
  return seat;
}

/** Three people in one room. */
function company(t, client, topic) {
  return Promise.all(["ada", "ben", "cyd"].map((id) => joined(new Person(t, client, server, id), topic)));
}
