"""A worker is killed in the middle of a job: how long until another one has it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from bench.installation import Installation, until
from bench.options import Options
from bench.report import Figure, Say, median, percentile
from bench.samples import made_pdf

#: Long enough that no job ends before its worker is killed.
PAGES = 4_000


def measure(options: Options, say: Say) -> list[Figure]:
    data = made_pdf(PAGES)
    times = []
    with Installation(options.where) as at:
        at.web()
        pids = {at.worker(), at.worker()}
        for _ in range(options.kills):
            job_id = at.submit(data, "application/pdf", name="long.pdf")
            until(_has_begun(at, job_id), "a first page", every=0.002)
            job = at.job(job_id)
            assert job.claim
            token, holder = job.claim.token, job.claim.holder
            killed = next(pid for pid in pids if f".{pid}." in holder)
            began = time.time()
            at.end(killed, signal.SIGKILL)
            until(_is_held_anew(at, job_id, token), "the rescue", seconds=40)
            started = at.job(job_id).started_at
            assert started
            times.append(started / 1000 - began)
            pids = {*pids - {killed}, at.worker()}
            until(_is_over(at, job_id), "the end of the job", every=0.02)
    return [
        Figure(
            "rescue: worker killed → processing again, p50", median(times), "s", at_most=3, note=f"{len(times)} kills"
        ),
        Figure("rescue: the same, p99", percentile(times, 0.99), "s", at_most=5, note=f"at most {max(times):.2f} s"),
    ]


def _has_begun(at: Installation, job_id: str) -> Callable[[], bool]:
    return lambda: at.job(job_id).progress.pages_done > 0


def _is_held_anew(at: Installation, job_id: str, token: str) -> Callable[[], bool]:
    def look() -> bool:
        claim = at.job(job_id).claim
        return claim is not None and claim.token != token

    return look


def _is_over(at: Installation, job_id: str) -> Callable[[], bool]:
    return lambda: at.job(job_id).status.is_final
