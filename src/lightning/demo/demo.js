/**
 * The page: joins the workflow's channel and shows who is on it, who may edit, and what happened.
 *
 * It owns the few words and switches that depend on both the connection and the people.
 *
 * Who is here, who has the canvas and whether this page may edit are the server's words (`priority.js`).
 *
 * Not here: the connection (`socket.js`), the drawings.
 */

import { ActivityLog, eventsBetween } from "./activity.js";
import { Canvas } from "./canvas.js";
import { companions, pageUrl, socketUrl, whoAmI } from "./identity.js";
import { People, colourOf } from "./people.js";
import { Presences } from "./presences.js";
import { fullName, lockedBecause, nobodyYet, shortName, summaryOf } from "./priority.js";
import { ChannelClient } from "./socket.js";

const { me, workflow } = whoAmI(new URLSearchParams(location.search));
const element = (id) => document.getElementById(id);

const people = new People(element("people"));
const log = new ActivityLog(element("activity"));
const canvas = new Canvas(element("canvas"));

/** What the pill says for each link. */
const STATUS = {
  connecting: { state: "connecting", words: "Connecting" },
  joining: { state: "connecting", words: "Joining" },
  joined: { state: "connected", words: "Connected" },
  refused: { state: "disconnected", words: "Not joined" },
  lost: { state: "disconnected", words: "Disconnected" },
};

/** Where the connection is, and what the server has said last; the page is a function of both. */
let link = "connecting";
let refusal = "";
let everJoined = false;
const presences = new Presences();
let summary = nobodyYet(me);
let disabled = true;
/** Whether the summary is of the current join. Until it is, what was known before stays on show. */
let current = false;
/** The summary that the activity has told of last. */
let told = null;

const channel = new ChannelClient({
  url: socketUrl(location, me),
  topic: `workflow:collaborate:${workflow}`,
  params: { project_id: "demo", action: "edit", summary: true },
  onLink: (next, reason = "") => {
    // Dials that fail one after the other are one outage, not a flicker.
    if (next === "connecting" && link === "lost") return;
    if (next === "joining") [current, disabled] = [false, true];
    if (next === "refused" && reason !== refusal) log.add(`Join refused: ${reason}`, null);
    if (next === "lost" && link !== "lost" && everJoined) log.add("Connection lost", null);
    if (next === "joined" && everJoined) log.add("Connected again", null);
    if (next === "joined") everJoined = true;
    if (next !== "joining") refusal = reason;
    link = next;
    show();
  },
  onEvent: (event, payload) => {
    if (event === "presence_state") {
      presences.replace(payload);
      summary = { ...summary, users: presences.users() };
    } else if (event === "presence_diff") {
      presences.apply(payload);
      summary = { ...summary, users: presences.users() };
    } else if (event === "presence_summary") {
      summary = summaryOf(payload, me, presences.users());
      current = true;
    } else if (event === "set-disabled") {
      disabled = payload.disabled;
    } else {
      return;
    }
    show();
  },
});

introduce();
show();
channel.open();

// A page in the browser's back-forward cache must not look present to the others.
addEventListener("pagehide", () => channel.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) channel.open();
});

function introduce() {
  element("workflow-id").textContent = workflow;
  element("me-name").textContent = fullName(me);
  element("me").style.setProperty("--person", colourOf(me.id));
  element("me-role").textContent = me.viewOnly ? ", a viewer" : "";
  for (const person of companions(me)) {
    if (person.viewOnly) offer(`Open as ${shortName(person)}, a viewer`, person, "icon-eye");
    else offer(`Open as ${shortName(person)}`, person, "icon-person");
  }
  offer("Open this person in another tab", me, "icon-tabs");
}

function offer(words, person, icon) {
  const anchor = element("offer").content.firstElementChild.cloneNode(true);
  anchor.href = pageUrl(location, person, workflow);
  anchor.querySelector("use").setAttribute("href", `#${icon}`);
  anchor.querySelector("span").textContent = words;
  element("offers").append(anchor);
}

function show() {
  const live = link === "joined" && current;
  if (live) tell();
  people.show(summary);
  showStatus();
  const editable = live && !disabled;
  canvas.editable = editable;
  showBanner(live ? reasonToTell() : waitingFor());
  showMode(editable);
  element("hint").textContent = editable ? "Drag a step, or move it with the arrow keys. Moves stay in this tab." : "";
  element("count").textContent = headcount(summary.users.length);
}

/** Nothing is told while the server does not list this user: only with its own entry is a picture whole. */
function tell() {
  if (!summary.users.some((user) => user.id === me.id)) return;
  for (const { user, text } of eventsBetween(told, summary)) log.add(text, user);
  told = summary;
}

/** A viewer is told nothing: whoever has the canvas is not what keeps a viewer from editing. */
function reasonToTell() {
  return me.viewOnly ? null : lockedBecause(summary);
}

function showMode(editable) {
  const [icon, words] = editable
    ? ["pencil", "You can edit"]
    : me.viewOnly ? ["eye", "View only"] : ["lock", "Locked"];
  element("mode-icon").setAttribute("href", `#icon-${icon}`);
  element("mode-text").textContent = words;
}

function showStatus() {
  const { state, words } = STATUS[link];
  element("status").dataset.state = state;
  element("status-text").textContent = words;
  document.body.dataset.link = state;
}

function showBanner(words) {
  const banner = element("banner");
  const waiting = link !== "joined" || !current;
  banner.hidden = words === null;
  banner.dataset.tone = refusal ? "error" : waiting ? "waiting" : "locked";
  if (element("banner-text").textContent !== (words ?? "")) element("banner-text").textContent = words ?? "";
}

function waitingFor() {
  if (refusal) return `This workflow could not be joined: ${refusal}. Trying again.`;
  if (link === "lost") return "The connection to the server is lost. Editing is paused until it is back.";
  return "Joining the workflow…";
}

function headcount(users) {
  return users === 1 ? "1 person here" : `${users} people here`;
}
