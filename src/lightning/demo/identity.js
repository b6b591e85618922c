/**
 * Who this page is, and the addresses that open it as somebody else.
 *
 * The query string says it: `user_id`, `first_name`, `last_name`, `email`, `workflow`. Without `user_id` the page
 * makes up a guest and keeps it in the tab's session storage, so that a reload is the same person and a new tab is
 * another one.
 *
 * Not here: authentication. The page says who it is; whether to believe it is the server's to decide.
 */

/** @returns {{me: import("./priority.js").User, workflow: string}} */
export function whoAmI(query) {
  const me = query.get("user_id") ? named(query) : guest();
  return { me: { ...me, joinedAt: Number.POSITIVE_INFINITY, tabs: 1 }, workflow: query.get("workflow") || "demo" };
}

/** The address of the server's socket for this person. */
export function socketUrl(location, me) {
  const url = new URL("/socket/websocket", location);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = new URLSearchParams({ vsn: "2.0.0", ...asQuery(me) });
  return url.href;
}

/** The address that opens the same workflow as `person`. */
export function pageUrl(location, person, workflow) {
  const url = new URL(location.pathname, location);
  url.search = new URLSearchParams({ ...asQuery(person), workflow });
  return url.href;
}

/** Two people to try the page with, never the visitor. */
export function companions(me) {
  return CAST.filter((person) => person.id !== me.id).slice(0, 2);
}

function named(query) {
  return {
    id: query.get("user_id"),
    firstName: query.get("first_name") ?? "",
    lastName: query.get("last_name") ?? "",
    email: query.get("email") ?? "",
  };
}

function guest() {
  const known = remembered();
  if (known) return known;
  const random = crypto.getRandomValues(new Uint32Array(3));
  const person = {
    id: `guest-${random[0].toString(16).padStart(8, "0")}`,
    firstName: ADJECTIVES[random[1] % ADJECTIVES.length],
    lastName: ANIMALS[random[2] % ANIMALS.length],
    email: "",
  };
  remember(person);
  return person;
}

/** Storage may be forbidden by the browser; the guest then lasts as long as the page. */
function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

function remember(person) {
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify(person));
  } catch {
    // See `remembered`.
  }
}

function asQuery({ id, firstName, lastName, email }) {
  const query = { user_id: id, first_name: firstName, last_name: lastName, email };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
}

const STORAGE_KEY = "presenced:guest";

const CAST = [
  { id: "1", firstName: "Ada", lastName: "Lovelace", email: "ada@example.com" },
  { id: "2", firstName: "Grace", lastName: "Hopper", email: "grace@example.com" },
  { id: "3", firstName: "Katherine", lastName: "Johnson", email: "katherine@example.com" },
];

const ADJECTIVES = [
  "Amber", "Brave", "Calm", "Clever", "Gentle", "Happy",
  "Lively", "Merry", "Quiet", "Sunny", "Swift", "Witty",
];

const ANIMALS = [
  "Badger", "Crane", "Dolphin", "Falcon", "Gecko", "Heron",
  "Ibis", "Lynx", "Otter", "Puffin", "Robin", "Tapir",
];
