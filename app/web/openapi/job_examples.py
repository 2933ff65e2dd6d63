"""Examples of the addresses of one job; see `examples`, which joins them to the others."""

from __future__ import annotations

from typing import Any

from app.errors import CATALOGUE
from app.web.openapi.parts import A_JOB
from app.web.openapi.shapes import EVENTS, ZIP, Example

ANOTHER = "job_rks3jjb2x83qrunavh8huf5p"
A_SHA256 = "f17a09195e3f9e1bb1e1b7d9c8a2c9e56a1a6c0f0d8c2b7e4d3f5a6b7c8d9e0f"
FILE = {"name": "script.pdf", "size": 24607, "type": "application/pdf"}
TEXT_URL = f"/api/ingest/result/{A_JOB}?format=text"
ACCEPTED = {
    "success": True,
    "jobId": A_JOB,
    "message": "File uploaded successfully and queued for processing",
    "estimatedProcessingTime": "a few seconds",
    "statusUrl": f"/api/ingest/status/{A_JOB}",
    "eventsUrl": f"/api/ingest/events/{A_JOB}",
    "resultUrl": f"/api/ingest/result/{A_JOB}",
    "status": "pending",
    "estimatedSeconds": 1,
}
SUMMARY: dict[str, Any] = {
    "pages": 4,
    "words": 2603,
    "characters": 14471,
    "title": None,
    "author": None,
    "preview": "Hello, here is some text without a meaning.",
    "warnings": [],
    "engine": "pdfium",
    "durationMs": 334,
    "sha256": A_SHA256,
    "textUrl": TEXT_URL,
}


def progress(step: str, percentage: int, details: str, done: int, total: int | None) -> dict[str, Any]:
    return {
        "currentStep": step,
        "percentage": percentage,
        "details": details,
        "pagesDone": done,
        "pagesTotal": total,
    }


def status(state: str, version: int, shown: dict[str, Any], **more: Any) -> dict[str, Any]:
    began, ended = state != "pending", state in ("completed", "failed")
    return {
        "success": True,
        "jobId": A_JOB,
        "status": state,
        "progress": shown,
        "file": FILE,
        "timestamps": {
            "createdAt": "2026-11-24T16:31:23.508Z",
            "startedAt": "2026-11-24T16:31:23.531Z" if began else None,
            "completedAt": "2026-11-24T16:31:23.866Z" if ended else None,
            "updatedAt": "2026-11-24T16:31:23.866Z",
        },
        "priority": "medium",
        "userId": None,
        "attempt": 1,
        "maxAttempts": 4,
        "losses": 0,
        "nextRetryAt": None,
        "version": version,
        **more,
    }


def error(code: str) -> dict[str, Any]:
    entry = CATALOGUE[code]
    return {
        "type": entry.type,
        "code": code,
        "message": entry.message,
        "suggestion": entry.suggestion,
        "retryable": False,
        "retryCount": 0,
    }


COMPLETED = status("completed", 3, progress("Completed", 100, "The text is ready", 4, 4), result=SUMMARY)
CANCELLED = status("failed", 2, progress("Failed", 0, "The job was cancelled.", 0, None), error=error("cancelled"))
WAITING = {"reason": "behind_jobs", "jobsAhead": 2, "estimatedSeconds": 4}
PENDING = status("pending", 3, progress("Queued", 0, "Waiting for a worker", 0, None), waiting=WAITING)
STREAM = f"""retry:2000

event:status
data:{{"success":true,"jobId":"{A_JOB}","status":"processing","progress":{{"currentStep":"Processing file", ...}}, ...}}
id:fdd10d96dab7.6
"""
STREAM_OF_SEVERAL = f"""retry:2000

event:status
data:{{"success":true,"jobId":"{A_JOB}","status":"completed", ...}}
id:ae1c7e88b1bf.3-0

event:gone
data:{{"jobId":"{ANOTHER}"}}
id:ae1c7e88b1bf.3-X
"""
RESULT = {
    "success": True,
    "jobId": A_JOB,
    "file": FILE,
    "pageCount": 4,
    **{name: value for name, value in SUMMARY.items() if name != "pages"},
    "metadata": {"producer": "LaTeX"},
    "pages": [{"number": 2, "text": "The second page."}],
}

JOB_EXAMPLES = {
    "POST /api/ingest/start": Example(
        "curl -F file=@script.pdf -F priority=high -F userId=user123 -H 'Idempotency-Key: upload-0001' $U/api/ingest/start",
        ACCEPTED,
        status=202,
    ),
    "PUT /api/ingest/start/{filename}": Example(
        'curl -T script.pdf "$U/api/ingest/start/?priority=low"', ACCEPTED, status=202
    ),
    "POST /api/ingest": Example(
        "curl -F file=@script.pdf $U/api/ingest",
        {"success": True, "jobId": A_JOB, "status": "completed", "result": SUMMARY, "text": "Hello, here is ..."},
    ),
    "GET /api/ingest/status/{jobId}": Example("curl $U/api/ingest/status/$ID", COMPLETED),
    "GET /api/ingest/events/{jobId}": Example("curl -N $U/api/ingest/events/$ID", STREAM, content_type=EVENTS),
    "GET /api/ingest/events": Example(
        f'curl -N "$U/api/ingest/events?jobs=$ID,{ANOTHER}"', STREAM_OF_SEVERAL, content_type=EVENTS
    ),
    "GET /api/ingest/results": Example(
        f'curl -OJ "$U/api/ingest/results?jobs=$ID,{ANOTHER}&format=markdown"', "", content_type=ZIP
    ),
    "GET /api/ingest/result/{jobId}": Example('curl "$U/api/ingest/result/$ID?page=2"', RESULT),
    "POST /api/ingest/cancel/{jobId}": Example("curl -X POST $U/api/ingest/cancel/$ID", CANCELLED),
    "POST /api/ingest/retry/{jobId}": Example("curl -X POST $U/api/ingest/retry/$ID", PENDING),
    "DELETE /api/ingest/jobs/{jobId}": Example("curl -X DELETE $U/api/ingest/jobs/$ID", None, status=204),
}
