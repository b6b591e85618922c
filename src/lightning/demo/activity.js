/**
 * What happened, as sentences: the difference between two summaries, and the list that shows them.
 *
 * It compares numbers of tabs and not joins with leaves, so that a reconnect, where every `phx_ref` is new and
 * nobody came or went, says nothing.
 *
 * Contract: none; the words are this page's own.
 */

import { shortName } from "./priority.js";
import { colourOf } from "./people.js";

/**
 * @param {import("./priority.js").Summary | null} before `null` for the first summary of the page
 * @param {import("./priority.js").Summary} after
 * @returns {Array<{user: import("./priority.js").User, text: string}>} in the order to be told
 */
export function eventsBetween(before, after) {
  const known = new Map((before?.users ?? []).map((user) => [user.id, user]));
  const present = new Set(after.users.map((user) => user.id));
  const me = after.current.id;
  const name = (user) => (user.id === me ? "You" : shortName(user));
  const events = [];
  const tell = (user, text) => events.push({ user, text });

  for (const user of known.values()) {
    if (!present.has(user.id)) tell(user, `${name(user)} left`);
  }
  for (const user of after.users) {
    const tabs = known.get(user.id)?.tabs ?? 0;
    if (tabs === 0 && !before && user.id !== me) tell(user, `${name(user)} was already here`);
    else if (tabs === 0) tell(user, `${name(user)} joined`);
    else if (user.tabs > tabs) tell(user, `${name(user)} opened ${ORDINALS[user.tabs] ?? "another"} tab`);
    else if (user.tabs < tabs) tell(user, `${name(user)} closed a tab`);
  }
  const editor = editorOf(after);
  if (before && editor && editor.id !== editorOf(before)?.id) {
    tell(editor, editor.id === me ? "You can edit now" : `${name(editor)} can edit now`);
  }
  return events;
}

/** The live list; newest first, and never longer than `LIMIT`. */
export class ActivityLog {
  #list;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** Adds one line; `user` gives its colour, `null` is the server speaking. */
  add(text, user) {
    const now = new Date();
    const time = document.createElement("time");
    time.dateTime = now.toISOString();
    time.textContent = now.toLocaleTimeString([], { timeStyle: "medium", hour12: false });
    const words = document.createElement("span");
    words.textContent = text;
    const line = document.createElement("li");
    if (user) line.style.setProperty("--person", colourOf(user.id));
    line.append(words, time);
    this.#list.prepend(line);
    while (this.#list.children.length > LIMIT) this.#list.lastElementChild.remove();
  }
}

/** Who may really edit: the prior user, unless a second tab is in the way. */
function editorOf({ prior }) {
  return prior && prior.tabs <= 1 ? prior : null;
}

const ORDINALS = { 2: "a second", 3: "a third", 4: "a fourth", 5: "a fifth" };

const LIMIT = 60;
