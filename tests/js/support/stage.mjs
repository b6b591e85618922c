// What the stories of the gateway are played on: an upstream, and the gateway before it. With `WITHOUT_GATEWAY=1` clients
// connect to the upstream itself: what fails then is what the gateway is for.

import { randomUUID } from "node:crypto";
import { startGateway, startUpstream } from "./server.mjs";

/** An upstream with a gateway before it, until `stop`. */
export class Stage {
  static async start(flags = []) {
    const upstream = await startUpstream();
    const gateway = WITHOUT_GATEWAY ? upstream : await startGateway(upstream, 0, flags);
    return new Stage(upstream, gateway, flags);
  }

  /** The same for one test alone, which may stop and start its parts. */
  static async for(t, flags) {
    const stage = await Stage.start(flags);
    t.after(() => stage.stop());
    return stage;
  }

  #flags;

  constructor(upstream, gateway, flags) {
    this.upstream = upstream;
    this.gateway = gateway;
    this.#flags = flags;
  }

  async stop() {
    await Promise.all([this.gateway.stop("SIGKILL"), this.upstream.stop("SIGKILL")]);
  }

  /** Ends the upstream, and starts another on its port. */
  async restartUpstream(signal = "SIGTERM") {
    await this.upstream.stop(signal);
    this.upstream = await startUpstream(this.upstream.port);
    if (WITHOUT_GATEWAY) this.gateway = this.upstream;
  }

  /** Ends the gateway, and starts another on its port. */
  async restartGateway(signal = "SIGTERM") {
    if (WITHOUT_GATEWAY) return this.restartUpstream(signal);
    await this.gateway.stop(signal);
    this.gateway = await startGateway(this.upstream, this.gateway.port, this.#flags);
  }
}

const { WITHOUT_GATEWAY } = process.env;

/** A workflow of a test's own. The prefix `<n>kb-` or `<n>mb-` makes its document so long. */
export function workflow(prefix = "") {
  return prefix + randomUUID();
}
