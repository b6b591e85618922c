/**
 * One channel on one Phoenix socket, over WebSocket with V2 text frames.
 *
 * It owns the connection's timers: reconnect, rejoin, join time-out and heartbeat. It knows nothing of presence or
 * of the page: what arrives is handed to two callbacks.
 *
 * Not here: binary frames, long poll, several topics, pushes other than join and leave.
 *
 * Contract: phoenix.js 1.8, `Socket` and `Channel`; on purpose it also comes back after close code 1000 and after
 * `phx_close`, because a demo left open overnight should be live in the morning.
 */

/**
 * @typedef {"connecting" | "joining" | "joined" | "refused" | "lost"} Link
 *   `refused` carries the server's reason; every state but `joined` is followed by another try.
 */

export class ChannelClient {
  #options;
  #socket = null;
  #lastRef = 0;
  #joinRef = null;
  #heartbeatRef = null;
  #dials = 0;
  #joins = 0;
  #redialTimer;
  #rejoinTimer;
  #joinTimer;
  #heartbeatTimer;

  /**
   * @param {object} options
   * @param {string} options.url full WebSocket address with its query
   * @param {string} options.topic
   * @param {object} options.params payload of every `phx_join`
   * @param {(link: Link, reason?: string) => void} options.onLink `joining` comes before each `phx_join` is sent
   * @param {(event: string, payload: object) => void} options.onEvent frames of the current join, and broadcasts
   */
  constructor(options) {
    this.#options = options;
  }

  /** Dials, and keeps dialling until `close`. */
  open() {
    if (this.#socket) return;
    clearTimeout(this.#redialTimer);
    this.#options.onLink("connecting");
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    socket.onopen = () => this.#opened();
    socket.onclose = () => this.#lost();
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#receive(JSON.parse(data));
    };
  }

  /** Hangs up and stays down until `open`. */
  close() {
    clearTimeout(this.#redialTimer);
    this.#drop();
  }

  #opened() {
    this.#dials = 0;
    this.#joins = 0;
    this.#heartbeatTimer = setInterval(() => this.#heartbeat(), HEARTBEAT_MS);
    this.#join();
  }

  #lost() {
    this.#drop();
    this.#options.onLink("lost");
    this.#redialTimer = setTimeout(() => this.open(), delay(REDIAL_MS, this.#dials++));
  }

  /** A socket that hangs in its closing handshake must not be heard again, so its handlers go first. */
  #drop() {
    clearInterval(this.#heartbeatTimer);
    clearTimeout(this.#rejoinTimer);
    clearTimeout(this.#joinTimer);
    this.#heartbeatRef = null;
    this.#joinRef = null;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onclose = socket.onmessage = null;
    socket.close();
  }

  #join() {
    clearTimeout(this.#rejoinTimer);
    this.#options.onLink("joining");
    this.#joinRef = this.#nextRef();
    this.#send(this.#joinRef, this.#options.topic, "phx_join", this.#options.params);
    this.#joinTimer = setTimeout(() => {
      this.#send(this.#nextRef(), this.#options.topic, "phx_leave", {});
      this.#refused("the server did not answer in time");
    }, JOIN_TIMEOUT_MS);
  }

  #refused(reason) {
    clearTimeout(this.#joinTimer);
    this.#joinRef = null;
    this.#options.onLink("refused", reason);
    this.#rejoinTimer = setTimeout(() => this.#join(), delay(REJOIN_MS, this.#joins++));
  }

  #heartbeat() {
    if (this.#heartbeatRef !== null) {
      this.#lost();
      return;
    }
    this.#heartbeatRef = this.#nextRef();
    this.#socket.send(JSON.stringify([null, this.#heartbeatRef, "phoenix", "heartbeat", {}]));
  }

  #receive([joinRef, ref, topic, event, payload]) {
    if (topic === "phoenix") {
      if (ref === this.#heartbeatRef) this.#heartbeatRef = null;
      return;
    }
    if (topic !== this.#options.topic || this.#joinRef === null) return;
    // The refusal of an unmatched topic has no join_ref; its ref tells whose it is.
    if (event === "phx_reply" && ref === this.#joinRef) return this.#joinAnswered(payload);
    if (joinRef && joinRef !== this.#joinRef) return;
    switch (event) {
      case "phx_reply":
        return;
      case "phx_error":
        return this.#refused("the channel failed");
      case "phx_close":
        return this.#refused("the channel was closed");
      default:
        this.#options.onEvent(event, payload);
    }
  }

  #joinAnswered({ status, response }) {
    clearTimeout(this.#joinTimer);
    if (status !== "ok") return this.#refused(String(response?.reason ?? "no reason given"));
    this.#joins = 0;
    this.#options.onLink("joined");
  }

  #send(ref, topic, event, payload) {
    this.#socket.send(JSON.stringify([this.#joinRef, ref, topic, event, payload]));
  }

  #nextRef() {
    this.#lastRef += 1;
    return String(this.#lastRef);
  }
}

const delay = (steps, tries) => steps[Math.min(tries, steps.length - 1)];

const HEARTBEAT_MS = 30_000;
const JOIN_TIMEOUT_MS = 10_000;
const REDIAL_MS = [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000];
const REJOIN_MS = [1000, 2000, 5000, 10_000];
