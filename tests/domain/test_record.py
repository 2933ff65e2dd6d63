from app.domain.job import Priority
from app.domain.record import from_record, to_record
from tests.domain.test_job import T, claimed, pending, timed_out


def test_a_record_comes_back_as_the_same_job():
    moved = pending().reprioritized(Priority.LOW, now=T + 5)
    for job in (moved, pending(user_id="u"), claimed(), timed_out(claimed()), claimed().completed({"pages": 2}, now=T)):
        assert from_record(to_record(job)) == job


def test_members_of_a_later_version_are_ignored():
    assert from_record({**to_record(pending()), "colour": "blue"}) == pending()
    for job, part in ((claimed(), "file"), (claimed(), "claim"), (timed_out(claimed()), "failure")):
        record = to_record(job)
        assert from_record({**record, part: {**record[part], "colour": "blue"}}) == job


def test_a_stored_record_holds_nothing_that_lua_would_change():
    def empties(value):
        if isinstance(value, dict):
            return value == {} or any(map(empties, value.values()))
        return value is None or value == [] or isinstance(value, float)

    assert not empties(to_record(claimed()))
