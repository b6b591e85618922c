/**
 * Who is here and who may edit, as the server says it: its `presence_summary` in the page's own terms, and the words
 * that follow from it.
 *
 * Pure functions; nothing is kept between calls.
 *
 * Not here: the rule. The server computes it, and says with `set-disabled` whether this page may edit.
 *
 * Contract: Lightning 2.13, `Lightning.Workflows.Presence.build_presences_summary/2`, and the banner of its editor.
 */

/**
 * @typedef {object} User
 * @property {string} id
 * @property {string} firstName
 * @property {string} lastName
 * @property {string} email
 * @property {number} tabs how many tabs are open
 */

/**
 * @typedef {object} Summary
 * @property {User[]} users everyone who is here, earliest first; whoever only looks on is among them
 * @property {User | null} prior who has the canvas, or would have it with one tab less; `null` where all only look
 * @property {User} current the user of this page, also while the server does not list them yet
 * @property {boolean} hasPriority
 */

/** What is known before the server has said anything. */
export function nobodyYet(me) {
  return { users: [], prior: null, current: me, hasPriority: false };
}

/**
 * @param {object} payload of `presence_summary`
 * @param {User & {viewOnly: boolean}} me
 * @param {User[]} users everyone who is here
 * @returns {Summary}
 */
export function summaryOf(payload, me, users) {
  const prior = userOf(payload.prior_user_presence);
  // Where all only look, the rule makes everybody prior in their own eyes.
  const nobody = me.viewOnly && prior.id === me.id;
  return {
    users,
    prior: nobody ? null : prior,
    current: userOf(payload.current_user_presence),
    hasPriority: payload.has_presence_edit_priority,
  };
}

/** Why the user of this page may not edit, in Lightning's words; `null` for one who has the canvas. */
export function lockedBecause({ prior, current, hasPriority }) {
  if (hasPriority) return null;
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

export function userOf({ user, active_sessions: tabs }) {
  return {
    id: user.id,
    firstName: text(user.first_name),
    lastName: text(user.last_name),
    email: text(user.email),
    tabs,
  };
}

const text = (value) => (value == null ? "" : String(value).trim());
