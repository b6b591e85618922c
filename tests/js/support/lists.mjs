// Presence lists in a form that can be compared: the folded list of a client, the server's own, the expected one.

/**
 * A list as pairs `[key, entry]` by key, metas by `phx_ref`. The order of metas is left open by the protocol, and
 * pairs keep keys such as `__proto__` apart from the objects' own.
 */
export function canonical(presences) {
  return Object.getOwnPropertyNames(presences)
    .sort()
    .map((key) => {
      const entry = presences[key];
      return [key, { ...entry, metas: entry.metas.toSorted((a, b) => byText(a.phx_ref, b.phx_ref)) }];
    });
}

/** A canonical list as pairs `[key, metas]`, each meta without the refs: what people said of themselves. */
export function said(list) {
  return list.map(([key, { metas }]) => [key, inOrder(metas.map(({ phx_ref, phx_ref_prev, ...meta }) => meta))]);
}

/** Metas in an order of their content. */
export function inOrder(metas) {
  return metas.toSorted((a, b) => byText(JSON.stringify(a), JSON.stringify(b)));
}

/** Every `phx_ref` of a canonical list. */
export function refs(list) {
  return list.flatMap(([, { metas }]) => metas.map((meta) => meta.phx_ref));
}

function byText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
