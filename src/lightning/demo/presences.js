/**
 * Who is on the workflow: `presence_state` and the `presence_diff`s after it, folded as phoenix.js folds them.
 *
 * Not here: who may edit. Whoever only looks on is here too, and is in no summary.
 *
 * Contract: phoenix.js 1.8, `Presence.syncState` and `Presence.syncDiff`.
 */

import { userOf } from "./priority.js";

export class Presences {
  /** @type {Map<string, object[]>} the metas of each user, the latest last */
  #metas = new Map();

  /** @param {object} state the payload of `presence_state` */
  replace(state) {
    this.#metas = new Map(Object.entries(state).map(([id, { metas }]) => [id, metas]));
  }

  /** @param {{joins: object, leaves: object}} diff the payload of `presence_diff` */
  apply({ joins, leaves }) {
    for (const [id, { metas }] of Object.entries(joins)) {
      this.#metas.set(id, [...this.#without(id, metas), ...metas]);
    }
    for (const [id, { metas }] of Object.entries(leaves)) {
      const left = this.#without(id, metas);
      if (left.length > 0) this.#metas.set(id, left);
      else this.#metas.delete(id);
    }
  }

  /** @returns {import("./priority.js").User[]} the earliest first, each with the number of their tabs */
  users() {
    const since = (metas) => Math.min(...metas.map((meta) => meta.joined_at));
    const present = [...this.#metas.values()].sort((one, other) => since(one) - since(other));
    return present.map((metas) => userOf({ user: metas[0].user, active_sessions: metas.length }));
  }

  #without(id, metas) {
    const refs = new Set(metas.map((meta) => meta.phx_ref));
    return (this.#metas.get(id) ?? []).filter((meta) => !refs.has(meta.phx_ref));
  }
}
