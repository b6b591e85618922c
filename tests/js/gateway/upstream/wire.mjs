// Phoenix's V2 serializer, the server's half.

/**
 * The message of a client: `{joinRef, ref, topic, event, payload}`; the payload of a binary one is bytes. Nothing where it
 * is no message of this serializer.
 */
export function decode(data, isBinary) {
  if (isBinary) return decodeBinary(data);
  try {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data);
    return { joinRef, ref, topic, event, payload };
  } catch {
    return undefined;
  }
}

/** A reply, to be sent. */
export function encodeReply({ joinRef, ref, topic }, status, response) {
  if (!(response instanceof Uint8Array)) {
    return JSON.stringify([joinRef, ref, topic, "phx_reply", { status, response }]);
  }
  return binary(1, [joinRef, ref, topic, status], response);
}

/** A push of a channel, to be sent. */
export function encodePush(joinRef, topic, event, payload) {
  if (!(payload instanceof Uint8Array)) return JSON.stringify([joinRef, null, topic, event, payload]);
  return binary(0, [joinRef, topic, event], payload);
}

function binary(kind, fields, payload) {
  const texts = fields.map((field) => Buffer.from(field));
  return Buffer.concat([Buffer.from([kind, ...texts.map(({ length }) => length)]), ...texts, payload]);
}

function decodeBinary(data) {
  const lengths = data.subarray(1, 5);
  let at = 5;
  const [joinRef, ref, topic, event] = [...lengths].map((length) => data.toString("utf8", at, (at += length)));
  return { joinRef, ref, topic, event, payload: new Uint8Array(data.subarray(at)) };
}
