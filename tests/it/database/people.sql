-- Who is there, and where: the number of a row is the end of its id.
INSERT INTO users (id, first_name, last_name, email, confirmed_at, disabled, scheduled_deletion, inserted_at, updated_at)
SELECT ('00000000-0000-4000-8000-0000000000' || number)::uuid, first_name, 'Test', first_name || '@example.org',
       CASE WHEN first_name NOT LIKE 'un%' THEN now_utc END, first_name = 'disabled',
       CASE WHEN first_name = 'leaving' THEN now_utc + interval '7 days' END,
       now_utc - CASE WHEN first_name = 'unconfirmed' THEN interval '49 hours' ELSE interval '47 hours' END, now_utc
FROM (VALUES ('01', 'owner'), ('02', 'admin'), ('03', 'editor'), ('04', 'viewer'), ('05', 'outsider'),
             ('06', 'support'), ('07', 'disabled'), ('08', 'leaving'), ('09', 'unconfirmed'), ('10', 'unsure'))
     AS person (number, first_name), timezone('utc', now()) AS now_utc;

INSERT INTO projects (id, name, scheduled_deletion)
VALUES ('00000000-0000-4000-8000-000000000021', 'open', NULL),
       ('00000000-0000-4000-8000-000000000022', 'closed', NULL),
       ('00000000-0000-4000-8000-000000000023', 'leaving', timezone('utc', now()) + interval '7 days');

INSERT INTO project_users (user_id, project_id, role)
SELECT u.id, p.id, u.first_name::role
FROM users u, projects p
WHERE u.first_name IN ('owner', 'admin', 'editor', 'viewer') AND p.name IN ('open', 'leaving');

INSERT INTO workflows (id, name, project_id, lock_version, deleted_at)
SELECT ('00000000-0000-4000-8000-0000000000' || number)::uuid, workflow.name, p.id, 3,
       CASE WHEN workflow.name = 'deleted' THEN timezone('utc', now()) END
FROM (VALUES ('31', 'in open', 'open'), ('32', 'in closed', 'closed'), ('33', 'in leaving', 'leaving'),
             ('34', 'deleted', 'open')) AS workflow (number, name, project)
JOIN projects p ON p.name = workflow.project;

INSERT INTO workflow_snapshots (workflow_id, lock_version)
SELECT id, version FROM workflows, generate_series(1, 3) AS version;
