// The channels: the canvas of a workflow, and one that says back what it is told.

import { contextOf, mayEdit, uuidOf } from "./people.mjs";

/** `run:*`, for what a gateway passes without knowing it: takes every join, echoes text and bytes. */
export class EchoChannel {
  #connection;

  constructor(_lightning, connection, { joinRef, topic, payload }) {
    this.#connection = connection;
    this.joinRef = joinRef;
    this.topic = topic;
    this.response = payload;
  }

  refusal() {}

  begin() {}

  receive(message) {
    const { event, payload } = message;
    if (event === "push") this.#connection.push(this.joinRef, this.topic, "pushed", payload);
    else this.#connection.reply(message, "ok", payload);
  }

  end() {}
}

/** `workflow:collaborate:*`. */
export class CanvasChannel {
  response = {};
  #lightning;
  #connection;
  #room;
  #workflow;
  #mayEdit;

  constructor(lightning, connection, { joinRef, topic }) {
    this.#lightning = lightning;
    this.#connection = connection;
    this.joinRef = joinRef;
    this.topic = topic;
  }

  /** Why the join is refused, in the order in which Lightning looks; nothing if it is not. */
  refusal({ project_id: project, action }) {
    const room = this.topic.slice("workflow:collaborate:".length);
    const [workflow] = room.split(":", 1);
    const suffix = room.slice(workflow.length + 1);
    if (!project || !action) return "invalid parameters. project_id and action are required";
    if (project === "missing") return "project not found";
    if (action === "new" && suffix) return "invalid parameters. a new workflow has no version to pin";
    if (action !== "new" && action !== "edit") return `invalid action '${action}', must be 'new' or 'edit'`;
    if (suffix && !/^(v\d+|release\d+|run:.+)$/.test(suffix)) return `invalid room suffix '${suffix}'`;
    if (workflow === "missing") return "workflow not found";
    this.#workflow = workflow;
    this.#mayEdit = !suffix && mayEdit(this.#connection.person);
  }

  begin() {
    this.#room = this.#lightning.room(this.topic, this.#workflow);
    this.#room.enter(this);
  }

  /** However the channel ends, it is in the room no more. */
  end() {
    this.#room.leave(this);
  }

  push(event, payload) {
    this.#connection.push(this.joinRef, this.topic, event, payload);
  }

  receive(message) {
    const { event, payload } = message;
    this.#lightning.count(event);
    if ((event === "yjs" || event === "yjs_sync") && payload instanceof Uint8Array) {
      this.#lightning.count(this.#room.receive(this, payload, this.#mayEdit));
    } else if (event === "get_context") {
      this.#context(message);
    } else if (event === "request_credentials") {
      const credentials = { project_credentials: [], keychain_credentials: [] };
      this.#connection.reply(message, "ok", { credentials });
    } else if (event === "save_workflow") {
      this.#save(message);
    } else {
      this.#connection.reply(message, "error", { reason: `unknown event: ${event}` });
    }
  }

  /** By name: `refused-…` gets an error, `silent-…` no answer, `slow-<ms>-…` a late one. */
  #context(message) {
    const [what, ms] = this.#connection.person.split("-");
    if (what === "silent") return;
    if (what === "refused") return this.#refuse(message, "You are not allowed to do this.");
    const answer = () => {
      this.#connection.reply(message, "ok", contextOf(this.#connection.person, this.#room.lockVersion, this.#mayEdit));
    };
    if (what === "slow") setTimeout(answer, Number(ms));
    else answer();
  }

  #save(message) {
    if (!this.#mayEdit) return this.#refuse(message, "You are not authorized to edit this workflow");
    const workflow = { id: uuidOf(this.#workflow), ...this.#room.save() };
    const { lock_version } = workflow;
    this.#room.tell(this, "workflow_saved", { latest_snapshot_lock_version: lock_version, workflow });
    this.#connection.reply(message, "ok", { saved_at: new Date().toISOString(), lock_version, workflow });
  }

  #refuse(message, text) {
    this.#connection.reply(message, "error", { reason: "unauthorized", type: "unauthorized", errors: { base: [text] } });
  }
}
