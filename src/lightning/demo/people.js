/**
 * The avatars in the header: one element a user, in order of arrival.
 *
 * It owns the elements and keeps each as long as its user stays, so that nothing flickers and a tooltip that is
 * being read stays open.
 *
 * Everything a user has typed goes through `textContent` or `setAttribute`, never through markup.
 */

import { fullName } from "./priority.js";

export class People {
  #list;
  #avatars = new Map();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** @param {import("./priority.js").Summary} summary */
  show({ users, prior, current }) {
    const present = new Set(users.map((user) => user.id));
    for (const [id, avatar] of this.#avatars) {
      if (present.has(id)) continue;
      avatar.element.remove();
      this.#avatars.delete(id);
    }
    this.#list.classList.toggle("crowded", users.length > CROWD);
    users.forEach((user, place) => {
      const avatar = this.#avatars.get(user.id) ?? this.#create(user.id);
      avatar.update(user, { editor: user.id === prior?.id, me: user.id === current.id });
      // Moving an element restarts its animation and closes its tooltip: only when it must.
      const there = this.#list.children[place];
      if (there !== avatar.element) this.#list.insertBefore(avatar.element, there ?? null);
    });
  }

  #create(id) {
    const avatar = new Avatar(id);
    this.#avatars.set(id, avatar);
    return avatar;
  }
}

/** The same colour for the same id, on every page. */
export function colourOf(id) {
  let hash = 2166136261;
  for (const char of id) hash = Math.imul(hash ^ char.codePointAt(0), 16777619) >>> 0;
  return COLOURS[(hash >>> 8) % COLOURS.length];
}

class Avatar {
  element = document.createElement("li");
  #initials = part("span", "initials");
  #badge = part("span", "badge");
  #name = part("strong", "name");
  #email = part("span", "email");
  #note = part("span", "note");

  constructor(id) {
    this.element.className = "avatar";
    this.element.tabIndex = 0;
    this.element.dataset.userId = id;
    this.element.style.setProperty("--person", colourOf(id));
    const tip = part("div", "tip");
    tip.append(this.#name, this.#email, this.#note);
    const decorations = [this.#initials, this.#badge, pen(), tip];
    for (const decoration of decorations) decoration.setAttribute("aria-hidden", "true");
    this.element.append(...decorations);
  }

  update(user, { editor, me }) {
    const name = me ? `${fullName(user)} (you)` : fullName(user);
    const note = noteOn(user, editor);
    this.element.dataset.tabs = String(user.tabs);
    this.element.dataset.editor = String(editor);
    this.element.setAttribute("aria-label", [name, user.email, note].filter(Boolean).join(", "));
    this.#initials.textContent = initialsOf(user);
    this.#badge.textContent = String(user.tabs);
    this.#badge.hidden = user.tabs <= 1;
    this.#name.textContent = name;
    this.#email.textContent = user.email;
    this.#note.textContent = note;
  }
}

function noteOn(user, editor) {
  const tabs = user.tabs > 1 ? `${user.tabs} tabs open` : "";
  if (!editor) return tabs || "Watching";
  return tabs ? `Has the canvas · ${tabs}` : "Editing";
}

function initialsOf(user) {
  const words = fullName(user).split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

function part(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

/** The mark of the one who has the canvas; the style sheet hides it on the others. */
function pen() {
  const namespace = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(namespace, "svg");
  icon.setAttribute("class", "pen");
  icon.append(document.createElementNS(namespace, "use"));
  icon.firstChild.setAttribute("href", "#icon-pencil");
  return icon;
}

/** White text is readable on each of them. */
const COLOURS = [
  "#4f46e5", "#0f766e", "#be185d", "#b45309", "#1d4ed8", "#7c3aed", "#15803d", "#c2410c", "#0e7490", "#a21caf",
];

/** From this many avatars on they move closer together. */
const CROWD = 8;
