import pytest

from app.adapters import job_index, newest_first
from app.adapters.job_index import JobFilter
from app.domain.job import JobStatus, Priority
from app.errors import ValidationFailed
from app.ingestion.cancel import cancel
from tests.jobs_in_states import failed, pending, retrying


def ids(jobs):
    return [job.id for job in jobs]


def all_pages(index, wanted, *, limit):
    pages, cursor = [], None
    while True:
        jobs, cursor = index.page(wanted, limit=limit, cursor=cursor)
        pages.append(ids(jobs))
        if cursor is None:
            return pages


def test_pages_are_newest_first_and_hold_each_job_once(services, clock):
    made = [pending(services, now=clock() + n).id for n in range(5)]
    assert all_pages(services.index, JobFilter(), limit=2) == [made[4:2:-1], made[2:0:-1], [made[0]]]


def test_jobs_of_the_same_millisecond_are_not_skipped(services, monkeypatch):
    monkeypatch.setattr(newest_first, "SLICE", 3)
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
    monkeypatch.setattr(newest_first, "SLICE", 2)
    monkeypatch.setattr(job_index, "MOST_LOOKED_AT", 4)
    wanted = pending(services, now=clock(), name="needle.txt")
    for n in range(1, 8):
        pending(services, now=clock() + n)
    assert all_pages(services.index, JobFilter(q="needle"), limit=10) == [[], [wanted.id]]


@pytest.fixture
def asked(monkeypatch):
    """How many records were fetched, each time."""
    fetch, numbers = job_index.records, []

    def noted(client, ids):
        numbers.append(len(ids))
        return fetch(client, ids)

    monkeypatch.setattr(job_index, "records", noted)
    return numbers


@pytest.mark.parametrize("wanted", [JobFilter(), JobFilter(JobStatus.FAILED), JobFilter(code="poison")])
def test_a_page_fetches_one_record_more_than_it_shows(services, clock, asked, wanted):
    for n in range(9):
        failed(services, now=clock() + n, code="poison")
    jobs, cursor = services.index.page(wanted, limit=3)
    assert (len(jobs), cursor is not None, asked) == (3, True, [4])


def test_where_little_matches_more_are_fetched_each_time(services, clock, asked, monkeypatch):
    monkeypatch.setattr(newest_first, "SLICE", 5)
    for n in range(16):
        pending(services, now=clock() + n, name="needle.txt" if n == 4 else "hay.txt")
    jobs, cursor = services.index.page(JobFilter(q="needle"), limit=1)
    assert (len(jobs), cursor is not None, asked) == (1, True, [2, 4, 5, 5])  # it was the last of its slice


@pytest.mark.parametrize("small_set", [0, 5000])
def test_each_filter_leaves_the_others_out(services, clock, monkeypatch, small_set):
    monkeypatch.setattr(newest_first, "SMALL_SET", small_set)
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
        JobFilter(JobStatus.FAILED, without_code="cancelled"): [broken.id],
        JobFilter(without_code="cancelled"): [waiting.id, broken.id],
        JobFilter(q="übung.p"): [broken.id],
        JobFilter(user_id="ada", status=JobStatus.FAILED): [broken.id],
        JobFilter(before=clock() - 1): [],
    }
    for wanted, expected in found.items():
        assert ids(services.index.page(wanted)[0]) == expected, wanted
        assert ids(services.index.each(wanted)) == expected, wanted
        assert services.index.size(wanted) in (None, len(expected))
    assert services.index.size(JobFilter(JobStatus.FAILED, without_code="cancelled")) == 1


def test_a_small_set_is_listed_by_creation_and_not_by_end(services, clock):
    first = failed(services, now=clock(), ended=clock() + 900)
    second = failed(services, now=clock() + 1, ended=clock() + 100)
    assert all_pages(services.index, JobFilter(status=JobStatus.FAILED), limit=1) == [[second.id], [first.id]]


@pytest.mark.parametrize("status", [None, JobStatus.FAILED])
def test_few_of_one_code_among_many_jobs_are_found_by_looking_at_them_alone(services, clock, monkeypatch, status):
    monkeypatch.setattr(newest_first, "SLICE", 2)
    monkeypatch.setattr(job_index, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(newest_first, "SMALL_SET", 2)
    old = [failed(services, now=clock() + n, code="poison").id for n in range(5)]
    for n in range(9):
        pending(services, now=clock() + 100 + n, priority=Priority.LOW)
    assert all_pages(services.index, JobFilter(status, code="poison"), limit=3) == [old[:1:-1], old[1::-1]]


def test_many_failed_jobs_are_found_without_looking_at_the_others(services, clock, monkeypatch):
    monkeypatch.setattr(newest_first, "SLICE", 2)
    monkeypatch.setattr(job_index, "MOST_LOOKED_AT", 4)
    monkeypatch.setattr(newest_first, "SMALL_SET", 2)
    codes = ("poison", "corrupt_document", "poison", "encrypted_document")
    old = [failed(services, now=clock() + n, code=code).id for n, code in enumerate(codes)]
    for n in range(9):
        pending(services, now=clock() + 100 + n, priority=Priority.LOW)
    assert all_pages(services.index, JobFilter(JobStatus.FAILED), limit=4) == [old[::-1]]


def test_a_code_means_jobs_that_are_tried_again_too(services, clock):
    trying = retrying(services, now=clock() + 1)
    others = [failed(services, now=clock() + n, code="poison").id for n in (0, 2)]
    ended = failed(services, now=clock() + 3)
    assert ids(services.index.each(JobFilter(code="job_timeout"))) == [trying.id]
    assert ids(services.index.each(JobFilter(JobStatus.FAILED, code="job_timeout"))) == []
    assert ids(services.index.each(JobFilter(code="poison"))) == others[::-1]
    assert ids(services.index.each(JobFilter())) == [ended.id, others[1], trying.id, others[0]]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "", "=", "é", "x" * 200, "MTIz", "LTEuam9iX2FhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ", "bmFuLngK", "\ud800"],
)
def test_a_cursor_that_is_none_of_ours_is_refused(services, cursor):
    with pytest.raises(ValidationFailed) as refused:
        services.index.page(JobFilter(), cursor=cursor)
    assert (refused.value.code, refused.value.field) == ("invalid_field", "cursor")
