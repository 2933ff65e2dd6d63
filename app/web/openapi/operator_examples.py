"""Examples of the operator's addresses; see `examples`, which joins them to the others."""

from __future__ import annotations

from app.web.openapi.job_examples import A_SHA256, CANCELLED
from app.web.openapi.parts import A_JOB
from app.web.openapi.shapes import EVENTS, HTML, TEXT, Example

AS_ADMIN = 'curl -H "Authorization: Bearer $ADMIN_TOKEN"'
AS_CRON = 'curl -H "Authorization: Bearer $CRON_SECRET"'
ONE_PRIORITY = {"depth": 0, "oldestWaitSeconds": None, "paused": False}
WINDOW = {
    "completed": 7,
    "failed": 2,
    "cancelled": 0,
    "errorRate": 0.2222,
    "runSeconds": {"p50": 0.003, "p95": 0.609},
    "waitSeconds": {"p50": 0.015, "p95": 0.431},
}
STATISTICS = {
    "success": True,
    "queue": {
        "totalJobs": 9,
        "completedJobs": 7,
        "failedJobs": 2,
        "pendingJobs": 0,
        "lastProcessedAt": "2026-11-24T16:32:06.567Z",
        "processingJobs": 0,
        "retryingJobs": 0,
        "cancelledJobs": 0,
    },
    "priorities": dict.fromkeys(("urgent", "high", "medium", "low"), ONE_PRIORITY),
    "failures": [{"code": "encrypted_document", "count": 2}],
    "system": {
        "memory": {"rssBytes": 65937408},
        "redis": {"usedBytes": 2333808, "maxBytes": 0, "evictionPolicy": "noeviction"},
        "storage": {"kind": "folder", "freeBytes": 83989667840},
        "warnings": [],
    },
    "performance": {
        "jobsPerMinute": 9,
        "errorRate": 0.2222,
        "runSeconds": {"p50": 0.003, "p95": 0.604},
        "waitSeconds": {"p50": 0.015, "p95": 0.439},
        "windows": {"1h": WINDOW, "24h": WINDOW, "72h": WINDOW},
    },
    "workers": [
        {
            "name": "worker.vm.14472.202df880",
            "host": "vm",
            "pid": 14472,
            "state": "idle",
            "priorities": ["urgent", "high", "medium", "low"],
            "jobId": None,
            "startedAt": "2026-11-24T16:30:02.114Z",
            "lastSeenAt": "2026-11-24T16:32:07.020Z",
            "version": "0.1.0",
            "memoryBytes": 61865984,
            "job": None,
        }
    ],
    "batch": {
        "lastRunAt": "2026-11-24T16:32:00.976Z",
        "lastResult": {"outcome": "ok"},
        "lockHeld": False,
        "runs": [
            {
                "at": "2026-11-24T16:32:00.976Z",
                "outcome": "ok",
                "processed": 0,
                "rescued": 0,
                "expired": 0,
                "durationMs": 5,
                "by": "schedule",
            }
        ],
        "nextRunAt": "2026-11-24T16:33:00.000Z",
        "schedule": "every minute",
    },
    "readOnly": False,
}
REPORT = {
    "success": True,
    "processed": 1,
    "jobIds": [A_JOB],
    "rescued": 0,
    "expired": 0,
    "remaining": 0,
    "durationMs": 204,
}
HISTORY = {
    "success": True,
    "job": CANCELLED,
    "sha256": A_SHA256,
    "history": [
        {
            "run": 1,
            "attempt": 1,
            "startedAt": "2026-11-24T16:31:23.531Z",
            "endedAt": "2026-11-24T16:31:23.866Z",
            "outcome": "cancelled",
            "worker": "worker.vm.14472.202df880",
            "seconds": 0.335,
        }
    ],
    "claim": None,
    "dueAt": None,
    "giveBacks": 0,
}
POINT = {
    "at": "2026-11-24T15:33:00.000Z",
    "completed": 12,
    "failed": 1,
    "cancelled": 0,
    "lost": 0,
    "runSeconds": {"p50": 0.042, "p95": 0.609},
    "waitSeconds": {"p50": 0.015, "p95": 0.431},
}
COMMAND = {"action": "retry", "filter": {"status": "failed", "code": "encrypted_document"}, "dryRun": True}
OUTCOME = {
    "success": True,
    "action": "retry",
    "dryRun": True,
    "affected": 1,
    "failed": 0,
    "jobIds": [A_JOB],
    "sample": [{"jobId": A_JOB, "name": "script.pdf", "status": "failed"}],
    "more": False,
    "nextCursor": None,
    "operation": None,
    "before": None,
}
AUDIT = {
    "success": True,
    "entries": [
        {
            "at": "2026-11-24T16:31:23.508Z",
            "who": "session 192.0.2.7",
            "action": "retry",
            "target": "status failed, code encrypted_document",
            "affected": 12,
            "failed": 0,
            "operation": "5f0c2d7a91be3c44",
        }
    ],
    "nextCursor": "951",
}
NEWS = """retry:2000

event:statistics
data:{"success":true,"queue":{"totalJobs":9, ...

event:jobs
data:{"changed":3}
"""
METRICS = """# HELP ingest_jobs Job records kept, by status.
# TYPE ingest_jobs gauge
ingest_jobs{status="pending"} 0.0
"""

OPERATOR_EXAMPLES = {
    "GET /api/ingest/jobs": Example(
        f'{AS_ADMIN} "$U/api/ingest/jobs?status=failed&limit=1"',
        {
            "success": True,
            "jobs": [CANCELLED],
            "nextCursor": "MTc5NTUzMDI4MzUwOC5qb2Jfbnh1bHl5emM2NG5vaDRpaGxzaWJzejRw",
        },
    ),
    "GET /api/admin/jobs/{jobId}": Example(f"{AS_ADMIN} $U/api/admin/jobs/$ID", HISTORY),
    "GET /api/admin/history": Example(
        f'{AS_ADMIN} "$U/api/admin/history?hours=1"',
        {"success": True, "hours": 1, "stepSeconds": 60, "points": [POINT]},
    ),
    "GET /api/admin/queue": Example(f"{AS_ADMIN} $U/api/admin/queue", STATISTICS),
    "POST /api/admin/queue": Example(
        f"{AS_ADMIN} --json '$BODY' $U/api/admin/queue",
        OUTCOME,
        sends=COMMAND,
    ),
    "GET /api/admin/events": Example(f"{AS_ADMIN} -N $U/api/admin/events", NEWS, content_type=EVENTS),
    "GET /api/admin/audit": Example(f'{AS_ADMIN} "$U/api/admin/audit?limit=1"', AUDIT),
    "GET /api/cron/process-jobs": Example(f"{AS_CRON} $U/api/cron/process-jobs", REPORT),
    "POST /api/cron/process-jobs": Example(f"{AS_CRON} -X POST $U/api/cron/process-jobs", REPORT),
    "GET /metrics": Example('curl -H "Authorization: Bearer $METRICS_TOKEN" $U/metrics', METRICS, content_type=TEXT),
    "GET /healthz": Example("curl $U/healthz", {"status": "ok"}),
    "GET /readyz": Example("curl $U/readyz", {"status": "ok", "checks": {"redis": "ok", "storage": "ok"}}),
    "GET /openapi.json": Example("curl $U/openapi.json", {"openapi": "3.1.0"}),
    "POST /": Example("curl -i -F file=@notes.md $U/", f"HTTP/1.1 303 SEE OTHER\nLocation: /jobs/{A_JOB}", 303, HTML),
    "POST /admin/login": Example(
        'curl -i -d "token=$ADMIN_TOKEN" $U/admin/login',
        "HTTP/1.1 303 SEE OTHER\nLocation: /admin\nSet-Cookie: ingest_admin=...; HttpOnly; Path=/; SameSite=Strict",
        303,
        HTML,
    ),
}
