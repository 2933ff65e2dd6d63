"""The load of the soak: clients that upload, repeat, cancel, retry, delete and watch, and remember what they were told.

Each client has a seed of its own. What goes wrong on the way (a cut connection, a 503) is what the soak brings about: a
client repeats what it must and complains only of what must never be, in `wrong`.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.samples import made_pdf
from tests.processes import Answer, Client, Stream
from tests.samples.make_samples import damaged_pdf, docx, locked_pdf, paragraph

CLIENTS, WATCHERS = 10, 4
PRIORITIES = ("urgent", "high", "medium", "low")
#: How long an answer is waited for (seconds): longer than the service itself waits for its neighbours.
ANSWER_SECONDS = 20.0
AGAIN_SECONDS = 0.1
#: A key whose first upload may still be running is asked for again after that (seconds).
RUNNING_SECONDS = 3.0
AWAY = (OSError, http.client.HTTPException)


@dataclass
class Told:
    """What clients know of the service's answers. `texts` is what must be read of a job, where that is known."""

    accepted: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@dataclass
class _Upload:
    """One file on its way; `text` is what has to be read of it, where that is known."""

    path: str
    data: bytes
    key: str | None
    text: str | None
    not_before: float = 0.0


class Load:
    """Uploads until `jobs` are accepted, never more ahead of the faults than `allowed` says."""

    def __init__(self, port: int, *, jobs: int, seed: int) -> None:
        self.jobs, self._port = jobs, port
        self.told = Told()
        self.allowed = 0
        self._lock = threading.Condition()
        self._to_watch: list[str] = []
        self._over = threading.Event()
        self._files = _Files()
        senders = [threading.Thread(target=self._send, args=(n, random.Random(f"{seed} {n}"))) for n in range(CLIENTS)]
        watchers = [threading.Thread(target=self._watch_all) for _ in range(WATCHERS)]
        self._senders, self._threads = senders, [*senders, *watchers]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, jobs: int) -> None:
        with self._lock:
            self.allowed = max(self.allowed, jobs)
            self._lock.notify_all()

    @property
    def accepted(self) -> int:
        return len(self.told.accepted)

    @property
    def is_sent(self) -> bool:
        return not any(thread.is_alive() for thread in self._senders)

    def hurry(self) -> None:
        """What is accepted by now is enough."""
        with self._lock:
            self.jobs = min(self.jobs, self.accepted)
            self._lock.notify_all()

    def finish(self) -> None:
        """Comes back when all clients have ended what they had begun; a watcher sees no more of jobs that are over."""
        self._over.set()
        with self._lock:
            self._lock.notify_all()
        for thread in self._threads:
            thread.join()

    # ---- a client ---------------------------------------------------------------------------------------------

    def _send(self, number: int, chance: random.Random) -> None:
        client, count = Client(self._port), 0
        mine, later = list[str](), list[_Upload]()
        while self._may_go_on() or (later and not self._over.is_set()):
            if later and (later[0].not_before < time.monotonic() or self.accepted >= self.jobs):
                upload = later.pop(0)
            else:
                count += 1
                upload = self._files.choose(chance, f"{number}-{count}")
            job_id = self._upload(client, upload, later)
            if job_id is None:
                continue
            mine.append(job_id)
            if chance.random() < 0.1:
                self._repeat(client, upload, job_id)
            if chance.random() < 0.08:
                with self._lock:
                    self._to_watch.append(job_id)
            if chance.random() < 0.08:
                self._interfere(client, chance, mine[chance.randrange(max(0, len(mine) - 20), len(mine))])

    def _may_go_on(self) -> bool:
        with self._lock:
            while self.accepted >= self.allowed and self.accepted < self.jobs and not self._over.is_set():
                self._lock.wait(1)
            return self.accepted < self.jobs and not self._over.is_set()

    def _upload(self, client: Client, upload: _Upload, later: list[_Upload]) -> str | None:
        """One file, until it is accepted; without a key a lost answer may have left a job that nobody knows of. Where
        a forerunner may still be at it under the same key, it is tried `later`."""
        answer = self._insist(client, upload)
        if answer is None or answer.status == 409:
            if answer:
                upload.not_before = time.monotonic() + RUNNING_SECONDS
                later.append(upload)
                self._over.wait(AGAIN_SECONDS)
            return None
        job_id = str(answer.document["jobId"])
        with self._lock:
            self.told.accepted.add(job_id)
            if upload.text is not None:
                self.told.texts[job_id] = upload.text
        return job_id

    def _repeat(self, client: Client, upload: _Upload, job_id: str) -> None:
        """As if the answer had been lost: the same key has to give the same job."""
        answer = self._insist(client, upload) if upload.key else None
        if answer is not None:
            self.told.counts["repeats"] += 1
            if answer.status != 202 or answer.document["jobId"] != job_id:
                self._complain(f"{upload.key} gave {job_id}, and then {answer.status} {answer.body[:200]!r}")

    def _insist(self, client: Client, upload: _Upload) -> Answer | None:
        """The answer that is no outage; None when it was refused for good, or the soak ends before."""
        headers = {"Idempotency-Key": upload.key} if upload.key else {}
        while not self._over.is_set():
            with contextlib.suppress(*AWAY):
                answer = client.ask("PUT", upload.path, upload.data, headers=headers, seconds=ANSWER_SECONDS)
                if answer.status not in (202, 409, 503):
                    self._complain(f"an upload was answered with {answer.status}: {answer.body[:300]!r}")
                    return None
                if answer.status != 202:
                    self.told.counts[f"refused: {answer.code}"] += 1
                if answer.status != 503:
                    return answer
            self._over.wait(AGAIN_SECONDS)
        return None

    def _interfere(self, client: Client, chance: random.Random, job_id: str) -> None:
        method, path, fine = chance.choice(
            [
                ("POST", f"/api/ingest/cancel/{job_id}", {200, 404, 409}),
                ("POST", f"/api/ingest/retry/{job_id}", {200, 404, 409}),
                ("DELETE", f"/api/ingest/jobs/{job_id}", {204, 404}),
            ]
        )
        if method == "DELETE":  # from now on it may be gone, whatever is answered
            with self._lock:
                self.told.deleted.add(job_id)
        while not self._over.is_set():
            with contextlib.suppress(*AWAY):
                answer = client.ask(method, path, b"", seconds=ANSWER_SECONDS)
                if answer.status in fine:
                    self.told.counts[path.split("/")[3] if method == "POST" else "delete"] += 1
                    return
                if answer.status != 503:
                    self._complain(f"{method} {path} was answered with {answer.status}: {answer.body[:300]!r}")
                    return
            self._over.wait(AGAIN_SECONDS)

    def _complain(self, what: str) -> None:
        with self._lock:
            self.told.wrong.append(what)

    # ---- a watcher --------------------------------------------------------------------------------------------

    def _watch_all(self) -> None:
        while not (self._over.is_set() and not self._to_watch):
            with self._lock:
                job_id = self._to_watch.pop(0) if self._to_watch else None
            if job_id is None:
                self._over.wait(0.05)
            else:
                self._watch(job_id)

    def _watch(self, job_id: str) -> None:
        """One job to its end, over as many streams as it takes."""
        view, last_id, give_up = View(), "", time.monotonic() + 120
        while time.monotonic() < give_up and not (self._over.is_set() and view.seen):
            with contextlib.suppress(*AWAY):
                stream = Stream(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30), job_id, last_id)
                with stream:
                    if stream.status in (204, 404):
                        break
                    for name, document in stream.events():
                        last_id = stream.last_id
                        if name == "status" and (what := view.takes(document)):
                            self._complain(f"I7 {job_id}: {what}")
            self.told.counts["streams"] += 1
            self._over.wait(AGAIN_SECONDS)
        self.told.counts["watched"] += 1


@dataclass
class View:
    """What one watcher has seen of a job; it never goes back (invariant I7)."""

    seen: list[tuple[int, str, int]] = field(default_factory=list)

    def takes(self, document: dict[str, Any]) -> str | None:
        """What is wrong with that document after those before, or None."""
        now = (int(document["version"]), str(document["status"]), int(document["progress"]["percentage"]))
        before = self.seen[-1] if self.seen else None
        self.seen.append(now)
        if before is None:
            return None
        if now[0] != before[0] + 1 and now != before:
            return f"version {now[0]} came after {before[0]}"
        if now[2] < before[2] and before[1] != "failed":
            return f"{now[2]} % came after {before[2]} % ({before[1]}, {now[1]})"
        return None


# ---- what is uploaded -----------------------------------------------------------------------------------------------


class _Files:
    """Small texts for the most part, then documents, broken ones, and a few that take their reader a while."""

    def __init__(self) -> None:
        self._long = [made_pdf(pages, seed=pages) for pages in (250, 400, 600)]
        self._fixed = {
            "short.pdf": made_pdf(2),
            "letter.docx": docx(paragraph("A letter")),
            "damaged.pdf": damaged_pdf(),
            "locked.pdf": locked_pdf(),
        }

    def choose(self, chance: random.Random, name: str) -> _Upload:
        key = f"key-{name}" if chance.random() < 0.6 else None
        kind, text = chance.random(), None
        if kind < 0.06:
            filename, data = f"{name}-long.pdf", chance.choice(self._long)
        elif kind < 0.15:
            fixed = chance.choice(sorted(self._fixed))
            filename, data = f"{name}-{fixed}", self._fixed[fixed]
        else:
            text = f"file {name} {'of a few words ' * chance.randrange(1, 200)}".strip()
            filename, data = f"{name}.txt", text.encode()
        path = f"/api/ingest/start/{filename}?priority={chance.choices(PRIORITIES, (1, 2, 5, 2))[0]}"
        return _Upload(path, data, key, text)
