// Who one is by a token: in the parameters, as Lightning's page sends it, and as the authToken of phoenix.js 1.8.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { until } from "./support/news.mjs";
import { Person } from "./support/person.mjs";
import { clients } from "./support/phoenix.mjs";
import { makeToken, startWithPeople } from "./support/server.mjs";

const SECRET = "a-secret-of-the-tests-that-is-long-enough-to-be-one";
const PEOPLE = {
  users: [{ id: "ada", first_name: "Ada" }],
  projects: [{ id: "p1", members: { ada: "editor" }, workflows: [{ id: "w1" }] }],
};

let folder, server;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "presenced-"));
  const file = join(folder, "people.json");
  await writeFile(file, JSON.stringify(PEOPLE));
  server = await startWithPeople(file, SECRET);
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

async function seesItself(t, client, options) {
  const person = new Person(t, client, server, "nobody", options);
  const seat = await person.enter("workflow:collaborate:w1", { project_id: "p1", action: "edit" });
  const state = person.received(seat.topic, "presence_state")[0].payload;
  assert.equal(state.ada.metas[0].user.first_name, "Ada");
}

for (const client of clients) {
  describe(client.name, () => {
    it("is let in with a token in its parameters, signed or encrypted", async (t) => {
      await seesItself(t, client, { params: { token: makeToken(SECRET, "ada") } });
      await seesItself(t, client, { params: { token: makeToken(SECRET, "ada", "--encrypted") } });
    });

    it("is kept out with somebody else's secret, and with no token", async (t) => {
      const forged = makeToken("another-secret-that-is-long-enough-to-be-one", "ada");
      const kept = [{ params: { token: forged } }, { params: { user_id: "ada" } }];
      const people = kept.map((options) => new Person(t, client, server, "ada", options));
      await until("both attempts to have failed", () => people.every((person) => person.failed > 1 || person.closes.length > 1));
      assert.deepEqual(people.map((person) => person.messages.length), [0, 0]);
    });
  });
}

for (const client of clients.filter(({ name }) => name.includes("1.8"))) {
  it(`${client.name}: is let in with an authToken, which no URL shows`, async (t) => {
    await seesItself(t, client, { authToken: makeToken(SECRET, "ada") });
  });
}
