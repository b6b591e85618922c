/**
 * Who may edit: presence entries as users in order of arrival, and the rule that gives one of them the canvas.
 *
 * Pure functions; nothing is kept between calls.
 *
 * Not here: roles. Everybody may edit the demo project, so nobody is view-only and the first to arrive is the prior
 * user.
 *
 * Contract: Lightning 2.13, `Lightning.Workflows.Presence.build_presences_summary/2`, and the banner of its editor.
 * A user's `joined_at` is that of the oldest meta, as in Lightning's first version: a rank must not change because
 * another tab was opened.
 */

/**
 * @typedef {object} User
 * @property {string} id the presence key
 * @property {string} firstName
 * @property {string} lastName
 * @property {string} email
 * @property {number} joinedAt unix time in microseconds of the oldest tab
 * @property {number} tabs how many tabs are open
 */

/**
 * @typedef {object} Summary
 * @property {User[]} users earliest first
 * @property {User} prior who has the canvas, or would have it with one tab less
 * @property {User} current the user of this page, also while the server does not list them yet
 * @property {boolean} mayEdit
 */

/**
 * @param {Map<string, {metas: object[]}>} entries
 * @param {User} me stands in while the server does not list this user
 * @returns {Summary}
 */
export function summarise(entries, me) {
  const users = [...entries].map(([id, { metas }]) => userOf(id, metas)).sort(byArrival);
  const current = users.find((user) => user.id === me.id) ?? me;
  const prior = users[0] ?? current;
  return { users, prior, current, mayEdit: prior.id === current.id && current.tabs <= 1 };
}

/** Why the user of this page may not edit, in Lightning's words; `null` for one who may. */
export function lockedBecause({ prior, current, mayEdit }) {
  if (mayEdit) return null;
  if (current.tabs > 1) {
    const others = current.tabs > 2 ? "others" : "other";
    return `You have this workflow open in ${current.tabs} tabs and can't edit until you close the ${others}.`;
  }
  return (
    `${fullName(prior)} is currently active and you can't edit this workflow ` +
    "until they close the editor and canvas."
  );
}

/** @param {User} user */
export function fullName(user) {
  return `${user.firstName} ${user.lastName}`.trim() || `User ${user.id}`;
}

/** @param {User} user */
export function shortName(user) {
  return user.firstName || fullName(user);
}

function userOf(id, metas) {
  const oldest = metas.reduce((a, b) => (b.joined_at < a.joined_at ? b : a));
  const user = oldest.user ?? {};
  return {
    id,
    firstName: text(user.first_name),
    lastName: text(user.last_name),
    email: text(user.email),
    joinedAt: Number(oldest.joined_at ?? 0),
    tabs: metas.length,
  };
}

const byArrival = (a, b) => a.joinedAt - b.joinedAt || (a.id < b.id ? -1 : 1);

const text = (value) => (value == null ? "" : String(value).trim());
