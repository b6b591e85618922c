-- What Lightning's newer versions add, whose pages carry encrypted tokens of login sessions.
ALTER TABLE users ADD COLUMN support_user boolean NOT NULL DEFAULT false, ADD COLUMN preferences jsonb DEFAULT '{}';
ALTER TABLE users_tokens ADD COLUMN last_used_at timestamp(0);
ALTER TABLE projects ADD COLUMN allow_support_access boolean NOT NULL DEFAULT false, ADD COLUMN env varchar(255);
CREATE TYPE workflow_state AS ENUM ('draft', 'live');
ALTER TABLE workflows ADD COLUMN state workflow_state NOT NULL DEFAULT 'live';
ALTER TABLE users ALTER COLUMN mfa_enabled DROP NOT NULL;
ALTER TABLE projects ADD COLUMN requires_mfa boolean DEFAULT false;
CREATE TABLE work_orders (id uuid PRIMARY KEY, workflow_id uuid NOT NULL REFERENCES workflows ON DELETE CASCADE);
CREATE TABLE runs (
    id uuid PRIMARY KEY,
    work_order_id uuid NOT NULL REFERENCES work_orders ON DELETE CASCADE,
    snapshot_id uuid
);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO presenced;
