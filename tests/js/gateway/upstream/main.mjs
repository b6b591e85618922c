// A server with Lightning's habits, to stand behind the gateway: its tokens, its rooms with documents, and awareness as
// Lightning's `y_ex` 0.8 has it, blindness included. It is no part of the product's own code, so that nothing of that is
// held against itself, and it does what a server should not when it is asked to (`control.mjs`).
//
// `node main.mjs --port 4000` listens on 127.0.0.1 and says so in one line.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { Connection } from "./connection.mjs";
import { control } from "./control.mjs";
import { Lightning } from "./lightning.mjs";
import { personOf } from "./people.mjs";

const { values } = parseArgs({ options: { port: { type: "string", default: "4000" } } });
const lightning = new Lightning();
// Lightning compresses wherever a client lets it.
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true, maxPayload: 0 });
const server = createServer((request, response) => control(lightning, request, response));

server.on("upgrade", (request, socket, head) => {
  lightning.headers = request.rawHeaders;
  const { pathname, searchParams } = new URL(request.url, "http://upstream");
  const token = searchParams.get("token");
  const person = personOf(token);
  const status = pathname !== "/socket/websocket" ? 404 : (lightning.refusal ?? (token === null ? 500 : person ? 101 : 403));
  if (status !== 101) {
    lightning.count("refused");
    socket.on("error", () => {});
    socket.end(`HTTP/1.1 ${status} Refused\r\ncontent-length: 0\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, socket, head, (websocket) => new Connection(lightning, websocket, person));
});

process.on("SIGTERM", () => {
  server.close();
  for (const connection of lightning.connections) connection.close(1012, "");
  setTimeout(() => process.exit(0), GOODBYE_MS);
});

server.listen(Number(values.port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`));

/** For the close frames to arrive. */
const GOODBYE_MS = 100;
