"""The operator's addresses: lists, statistics, commands, the batch, and what watches a service."""

from __future__ import annotations

from dataclasses import replace

from app.web import command_schemas as commands
from app.web import operator_schemas as operator
from app.web import statistics_schemas as statistics
from app.web.openapi.parts import JOB_ID
from app.web.openapi.shapes import EVENTS, JSON, TEXT, Answer, Body, Route

BATCH = Route(
    "GET",
    "/api/cron/process-jobs",
    "Run one batch now",
    {200: Answer("What the batch did.", operator.BatchReport)},
    "operate",
    errors=("batch_running", "overloaded", "queue_unavailable", "storage_unavailable"),
    guard="cron",
)
OPERATOR_ROUTES = (
    Route(
        "GET",
        "/api/ingest/jobs",
        "List jobs, newest first",
        {200: Answer("A page of jobs.", operator.JobList)},
        "operate",
        query=operator.JobQuery,
        errors=("invalid_field", "queue_unavailable"),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/jobs/{jobId}",
        "One job with its whole history",
        {200: Answer("The job as the operator sees it.", operator.JobHistory)},
        "operate",
        parameters=(JOB_ID,),
        errors=("not_found", "queue_unavailable", "storage_unavailable"),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/queue",
        "Statistics of the queue and of what it runs on",
        {200: Answer("The statistics.", statistics.Statistics)},
        "operate",
        errors=("queue_unavailable",),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/history",
        "Throughput, errors and times of the last hours",
        {200: Answer("Every step of that time.", statistics.History)},
        "operate",
        query=statistics.HistoryQuery,
        errors=("invalid_field", "queue_unavailable"),
        guard="admin",
    ),
    Route(
        "POST",
        "/api/admin/queue",
        "Clean up, retry, cancel, delete, change the priority, pause or resume",
        {200: Answer("What was done.", commands.Outcome)},
        "operate",
        body=Body(JSON, (commands.Cleanup, commands.Bulk, commands.Reprioritize, commands.Hold)),
        errors=(
            *("malformed_body", "incomplete_body", "too_large", "unsupported_type", "invalid_field"),
            *("queue_unavailable", "cross_site", "read_only"),
        ),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/events",
        "Live news for the operator's pages",
        {200: Answer("Events named `statistics` and `jobs`; their data is one JSON line.", statistics.News, (EVENTS,))},
        "operate",
        errors=("too_many_streams", "queue_unavailable"),
        guard="admin",
    ),
    Route(
        "GET",
        "/api/admin/audit",
        "What was done by hand",
        {200: Answer("A page of it.", commands.AuditList)},
        "operate",
        query=commands.AuditQuery,
        errors=("invalid_field", "queue_unavailable"),
        guard="admin",
    ),
    BATCH,
    replace(BATCH, method="POST", errors=(*BATCH.errors, "cross_site")),
    Route(
        "GET",
        "/metrics",
        "Metrics for Prometheus",
        {200: Answer("Text in the format that Prometheus reads.", None, (TEXT,))},
        "operate",
        errors=("queue_unavailable",),
        guard="metrics",
    ),
    Route("GET", "/healthz", "Is the process alive", {200: Answer("It is.", operator.Health)}, "operate"),
    Route(
        "GET",
        "/readyz",
        "Do Redis and the file storage answer",
        {200: Answer("They do.", operator.Health)},
        "operate",
        errors=("queue_unavailable", "storage_unavailable", "storage_full"),
    ),
    Route(
        "GET",
        "/openapi.json",
        "This description",
        {200: Answer("OpenAPI 3.1.", None, (JSON,))},
        "operate",
    ),
)
