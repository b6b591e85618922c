/**
 * Who is on the topic: the fold of `presence_state` and `presence_diff`.
 *
 * It owns the entries, a `Map`, so that a key such as `__proto__` is only a key. Diffs that arrive before the state
 * of the current join wait for it.
 *
 * Not here: what an entry means (`priority.js`), the connection (`socket.js`), the page.
 *
 * Contract: phoenix.js 1.8, `Presence`: metas are equal when their `phx_ref` is, joins are applied before leaves.
 */

/** @typedef {{metas: Array<{phx_ref: string}>}} Entry any other fields are the server's and are kept */

export class Presence {
  #entries = new Map();
  #waiting = [];
  #stated = false;

  /** Entries by key. A new map after every change; `metas` hold the oldest kept meta first. */
  get entries() {
    return this.#entries;
  }

  /** Whether the state of the current join has arrived. */
  get stated() {
    return this.#stated;
  }

  /** To be called before each join: what is known stays on show, diffs wait for the new state. */
  rejoining() {
    this.#stated = false;
    this.#waiting = [];
  }

  /** @param {Object<string, Entry>} state payload of `presence_state` */
  state(state) {
    this.#entries = foldState(this.#entries, new Map(Object.entries(state)));
    for (const diff of this.#waiting) this.#entries = foldDiff(this.#entries, diff);
    this.#waiting = [];
    this.#stated = true;
  }

  /** @param {{joins: Object<string, Entry>, leaves: Object<string, Entry>}} payload of `presence_diff` */
  diff({ joins, leaves }) {
    const diff = { joins: new Map(Object.entries(joins)), leaves: new Map(Object.entries(leaves)) };
    if (this.#stated) this.#entries = foldDiff(this.#entries, diff);
    else this.#waiting.push(diff);
  }
}

/** A state is folded as the diff that leads to it, so that a meta known before keeps its place. */
function foldState(known, state) {
  const joins = new Map();
  const leaves = new Map();
  for (const [key, entry] of known) {
    const left = without(entry.metas, state.get(key)?.metas ?? []);
    if (left.length > 0) leaves.set(key, { ...entry, metas: left });
  }
  for (const [key, entry] of state) {
    const joined = without(entry.metas, known.get(key)?.metas ?? []);
    if (joined.length > 0) joins.set(key, { ...entry, metas: joined });
  }
  return foldDiff(known, { joins, leaves });
}

function foldDiff(known, { joins, leaves }) {
  const entries = new Map(known);
  for (const [key, joined] of joins) {
    const kept = without(entries.get(key)?.metas ?? [], joined.metas);
    entries.set(key, { ...joined, metas: [...kept, ...joined.metas] });
  }
  for (const [key, left] of leaves) {
    const entry = entries.get(key);
    if (!entry) continue;
    const kept = without(entry.metas, left.metas);
    if (kept.length > 0) entries.set(key, { ...entry, metas: kept });
    else entries.delete(key);
  }
  return entries;
}

function without(metas, gone) {
  const refs = new Set(gone.map((meta) => meta.phx_ref));
  return metas.filter((meta) => !refs.has(meta.phx_ref));
}
