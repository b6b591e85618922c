// A page with Lightning's connection and nothing else, for stories about what a browser does to it. The query says where
// to connect (`socket`), who it is (`name`) and which `workflow`; `window.canvas` is what the test looks at.

import { Socket } from "phoenix";
import { PhoenixChannelProvider } from "y-phoenix-channel";
import * as Y from "yjs";

const query = Object.fromEntries(new URLSearchParams(location.search));
const request_id = crypto.randomUUID();
const socket = new Socket(query.socket, { params: { token: `good:${query.name}:${crypto.randomUUID()}`, request_id } });
socket.connect();

const doc = new Y.Doc();
const provider = new PhoenixChannelProvider(socket, `workflow:collaborate:${query.workflow}`, doc, {
  params: { project_id: "4b0ea0ee-7c4f-4b63-9a4c-2f1d8b0c7a11", action: "edit" },
});
const { awareness } = provider;
provider.on("status", ({ status }) => {
  if (status === "connected") queueMicrotask(askForContext);
});

function askForContext() {
  provider.channel.push("get_context", {}).receive("ok", ({ user }) => {
    awareness.setLocalStateField("user", { ...user, name: `${user.first_name} ${user.last_name}`, color: "#4ECDC4" });
    awareness.setLocalStateField("lastSeen", Date.now());
  });
}

/** Everybody who came and went, in order: `+<clientID>`, `-<clientID>`. */
const changes = [];
awareness.on("change", ({ added, removed }) => {
  for (const id of added) changes.push({ at: Date.now(), id, came: true });
  for (const id of removed) changes.push({ at: Date.now(), id, came: false });
});

/** The longest time between two turns of a timer. */
let [tick, pause] = [Date.now(), 0];
const turn = () => {
  pause = Math.max(pause, Date.now() - tick);
  tick = Date.now();
};
setInterval(turn, 200);

window.canvas = {
  clientID: doc.clientID,
  changes,
  /** The clients of the others, with a person. */
  others: () => [...awareness.getStates()].filter(([id, { user }]) => id !== doc.clientID && user).map(([id]) => id),
  isSettled: () => doc.getMap("workflow").size > 0 && Boolean(awareness.getLocalState()?.lastSeen),
  move: (x, y) => awareness.setLocalStateField("cursor", { x, y }),
  longestPause: () => Math.max(pause, Date.now() - tick),
  cursorOf: (id) => awareness.getStates().get(id)?.cursor,
};
