// One WebSocket: heartbeats, joins and leaves, and its channels.

import { CanvasChannel, EchoChannel } from "./channels.mjs";
import { decode, encodePush, encodeReply } from "./wire.mjs";

export class Connection {
  #lightning;
  #websocket;
  #channels = new Map();
  #idle;

  constructor(lightning, websocket, person) {
    this.#lightning = lightning;
    this.#websocket = websocket;
    this.person = person;
    lightning.connections.add(this);
    websocket.on("message", (data, isBinary) => {
      this.#isAlive();
      const message = decode(data, isBinary);
      if (message) this.#receive(message);
      else this.close(1011, "");
    });
    websocket.on("error", () => {});
    websocket.on("close", () => {
      clearTimeout(this.#idle);
      lightning.connections.delete(this);
      for (const channel of this.#channels.values()) channel.end();
    });
    this.#isAlive();
  }

  close(code, reason) {
    this.#websocket.close(code, reason);
  }

  push(joinRef, topic, event, payload) {
    this.#websocket.send(encodePush(joinRef, topic, event, payload));
  }

  reply(message, status, response = {}) {
    this.#websocket.send(encodeReply(message, status, response));
  }

  /** Ends a channel with `phx_close` or `phx_error`. */
  endChannel(topic, event) {
    const channel = this.#channels.get(topic);
    if (!channel) return;
    this.#channels.delete(topic);
    channel.end();
    this.#websocket.send(JSON.stringify([channel.joinRef, channel.joinRef, topic, event, {}]));
  }

  #isAlive() {
    clearTimeout(this.#idle);
    // Cowboy's own time-out, and its code. Whatever came while the process itself stood still is read before.
    const end = () => this.close(1000, "");
    this.#idle = setTimeout(() => (this.#idle = setTimeout(end, 1_000)), IDLE_MS);
  }

  #receive(message) {
    if (message.topic === "phoenix") {
      this.#lightning.count("heartbeats");
      this.reply(message, "ok");
      return;
    }
    const { topic, event } = message;
    if (event === "phx_join") return this.#join(message);
    const channel = this.#channels.get(topic);
    if (event === "phx_leave") {
      this.reply(message, "ok");
      if (channel) this.endChannel(topic, "phx_close");
      return;
    }
    if (channel && channel.joinRef === message.joinRef) channel.receive(message);
    else if (!channel) this.reply(message, "error", { reason: "unmatched topic" });
  }

  #join(message) {
    this.#lightning.count("joins");
    const { topic, payload } = message;
    const Channel = [["workflow:", CanvasChannel], ["run:", EchoChannel]].find(([prefix]) => topic.startsWith(prefix))?.[1];
    if (!Channel) return this.reply(message, "error", { reason: "unmatched topic" });
    const channel = new Channel(this.#lightning, this, message);
    const refusal = channel.refusal(payload);
    if (refusal) return this.reply(message, "error", { reason: refusal });
    const before = this.#channels.get(topic);
    this.reply(message, "ok", channel.response);
    if (before) this.endChannel(topic, "phx_close");
    this.#channels.set(topic, channel);
    channel.begin();
  }
}

const IDLE_MS = 59_000;
