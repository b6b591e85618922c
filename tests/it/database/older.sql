-- Lightning's tables as far as presences touch them, in the versions whose pages carry signed tokens.
CREATE EXTENSION citext;

CREATE TABLE users (
    id uuid PRIMARY KEY,
    first_name varchar(255) NOT NULL,
    last_name varchar(255),
    email citext NOT NULL UNIQUE,
    hashed_password varchar(255) NOT NULL DEFAULT '',
    confirmed_at timestamp(0),
    role varchar(255) NOT NULL DEFAULT 'user',
    disabled boolean NOT NULL DEFAULT false,
    mfa_enabled boolean NOT NULL DEFAULT false,
    scheduled_deletion timestamp(0),
    inserted_at timestamp(0) NOT NULL,
    updated_at timestamp(0) NOT NULL
);

CREATE TABLE users_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    token bytea NOT NULL,
    context varchar(255) NOT NULL,
    sent_to varchar(255),
    inserted_at timestamp(0) NOT NULL
);
CREATE UNIQUE INDEX users_tokens_context_token_index ON users_tokens (context, token);

CREATE TABLE projects (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    description varchar(255),
    concurrency integer,
    scheduled_deletion timestamp(0),
    inserted_at timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at timestamp NOT NULL DEFAULT timezone('utc', now())
);

CREATE TYPE role AS ENUM ('viewer', 'editor', 'admin', 'owner');
CREATE TABLE project_users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    role role NOT NULL,
    failure_alert boolean NOT NULL DEFAULT true,
    digest varchar(255) NOT NULL DEFAULT 'weekly',
    UNIQUE (project_id, user_id)
);
CREATE UNIQUE INDEX project_owner_unique_index ON project_users (project_id) WHERE role = 'owner';

CREATE TABLE workflows (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    project_id uuid REFERENCES projects ON DELETE CASCADE,
    lock_version integer NOT NULL DEFAULT 0,
    concurrency integer,
    enable_job_logs boolean NOT NULL DEFAULT true,
    positions jsonb,
    deleted_at timestamp(0),
    inserted_at timestamp NOT NULL DEFAULT timezone('utc', now()),
    updated_at timestamp NOT NULL DEFAULT timezone('utc', now())
);

CREATE TABLE workflow_snapshots (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workflow_id uuid NOT NULL REFERENCES workflows ON DELETE CASCADE,
    name varchar(255) NOT NULL DEFAULT '',
    lock_version integer NOT NULL,
    UNIQUE (workflow_id, lock_version)
);

GRANT SELECT ON ALL TABLES IN SCHEMA public TO presenced;
