// Messages of `yjs` and `yjs_sync`, read and made by hand.

import * as decoding from "lib0/decoding.js";
import * as encoding from "lib0/encoding.js";

/** The bytes of a message. */
export function messageOf(payload) {
  return new Uint8Array(payload);
}

/** What a message is, by its first numbers. */
export function kindOf(bytes) {
  if (bytes[0] === 0) return ["step1", "step2", "update"][bytes[1]] ?? "unknown";
  return { 1: "awareness", 3: "query" }[bytes[0]] ?? "unknown";
}

/** The entries of an awareness message: `{clientID, clock, state}`. */
export function entriesOf(bytes) {
  const decoder = decoding.createDecoder(bytes);
  decoding.readVarUint(decoder);
  const body = decoding.createDecoder(decoding.readVarUint8Array(decoder));
  return Array.from({ length: decoding.readVarUint(body) }, () => ({
    clientID: decoding.readVarUint(body),
    clock: decoding.readVarUint(body),
    state: JSON.parse(decoding.readVarString(body)),
  }));
}

/** An awareness message of entries `[clientID, clock, state]`; a state that is text goes out as it is. */
export function awarenessOf(entries) {
  const body = encoding.createEncoder();
  encoding.writeVarUint(body, entries.length);
  for (const [clientID, clock, state] of entries) {
    encoding.writeVarUint(body, clientID);
    encoding.writeVarUint(body, clock);
    encoding.writeVarString(body, typeof state === "string" ? state : JSON.stringify(state));
  }
  const message = encoding.createEncoder();
  encoding.writeVarUint(message, 1);
  encoding.writeVarUint8Array(message, encoding.toUint8Array(body));
  return encoding.toUint8Array(message);
}

/** The question who is there. */
export const QUERY = Uint8Array.of(3);

/** Bytes of hexadecimal digits. */
export function bytesOf(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
