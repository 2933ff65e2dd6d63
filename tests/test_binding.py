import pytest

from app.errors import QueueUnavailable
from tests import jobs_in_states as jobs


def test_a_wiped_redis_beside_a_full_store_is_refused(services, redis):
    jobs.pending(services, with_bytes=True)
    redis.flushall()
    with pytest.raises(QueueUnavailable):
        services.binding()


def test_two_empty_neighbours_are_taken_into_use(services):
    assert services.binding() == services.blobs.installation() == services.jobs.installation()


def test_a_crash_between_the_two_notes_of_the_first_start_is_no_mismatch(services):
    services.blobs.set_installation("half-done")
    assert services.binding() == "half-done"
    services.redis.flushall()
    assert services.binding() == "half-done"
