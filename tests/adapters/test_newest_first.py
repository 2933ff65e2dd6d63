import pytest

from app.adapters import newest_first
from app.adapters.newest_first import NewestFirst
from app.domain.job import Priority
from tests.jobs_in_states import completed, pending


@pytest.fixture
def rows(redis):
    def listed(*places, after=None, first=2, all_wanted=False):
        return [job_id for _, job_id in NewestFirst(redis).rows(places, after, first=first, all_wanted=all_wanted)]

    return listed


@pytest.mark.parametrize("first", [1, 2, 7])
def test_jobs_of_one_millisecond_are_each_told_once_however_few_are_read(services, rows, clock, monkeypatch, first):
    monkeypatch.setattr(newest_first, "SLICE", 4)
    made = sorted((pending(services).id for _ in range(15)), reverse=True)
    older = pending(services, now=clock() - 1).id
    assert rows("pending", first=first) == [*made, older]
    for n, job_id in enumerate(made):
        assert rows("pending", after=(clock(), job_id), first=first) == [*made[n + 1 :], older]


def test_none_of_one_millisecond_is_left_out_when_one_before_it_goes(services, redis, clock, monkeypatch):
    monkeypatch.setattr(newest_first, "SLICE", 4)
    made = sorted(((clock(), pending(services).id) for _ in range(15)), reverse=True)
    lists, look = NewestFirst(redis), NewestFirst._next_part

    def one_goes(*args, **options):
        services.jobs.bury(made[0][1])
        return look(lists, *args, **options)

    monkeypatch.setattr(lists, "_next_part", one_goes)
    assert list(lists.rows(["pending"], made[3], first=4)) == made[4:]


def test_a_set_that_is_not_by_creation_is_sorted_where_it_is_small(services, rows, clock):
    done = [completed(services, now=clock() + n, ended=clock() + 900 - n).id for n in range(3)]
    for n in range(9):
        pending(services, now=clock() + 100 + n)
    assert rows("ended:completed", all_wanted=True) == done[::-1]


def test_a_large_one_is_found_among_all_jobs_of_which_the_others_are_passed_over(services, rows, clock, monkeypatch):
    monkeypatch.setattr(newest_first, "SLICE", 4)
    done = [completed(services, now=clock() + n, ended=clock() + 900 - n).id for n in range(9)]
    others = [pending(services, now=clock() + 100 + n).id for n in range(12)]
    found = rows("ended:completed", all_wanted=True)
    assert [job_id for job_id in found if job_id in done] == done[::-1]
    assert 1 <= sum(job_id in others for job_id in found) <= 4  # one of a slice, to go on from
    assert rows("ended:completed") == done[::-1]  # few of them may be wanted: then it is sorted


@pytest.mark.parametrize("behind", [0, 1, 20])
def test_a_long_line_of_waiting_jobs_is_passed_over_by_halves(services, rows, redis, clock, monkeypatch, behind):
    monkeypatch.setattr(newest_first, "SLICE", 4)
    monkeypatch.setattr(newest_first, "SMALL_SET", 0)
    for n in range(behind):
        pending(services, now=clock() - 100 + n)
    done = [completed(services, now=clock() + n, priority=Priority.LOW).id for n in range(9)]
    for n in range(60):
        pending(services, now=clock() + 100 + n)
    found = rows("ended:completed", all_wanted=True)
    assert [job_id for job_id in found if job_id in done] == done[::-1]
    assert len(found) - len(done) <= 4


@pytest.fixture
def meanwhile(redis, monkeypatch):
    """What happens before the first look at the middle of the waiting."""

    def set_up(happens):
        look = redis.zrange

        def looked(*args, **options):
            monkeypatch.setattr(redis, "zrange", look)
            happens()
            return look(*args, **options)

        monkeypatch.setattr(redis, "zrange", looked)
        monkeypatch.setattr(newest_first, "SLICE", 4)
        monkeypatch.setattr(newest_first, "SMALL_SET", 0)

    return set_up


def test_no_job_is_passed_over_when_a_newer_one_goes_meanwhile(services, rows, clock, meanwhile):
    newest, wanted = (completed(services, now=clock() + at, priority=Priority.LOW).id for at in (100, 50))
    for n in (*range(9), *range(60, 69)):
        pending(services, now=clock() + n)
    meanwhile(lambda: services.jobs.bury(newest))
    assert wanted in rows("ended:completed", all_wanted=True)


def test_jobs_that_come_meanwhile_do_not_lead_back(services, redis, clock, meanwhile):
    wanted = completed(services, now=clock() + 50, priority=Priority.LOW)
    for n in (*range(9), *range(60, 69)):
        pending(services, now=clock() + n)
    meanwhile(lambda: [pending(services, now=clock() + 100 + n) for n in range(20)])
    found = list(NewestFirst(redis).rows(["ended:completed"], None, first=2, all_wanted=True))
    assert found == sorted(set(found), reverse=True)
    assert (wanted.created_at, wanted.id) in found


def test_several_sets_are_one_list(services, rows, clock):
    done = [completed(services, now=clock() + 2 * n).id for n in range(3)]
    waits = [pending(services, now=clock() + 2 * n + 1).id for n in range(3)]
    expected = [job_id for pair in zip(done, waits, strict=True) for job_id in pair][::-1]
    assert rows("pending", "ended:completed", "failed:poison") == expected
