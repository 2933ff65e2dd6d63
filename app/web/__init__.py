"""HTTP only: views translate; decisions are made further down. `wiring` puts it together, `server` is gunicorn's part of it.

uploads     `ingest` (also status and what is done to one job), `receiving`, `upload_form`, `uploaded_file`, `request_body`
text        `results`, `archives`
watching    `events`, `client_view` (what one client has seen), `streams`; `held` (requests that wait), `gate` (how many may)
operator    `admin_jobs`, `admin_numbers`, `admin_events`, `commands` (with `json_body`), `audit`, `cron`; `auth`, `login`
pages       `pages`, `admin_pages`, `dashboard` (RQ's own)
machines    `health`, `metrics`, `metric_families`, `openapi/`
documents   `documents`, `statistics`; as models: `schemas`, `operator_schemas`, `statistics_schemas`, `command_schemas`
everywhere  `context`, `security`, `problems` (errors), `validation`
"""
