// Who connects, by token, and what the page is told of them.

import { createHash } from "node:crypto";

/** Whose token this is: `good:<name>`, and behind another colon whatever makes it another session's. */
export function personOf(token) {
  return /^good:([^:]+)/.exec(token ?? "")?.[1];
}

/** Names that begin with `viewer` are those of people who may only look. */
export function mayEdit(person) {
  return !person.startsWith("viewer");
}

/** The reply to `get_context`, with every key that any Lightning's page asks for. */
export function contextOf(person, lockVersion, may) {
  return {
    user: userOf(person),
    project: { id: uuidOf("project"), name: "Project", env: null, concurrency: null, is_sandbox: false },
    config: { require_email_verification: false, kafka_triggers_enabled: false, max_dataclip_size_bytes: 10_000_000 },
    permissions: { can_edit_workflow: may, can_run_workflow: may, can_write_webhook_auth_method: may },
    latest_snapshot_lock_version: lockVersion,
    project_repo_connection: null,
    webhook_auth_methods: [],
    workflow_template: null,
    has_read_ai_disclaimer: true,
    content_locked: false,
    experimental_features_enabled: false,
    limits: { runs: { allowed: true, message: null } },
    workflow: {},
  };
}

/** `nobody` is no user; the name of `mallory` would break out of a style sheet that trusts it. */
export function userOf(person) {
  if (person === "nobody") return null;
  const name = person[0].toUpperCase() + person.slice(1);
  return {
    id: uuidOf(person),
    first_name: person === "mallory" ? 'Mal";}\n</style><script>{\\' : name,
    last_name: "Tester",
    email: `${person}@example.org`,
    email_confirmed: true,
    support_user: false,
    inserted_at: "2024-01-01T00:00:00Z",
  };
}

/** The version-4 UUID that stands for a text. */
export function uuidOf(text) {
  const digits = createHash("sha256").update(text).digest("hex");
  const parts = [digits.slice(0, 8), digits.slice(8, 12), `4${digits.slice(13, 16)}`, `a${digits.slice(17, 20)}`];
  return [...parts, digits.slice(20, 32)].join("-");
}
