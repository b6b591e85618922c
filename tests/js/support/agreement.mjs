// The promise of presence: every client's folded list comes to equal the server's own.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { canonical } from "./lists.mjs";
import { newsAfter, newsSoFar, PATIENCE_MS } from "./news.mjs";

/**
 * Resolves, with the list, once the folded list of every seat equals what the server answers to `list`: the same
 * keys, the same refs, the same metas. The seats are in one `room:` topic. `holds` may ask more of the list.
 */
export async function agree(seats, holds = () => true) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const before = newsSoFar();
    const [status, presences] = await seats[0].ask("list", {});
    assert.equal(status, "ok", "the server answers with its list");
    const list = canonical(presences);
    const mistaken = seats.find((seat) => !isDeepStrictEqual(seat.list, list));
    if (!mistaken && holds(list)) return list;
    // The answer was one piece of news; whatever else is heard, even along with it, may have outdated it.
    if (!(await newsAfter(before + 1, deadline - Date.now()))) fail(mistaken, list);
  }
}

function fail(mistaken, list) {
  if (!mistaken) assert.fail(`all agree, but not on what was expected: ${JSON.stringify(list)}`);
  assert.deepEqual(mistaken.list, list, `the list of ${mistaken.person.id} is not the server's`);
}
