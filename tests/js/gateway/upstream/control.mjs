// What a test asks over HTTP: `GET /counts`, and faults by `POST /control/<what>?<how>`.
//
// * `refuse?status=`: new connections are refused with this status; without one they are taken again
// * `disconnect?person=&code=`: connections are closed, one person's or all, with 1001 if no code is given
// * `close?topic=&person=`, `crash?topic=&person=`: channels end with `phx_close`, `phx_error`
// * `push?topic=&event=`, with an object as body: everybody in the room is pushed this

/** Answers a request that is no upgrade. */
export async function control(lightning, request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://upstream");
  if (pathname === "/counts") return response.end(JSON.stringify(lightning.counts));
  const fault = FAULTS[pathname.replace("/control/", "")];
  if (!fault || request.method !== "POST") return response.writeHead(404).end();
  let body = "";
  for await (const chunk of request) body += chunk;
  fault(lightning, Object.fromEntries(searchParams), body);
  response.end();
}

const FAULTS = {
  refuse: (lightning, { status }) => {
    lightning.refusal = status ? Number(status) : undefined;
  },
  disconnect: (lightning, { person, code = "1001" }) => {
    for (const connection of of(lightning, person)) connection.close(Number(code), "");
  },
  close: (lightning, { topic, person }) => {
    for (const connection of of(lightning, person)) connection.endChannel(topic, "phx_close");
  },
  crash: (lightning, { topic, person }) => {
    for (const connection of of(lightning, person)) connection.endChannel(topic, "phx_error");
  },
  push: (lightning, { topic, event }, body) => {
    lightning.knownRoom(topic)?.tell(undefined, event, JSON.parse(body));
  },
};

function of(lightning, person) {
  return [...lightning.connections].filter((connection) => !person || connection.person === person);
}
