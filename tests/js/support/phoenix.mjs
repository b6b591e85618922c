// The published client packages, unmodified, on each transport they have.
//
// Node 20 has neither `WebSocket` nor `XMLHttpRequest`, and phoenix 1.7 looks for both on `self` only. It gets a
// `self` while it loads; 1.8 then loads without one and long-polls with Node's own `fetch`.

import WebSocket from "ws";
import XMLHttpRequest from "xhr2";

globalThis.self = { XMLHttpRequest };
const phoenix17 = await import("phoenix-1.7");
delete globalThis.self;
const phoenix18 = await import("phoenix-1.8");

/** What a browser page of each version would use, by the name shown in the test report. */
export const clients = [
  { name: "phoenix 1.7.21, WebSocket", phoenix: phoenix17, transport: WebSocket, longPoll: false },
  { name: "phoenix 1.8.16, WebSocket", phoenix: phoenix18, transport: WebSocket, longPoll: false },
  { name: "phoenix 1.7.21, LongPoll", phoenix: phoenix17, transport: phoenix17.LongPoll, longPoll: true },
  { name: "phoenix 1.8.16, LongPoll", phoenix: phoenix18, transport: phoenix18.LongPoll, longPoll: true },
];

export const webSocketClients = clients.filter((client) => !client.longPoll);

/**
 * Clients that notice when the server has ended their session. phoenix 1.7 takes the 410 of a lost long-poll
 * session for the opening of a new one and does not rejoin its channels; 1.8 closes with 3410 and does.
 */
export const clientsThatNoticeALostSession = clients.filter(
  (client) => !(client.longPoll && client.phoenix === phoenix17),
);

/** Clients whose presence state takes keys such as `__proto__`, that every object has from its prototype. */
export const clientsThatTakeAnyKey = clients.filter((client) => client.phoenix === phoenix18);
