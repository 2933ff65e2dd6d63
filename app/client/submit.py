"""`./run submit`: sends files to a running instance, eight at a time, and draws how far each has come."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from clients.python.ingest_client import Client, IngestError
from clients.python.ingest_client.documents import Priority

AT_ONCE = 8
Document = dict[str, Any]
#: Codes that say that no instance of this service is there.
NOBODYS = ("unreachable", "not_this_service")
#: How long a server may be away, for a restart, before its jobs are no longer followed.
PATIENCE_SECONDS = 60.0
ALL_READ, SOME_FAILED, NOBODY_THERE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True)
class Submission:
    """What all files of one call share."""

    client: Client
    progress: Progress
    priority: Priority
    user: str | None


def submit_all(files: Sequence[Path], *, url: str, priority: str, user: str | None, as_json: bool) -> int:
    """Send every file and wait for all of them; the exit status."""
    console = Console(file=sys.stdout, highlight=False)
    progress = _progress(console, shown=console.is_terminal and not as_json)
    try:
        submission = Submission(Client(url, patience=PATIENCE_SECONDS), progress, cast(Priority, priority), user)
        with progress, ThreadPoolExecutor(AT_ONCE) as pool:
            ends = list(pool.map(lambda path: _reported(submission, path, as_json=as_json), files))
    except KeyboardInterrupt:
        sys.stderr.write("No longer watching; what was accepted goes on.\n")
        sys.stderr.flush()
        os._exit(INTERRUPTED)  # the threads wait for the server
    except IngestError as reason:
        sys.stderr.write(f"{reason.message}\n")
        return NOBODY_THERE
    if NOBODY_THERE in ends:
        return NOBODY_THERE
    return SOME_FAILED if SOME_FAILED in ends else ALL_READ


def _progress(console: Console, *, shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.fields[file]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=not shown,
    )


def _reported(submission: Submission, path: Path, *, as_json: bool) -> int:
    """One file to its end, and one line about it."""
    task = submission.progress.add_task("waiting", file=_short(path.name), total=100)
    end, status = _end(submission, path, task)
    submission.progress.update(task, visible=False)
    line = json.dumps({"path": str(path), **end}) if as_json else _line(path, end, submission.client.url)
    submission.progress.console.print(line, markup=False, soft_wrap=True)
    return status


def _end(submission: Submission, path: Path, task: TaskID) -> tuple[Document, int]:
    try:
        end = _sent_and_followed(submission, path, task)
    except IngestError as error:
        if error.code in NOBODYS:
            return {"success": False, "status": "unknown", "error": {"message": error.message}}, NOBODY_THERE
        return {"success": False, "status": "failed", "error": error.error}, SOME_FAILED
    except OSError as error:
        message = error.strerror or str(error)
        return {"success": False, "status": "unknown", "error": {"message": message}}, NOBODY_THERE
    return end, ALL_READ if end.get("status") == "completed" else SOME_FAILED


def _sent_and_followed(submission: Submission, path: Path, task: TaskID) -> Document:
    progress = submission.progress
    progress.update(task, description="uploading", total=max(path.stat().st_size, 1))
    accepted = submission.client.upload(
        path,
        priority=submission.priority,
        user_id=submission.user,
        progress=lambda sent, size: progress.update(task, completed=sent, total=size),
    )
    progress.update(task, description="accepted", total=100, completed=0)
    document: Document = {**accepted}
    for seen in submission.client.follow(accepted["jobId"]):
        document = {**seen}
        state = document.get("progress") or {}
        progress.update(task, description=_phase(document), completed=state.get("percentage", 0))
    return document


def _phase(document: Document) -> str:
    state = document.get("progress") or {}
    if document.get("status") == "processing" and state.get("pagesTotal"):
        return f"page {state.get('pagesDone', 0)} of {state['pagesTotal']}"
    return str(document.get("status", ""))


def _line(path: Path, end: Document, url: str) -> str:
    if end.get("status") == "completed":
        result = end.get("result") or {}
        counts = ", ".join(_counted(result.get(noun, 0), noun) for noun in ("pages", "words"))
        return f"done    {path}: {counts}, {url}{result.get('textUrl', '')}"
    error = end.get("error") or {}
    return f"failed  {path}: {error.get('message', '')} {error.get('suggestion', '')}".rstrip()


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun.removesuffix('s') if number == 1 else noun}"


def _short(name: str, width: int = 32) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
