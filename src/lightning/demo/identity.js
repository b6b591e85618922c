/**
 * Who this page is, and the addresses that open it as somebody else.
 *
 * The query string says it: `user_id`, `first_name`, `last_name`, `email`, `workflow`, and `role=viewer` for one who
 * may only look. Without `user_id` the page makes up a guest and keeps it in the tab's session storage, so that a reload
 * is the same person and a new tab is another one.
 *
 * Not here: authentication. The page says who it is; whether to believe it is the server's to decide.
 */

/** @returns {{me: import("./priority.js").User & {viewOnly: boolean}, workflow: string}} */
export function whoAmI(query) {
  const person = query.get("user_id") ? named(query) : guest();
  const me = { ...person, viewOnly: query.get("role") === VIEWER_ROLE, tabs: 1 };
  return { me, workflow: query.get("workflow") || "demo" };
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

/** Two people to try the page with and one who may only look, never the visitor. */
export function companions(me) {
  const others = CAST.filter((person) => person.id !== me.id);
  const editors = others.filter((person) => !person.viewOnly);
  return [...editors.slice(0, 2), ...others.filter((person) => person.viewOnly)];
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

function asQuery({ id, firstName, lastName, email, viewOnly }) {
  const role = viewOnly ? VIEWER_ROLE : "";
  const query = { user_id: id, first_name: firstName, last_name: lastName, email, role };
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));
}

const STORAGE_KEY = "presenced:guest";

const VIEWER_ROLE = "viewer";

const CAST = [
  { id: "1", firstName: "Ada", lastName: "Lovelace", email: "ada@example.com" },
  { id: "2", firstName: "Grace", lastName: "Hopper", email: "grace@example.com" },
  { id: "3", firstName: "Katherine", lastName: "Johnson", email: "katherine@example.com" },
  { id: "4", firstName: "Dorothy", lastName: "Vaughan", email: "dorothy@example.com", viewOnly: true },
];

const ADJECTIVES = [
  "Amber", "Brave", "Calm", "Clever", "Gentle", "Happy",
  "Lively", "Merry", "Quiet", "Sunny", "Swift", "Witty",
];

const ANIMALS = [
  "Badger", "Crane", "Dolphin", "Falcon", "Gecko", "Heron",
  "Ibis", "Lynx", "Otter", "Puffin", "Robin", "Tapir",
];
