// One room: its document, who is aware of whom, and the channels that are in it.

import * as decoding from "lib0/decoding.js";
import * as encoding from "lib0/encoding.js";
import * as sync from "@y/protocols/sync.js";
import * as Y from "yjs";
import { Awareness } from "./awareness.mjs";

export class Room {
  #doc;
  #awareness = new Awareness();
  /** By channel, the clients that it was the first to name; they go with it. */
  #members = new Map();

  constructor(workflow) {
    this.#doc = savedDocument(workflow);
    this.#doc.on("update", (update, origin) => {
      const encoder = encoding.createEncoder();
      encoding.writeVarUint(encoder, SYNC);
      sync.writeUpdate(encoder, update);
      this.tell(origin, "yjs", encoding.toUint8Array(encoder));
    });
  }

  get lockVersion() {
    return this.#doc.getMap("workflow").get("lock_version");
  }

  enter(channel) {
    this.#members.set(channel, []);
  }

  leave(channel) {
    const removed = this.#awareness.remove(this.#members.get(channel) ?? []);
    this.#members.delete(channel);
    if (removed.length > 0) this.tell(channel, "yjs", this.#awareness.encode(removed));
  }

  /** Pushes to everybody but one. */
  tell(except, event, payload) {
    for (const channel of this.#members.keys()) {
      if (channel !== except) channel.push(event, payload);
    }
  }

  /** Saves what the document holds now. */
  save() {
    const workflow = this.#doc.getMap("workflow");
    workflow.set("lock_version", this.lockVersion + 1);
    return { name: workflow.get("name"), lock_version: this.lockVersion };
  }

  /** A binary message, and what it was. Changes of the document of who may not edit are dropped without a word. */
  receive(channel, message, mayEdit) {
    try {
      return this.#read(channel, message, mayEdit);
    } catch {
      return "unreadable";
    }
  }

  #read(channel, message, mayEdit) {
    const decoder = decoding.createDecoder(message);
    const type = decoding.readVarUint(decoder);
    if (type === SYNC) return this.#sync(channel, decoder, mayEdit);
    if (type === AWARENESS) {
      const body = decoding.readVarUint8Array(decoder);
      diesOf(body);
      const { changed, added } = this.#awareness.apply(body);
      this.#members.get(channel).push(...added);
      if (changed.length > 0) this.tell(channel, "yjs", this.#awareness.encode(changed));
      return "awareness";
    }
    if (type === QUERY) {
      channel.push("yjs", this.#awareness.encode(this.#awareness.present));
      return "queries";
    }
    return "unreadable";
  }

  #sync(channel, decoder, mayEdit) {
    const step = decoding.readVarUint(decoder);
    const body = decoding.readVarUint8Array(decoder);
    if (step === sync.messageYjsSyncStep1) {
      diesOf(body);
      this.#answer(channel, body);
      return "step1";
    }
    if (mayEdit) Y.applyUpdate(this.#doc, body, channel);
    return "updates";
  }

  #answer(channel, stateVector) {
    const step2 = encoding.createEncoder();
    encoding.writeVarUint(step2, SYNC);
    sync.writeSyncStep2(step2, this.#doc, stateVector);
    channel.push("yjs", encoding.toUint8Array(step2));
    const step1 = encoding.createEncoder();
    encoding.writeVarUint(step1, SYNC);
    sync.writeSyncStep1(step1, this.#doc);
    channel.push("yjs", encoding.toUint8Array(step1));
    channel.push("yjs", this.#awareness.encode(this.#awareness.present));
  }
}

/**
 * The document of a workflow as it was last saved, the same in each process: its items are those of client 1. The ids
 * `<n>kb-…` and `<n>mb-…` stand for workflows whose first job is so long.
 */
function savedDocument(id) {
  const saved = new Y.Doc();
  saved.clientID = 1;
  saved.transact(() => {
    const workflow = saved.getMap("workflow");
    const fields = { id, name: `Workflow ${id}`, lock_version: 1, deleted_at: null, concurrency: null, enable_job_logs: true };
    for (const [key, value] of Object.entries(fields)) workflow.set(key, value);
    const body = new Y.Text("0123456789abcdef".repeat(sizeOf(id) / 16) || "fn(state => state)");
    const job = { id: "j1", name: "First", adaptor: "@openfn/language-common@latest", body };
    saved.getArray("jobs").push([new Y.Map(Object.entries(job))]);
    saved.getArray("triggers").push([new Y.Map(Object.entries({ id: "t1", type: "webhook" }))]);
    saved.getArray("edges").push([new Y.Map(Object.entries({ id: "e1", source_trigger_id: "t1", target_job_id: "j1" }))]);
    saved.getMap("positions").set("j1", [0, 150]);
  });
  const doc = new Y.Doc();
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(saved));
  return doc;
}

function sizeOf(id) {
  const [, number, unit] = /^(\d+)(kb|mb)-/.exec(id) ?? [];
  return unit ? Number(number) * { kb: 1_000, mb: 1_000_000 }[unit] : 0;
}

/** A count for which the real server asks for more memory than there is: it is no error there but the end. */
function diesOf(body) {
  let count = 0;
  try {
    count = decoding.readVarUint(decoding.createDecoder(body));
  } catch {
    return;
  }
  if (count < FATAL_COUNT) return;
  console.error("out of memory");
  process.exit(134);
}

const SYNC = 0;
const AWARENESS = 1;
const QUERY = 3;
const FATAL_COUNT = 2 ** 30;
