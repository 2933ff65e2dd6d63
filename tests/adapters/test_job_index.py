import pytest

from app.adapters import job_index
from app.adapters.job_index import JobFilter
from app.domain.job import JobStatus, Priority
from app.errors import ValidationFailed
from app.ingestion.cancel import cancel
from tests.jobs_in_states import completed, failed, pending, processing, retrying


def ids(jobs):
    return [job.id for job in jobs]


def all_pages(index, wanted, *, limit):
    pages, cursor = [], None
    while True:
        jobs, cursor = index.page(wanted, limit=limit, cursor=cursor)
        pages.append(ids(jobs))
        if cursor is None:
            return pages


def test_counts_add_up_over_all_states(services):
    completed(services)
    failed(services)
    retrying(services)
    processing(services)
    cancel(services, pending(services).id)
    pending(services)
    counts = services.index.counts()
    assert (counts.total, counts.pending, counts.processing, counts.retrying) == (6, 1, 1, 1)
    assert (counts.completed, counts.failed, counts.cancelled) == (1, 2, 1)


def test_the_last_processed_is_the_last_that_ended(services, clock):
    assert services.index.counts().last_processed_at is None
    completed(services, ended=clock() + 5)
    failed(services, ended=clock() + 9)
    assert services.index.counts().last_processed_at == clock() + 9


def test_depths_tell_how_long_the_front_waits(services, clock):
    pending(services, now=clock() - 9000, priority=Priority.HIGH)
    pending(services, now=clock() - 1000, priority=Priority.HIGH)
    services.jobs.pause(Priority.LOW)
    depths = services.index.depths()
    assert (depths[Priority.HIGH].waiting, depths[Priority.HIGH].oldest_since) == (2, clock() - 9000)
    assert (depths[Priority.LOW].waiting, depths[Priority.LOW].oldest_since, depths[Priority.LOW].paused) == (
        0,
        None,
        True,
    )
    assert not depths[Priority.HIGH].paused


def test_a_job_retried_days_later_has_waited_since_then_only(services, clock):
    job = failed(services, now=clock() - 86_400_000, ended=clock() - 86_000_000)
    services.jobs.replace(job, job.retried(now=clock() - 50))
    assert services.index.depths()[Priority.MEDIUM].oldest_since == clock() - 50


def test_pages_are_newest_first_and_hold_each_job_once(services, clock):
    made = [pending(services, now=clock() + n).id for n in range(5)]
    assert all_pages(services.index, JobFilter(), limit=2) == [made[4:2:-1], made[2:0:-1], [made[0]]]


def test_jobs_of_the_same_millisecond_are_not_skipped(services, monkeypatch):
    monkeypatch.setattr(job_index, "SLICE", 3)
    made = {pending(services).id for _ in range(11)}
    pages = all_pages(services.index, JobFilter(), limit=2)
    assert sum(map(len, pages)) == 11
    assert {job_id for page in pages for job_id in page} == made


def test_a_new_job_does_not_shift_the_next_page(services, clock):
    made = [pending(services, now=clock() + n).id for n in range(4)]
    first, cursor = services.index.page(JobFilter(), limit=2)
    pending(services, now=clock() + 100)
    second, _ = services.index.page(JobFilter(), limit=2, cursor=cursor)
    assert ids(first) + ids(second) == made[::-1]


def test_a_cursor_goes_on_when_its_job_was_deleted(services, clock):
    made = [pending(services, now=clock() + n).id for n in range(3)]
    _, cursor = services.index.page(JobFilter(), limit=1)
    services.jobs.bury(made[2])
    assert ids(services.index.page(JobFilter(), limit=5, cursor=cursor)[0]) == [made[1], made[0]]


def test_a_search_that_finds_nothing_is_bounded_and_goes_on(services, clock, monkeypatch):
    monkeypatch.setattr(job_index, "SLICE", 2)
    monkeypatch.setattr(job_index, "MOST_LOOKED_AT", 4)
    wanted = pending(services, now=clock(), name="needle.txt")
    for n in range(1, 8):
        pending(services, now=clock() + n)
    assert all_pages(services.index, JobFilter(q="needle"), limit=10) == [[], [wanted.id]]


@pytest.mark.parametrize("small_set", [0, 5000])
def test_each_filter_leaves_the_others_out(services, clock, monkeypatch, small_set):
    monkeypatch.setattr(job_index, "SMALL_SET", small_set)
    broken = failed(services, now=clock(), user_id="ada", name="Übung.PDF")
    cancelled = cancel(services, pending(services, now=clock() + 1, priority=Priority.LOW).id)
    waiting = pending(services, now=clock() + 2, user_id="ada")
    found = {
        JobFilter(status=JobStatus.FAILED): [cancelled.id, broken.id],
        JobFilter(status=JobStatus.PENDING): [waiting.id],
        JobFilter(user_id="ada"): [waiting.id, broken.id],
        JobFilter(priority=Priority.LOW): [cancelled.id],
        JobFilter(code="corrupt_document"): [broken.id],
        JobFilter(code="cancelled"): [cancelled.id],
        JobFilter(q="übung.p"): [broken.id],
        JobFilter(user_id="ada", status=JobStatus.FAILED): [broken.id],
        JobFilter(before=clock() - 1): [],
    }
    for wanted, expected in found.items():
        assert ids(services.index.page(wanted)[0]) == expected, wanted
        assert ids(services.index.each(wanted)) == expected, wanted


def test_a_small_set_is_listed_by_creation_and_not_by_end(services, clock):
    first = failed(services, now=clock(), ended=clock() + 900)
    second = failed(services, now=clock() + 1, ended=clock() + 100)
    assert all_pages(services.index, JobFilter(status=JobStatus.FAILED), limit=1) == [[second.id], [first.id]]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "", "=", "é", "x" * 200, "MTIz", "LTEuam9iX2FhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ", "bmFuLngK", "\ud800"],
)
def test_a_cursor_that_is_none_of_ours_is_refused(services, cursor):
    with pytest.raises(ValidationFailed) as refused:
        services.index.page(JobFilter(), cursor=cursor)
    assert (refused.value.code, refused.value.field) == ("invalid_field", "cursor")


def test_performance_of_a_queue_that_did_nothing_yet(services, clock):
    performance = services.index.performance(clock())
    assert (performance.jobs_per_minute, performance.error_rate) == (0, 0.0)
    assert performance.run_seconds.p50 is None
    assert performance.wait_seconds.p95 is None


def test_performance_counts_failures_but_not_what_somebody_stopped(services, clock):
    completed(services)
    failed(services)
    cancel(services, pending(services).id)
    performance = services.index.performance(clock())
    assert performance.jobs_per_minute == 3
    assert performance.error_rate == 0.5


def test_run_and_wait_times_come_from_the_latest_runs(services, clock):
    for milliseconds in (100, 200, 300, 4000):
        completed(services, now=clock() - 500, ended=clock() + milliseconds)
    performance = services.index.performance(clock() + 5000)
    assert performance.run_seconds.p95 == 4.0
    assert performance.run_seconds.p50 == 0.3
    assert performance.wait_seconds.p50 == 0.5


def test_failures_are_counted_by_code(services):
    failed(services)
    failed(services)
    failed(services, code="encrypted_document")
    assert services.index.failures_by_code() == {"corrupt_document": 2, "encrypted_document": 1}
