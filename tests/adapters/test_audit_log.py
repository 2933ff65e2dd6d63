import pytest

from app.adapters import audit_log
from app.adapters.audit_log import AuditEntry, AuditLog
from app.errors import ValidationFailed


@pytest.fixture
def audit(redis):
    return AuditLog(redis)


def entry(number, **changes):
    given = {"at": 1000 + number, "before": 900, "who": "token 127.0.0.1", "action": "retry", "target": "status failed"}
    return AuditEntry(operation=f"{number:016x}", **{**given, **changes})


def test_a_line_is_there_before_anything_was_done(audit):
    audit.begin(entry(1))
    assert audit.find(entry(1).operation) == entry(1)
    assert audit.page(limit=5) == ([entry(1)], None)


def test_slices_add_to_one_line(audit):
    audit.begin(entry(1))
    audit.add(entry(1).operation, affected=3, failed=0)
    audit.add(entry(1).operation, affected=2, failed=1)
    assert audit.page(limit=5)[0] == [entry(1, affected=5, failed=1)]


def test_pages_are_newest_first_and_hold_each_line_once(audit):
    for number in range(5):
        audit.begin(entry(number, at=7))
    first, cursor = audit.page(limit=2)
    audit.begin(entry(9))
    second, cursor = audit.page(limit=2, cursor=cursor)
    third, end = audit.page(limit=2, cursor=cursor)
    assert [line.operation[-1] for line in [*first, *second, *third]] == list("43210")
    assert end is None


def test_only_the_newest_are_kept_and_an_old_slice_brings_none_back(audit, redis, monkeypatch):
    monkeypatch.setattr(audit_log, "KEPT", 3)
    for number in range(5):
        audit.begin(entry(number))
    audit.add(entry(0).operation, affected=1, failed=0)
    assert [line.operation[-1] for line in audit.page(limit=9)[0]] == list("432")
    assert audit.find(entry(0).operation) is None
    assert len(redis.keys("ingest:audit:*")) == 3 + 1  # and the counter that numbers them


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "", "9" * 16, "²"])
def test_a_cursor_that_is_none_of_ours_is_refused(audit, cursor):
    with pytest.raises(ValidationFailed) as refused:
        audit.page(limit=5, cursor=cursor)
    assert refused.value.field == "cursor"
