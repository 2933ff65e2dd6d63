"""The running service under altered files and malformed requests: no 500, nobody dies, every job ends with a name."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.domain.job import PRIORITIES
from app.errors import CATALOGUE
from app.web.openapi.routes import ROUTES
from tests.faults.fuzz.parsing import Tally, cases
from tests.faults.fuzz.requests import METHODS, Sent, request
from tests.processes import Deployment, children_of, eventually

#: What is looked at is that a file ends, so that what hangs is given little time and no second attempt.
LIMITS = {
    "JOB_TIMEOUT": "10",
    "MAX_RETRIES": "0",
    "SYNC_TIMEOUT": "1",
    "MAX_UPLOAD_BYTES": "1000000",
    "WEB_THREADS": "128",
}
#: How a file may be refused at the door.
REFUSALS = {413, 415, 422}
#: Nobody waits longer than that for an answer (seconds): uploads that say no more are cut after 30.
PATIENCE = 100.0
#: How much is read of an answer: streams have no end.
ENOUGH = 4_096
CLIENTS = 4
#: Whoever expects it is told first that the body is wanted.
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Served:
    """An installation with two workers, and who serves in it; leaving it looks whether they are still the same."""

    def __init__(self, folder: Path) -> None:
        self.at = Deployment(folder, LIMITS)
        self.tally = Tally()

    def __enter__(self) -> Served:
        web = self.at.web()
        self._workers = [self.at.worker(), self.at.worker()]
        self._web, self._serving = web, children_of(web.pid)
        self._names = self._alive()
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            if failure[0] is None:
                self._look()
        finally:
            with contextlib.redirect_stdout(io.StringIO()):  # all that its processes said
                self.at.stop()

    def _look(self) -> None:
        """After everything: who was there is still there, every job has ended, and a good file is read."""
        for priority in PRIORITIES:
            self.at.services.jobs.resume(priority)
        jobs = [self.at.client.upload(b"a good file", f"{number}.txt") for number in range(4)]
        statuses = [self.at.client.until(job_id, seconds=300)["status"] for job_id in jobs]
        eventually(self._all_ended, seconds=300, what="the end of every job")
        self._wrong(statuses != ["completed"] * 4, "a good file", f"{statuses}")
        alive = [self._web.is_alive, *(worker.is_alive for worker in self._workers)]
        self._wrong(not all(alive), "the processes", f"web and workers alive: {alive}")
        self._wrong(children_of(self._web.pid) != self._serving, "the web server", "its serving process was replaced")
        eventually(lambda: self._alive() == self._names, what="the same workers as before")
        said = "".join(process.says() for process in self.at.processes)
        for line in said.splitlines():
            self._wrong('"internal"' in line or "Traceback" in line, "a log", line[:2_000])

    def _alive(self) -> set[str]:
        return {worker.name for worker in self.at.services.workers.alive()}

    def _all_ended(self) -> bool:
        redis = self.at.redis
        return not any(redis.zcard(f"ingest:{place}") for place in ("pending", "retrying", "leases"))

    def _wrong(self, is_wrong: bool, where: str, what: str) -> None:
        if is_wrong:
            self.tally.violations.append((where, what))

    # ---- files ------------------------------------------------------------------------------------------------

    def send_files(self, files: Mapping[str, bytes], mutations: int, seed: int, *, most: int) -> None:
        """A sample of the cases that the parser had, each as an upload."""
        chosen = random.Random(seed).sample(range(len(files) * mutations), min(most, len(files) * mutations))
        wanted = set(chosen)
        jobs = {}
        for number, (case, name, data) in enumerate(cases(files, mutations, seed)):
            if number not in wanted:
                continue
            answer = self.at.client.send(data, name)
            if answer.status == 202:
                jobs[case] = answer.document["jobId"]
            else:
                self._wrong(answer.status not in REFUSALS, case, f"{answer.status} {answer.body[:200]!r}")
                self.tally.outcomes[f"{answer.status} {answer.code}"] += 1
        for case, job_id in jobs.items():
            ended = self.at.client.until(job_id, seconds=300)
            outcome = ended.get("error", {}).get("code", ended["status"])
            self.tally.outcomes[outcome] += 1
            self._wrong(outcome not in {*CATALOGUE, "completed"} - {"internal"}, case, outcome)
            self._wrong(ended["losses"] != 0, case, f"{ended['losses']} losses")

    # ---- requests ---------------------------------------------------------------------------------------------

    def send_requests(self, each: int, seed: int) -> None:
        """So many to every route by each of its methods, and a few by methods that it has not."""
        jobs = [self.at.client.upload(b"words %d" % number, "a.txt") for number in range(8)]
        for job_id in jobs:
            self.at.client.until(job_id)
        made = list(_requests(jobs, each, seed))
        with ThreadPoolExecutor(CLIENTS) as pool:
            for (case, _), (outcome, wrong) in zip(made, pool.map(self._asked, made), strict=True):
                self.tally.outcomes[outcome] += 1
                self._wrong(bool(wrong), case, f"{outcome}: {wrong}")

    def _asked(self, made: tuple[str, Sent]) -> tuple[str, str]:
        """The status, and what is wrong with it."""
        _, sent = made
        try:
            answer = _exchange(self.at.client.port, sent)
        except TimeoutError:
            return "none", f"no answer in {PATIENCE:g} s: {sent.data[:300]!r}"
        found = _STATUS.match(answer)
        if not found:
            return "closed", f"closed without an answer: {sent.data[:300]!r}" if sent.is_whole else ""
        status = int(found[1])
        return str(status), wrong_answer(status, answer, sent)


def _requests(jobs: list[str], each: int, seed: int) -> Iterator[tuple[str, Sent]]:
    for path, methods in _routes().items():
        for method in methods:
            for number in range(each):
                case = f"{seed}/{method} {path}/{number}"
                rng = random.Random(case)
                yield case, request(rng.choice(METHODS) if rng.random() < 0.1 else method, path, jobs, rng)


def _routes() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"/nowhere": ["GET", "POST"], "/admin/rq/": ["GET"], "/static/{filename}": ["GET"]}
    for route in ROUTES:
        found.setdefault(route.path, []).append(route.method.upper())
    return found


def _exchange(port: int, sent: Sent) -> bytes:
    """What comes back for these bytes, after which no more are sent; the beginning of it, of a stream."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        with contextlib.suppress(ConnectionError):  # refused before all was sent: the answer may be there
            connection.sendall(sent.data)
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while len(answer) < ENOUGH and (piece := connection.recv(ENOUGH)):
                answer = (answer + piece).removeprefix(GO_ON)
                if b"text/event-stream" in answer:
                    break
        return answer


def wrong_answer(status: int, answer: bytes, sent: Sent) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"Traceback" in body or b"/site-packages/" in body:
        return f"tells its inside: {body[:300]!r}"
    if status == 503 and b"application/" in head and not sent.data.startswith(b"HEAD"):
        return _wrong_problem(body)
    return f"{body[:300]!r} for {sent.data[:600]!r}" if status >= 500 and status != 503 else ""


def _wrong_problem(body: bytes) -> str:
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode())  # another answer may follow
        return "" if document["success"] is False else f"not a refusal: {body[:300]!r}"
    except (ValueError, KeyError, TypeError):
        return "" if body.startswith(b"{") and len(body) > ENOUGH // 2 else f"no problem document: {body[:300]!r}"


def told(outcomes: Counter[str]) -> Iterable[str]:
    return (f"{name} {count}" for name, count in outcomes.most_common())
