from __future__ import annotations

import inspect

from rq import SimpleWorker
from rq.queue import Queue
from rq.registry import FailedJobRegistry

from app.adapters.job_queues import BATCH_QUEUE, IMBALANCE_MS, PROCESS_NEXT, Delivery, DeliveryQueue
from app.adapters.rq_worker import IngestWorker
from app.domain.job import Priority
from tests import jobs_in_states as jobs


def lengths(services):
    return {name: n for name, n in services.queues.depths().items() if n}


def settle(services, redis):
    """Two looks, the second when the difference has stood long enough (its note is made that much older)."""
    missing = services.queues.balance(Priority.MEDIUM)
    note = redis.hget("ingest:missed", "balance:medium")
    if note:
        since, _, least = note.decode().partition(":")
        redis.hset("ingest:missed", "balance:medium", f"{int(since) - IMBALANCE_MS}:{least}")
        missing = services.queues.balance(Priority.MEDIUM)
    return missing


def test_a_delivery_names_only_the_priority(services, redis):
    job = jobs.pending(services, name="secret.txt", user_id="ada")
    services.queues.deliver(job)
    [delivery_id] = redis.lrange("rq:queue:medium", 0, -1)
    delivery = Delivery.fetch(delivery_id.decode(), connection=redis)
    assert (delivery.func_name, tuple(delivery.args)) == (PROCESS_NEXT, ("medium",))
    assert delivery_id.decode().startswith(f"{job.id}-")
    assert b"secret" not in b"".join(redis.hgetall(f"rq:job:{delivery_id.decode()}").values())


def test_a_missing_delivery_is_counted_after_it_was_missed_for_a_while(services, redis):
    jobs.pending(services)
    assert services.queues.balance(Priority.MEDIUM) == 0
    assert settle(services, redis) == 1


def test_one_look_asks_for_no_more_deliveries_than_a_sweep_can_make(services, redis):
    redis.zadd("ingest:waiting:medium", {f"job_{number}": number for number in range(1_500)})
    services.queues.balance(Priority.MEDIUM)
    assert settle(services, redis) == 1_000


def test_what_is_surplus_for_a_while_is_trimmed_with_its_hash(services, redis):
    for _ in range(3):
        services.queues.notify(Priority.MEDIUM, "job_x")
    assert settle(services, redis) == 0
    assert lengths(services) == {}
    assert redis.keys("rq:job:*") == []


def test_a_difference_that_is_gone_at_the_next_look_is_forgotten(services, redis):
    job = jobs.pending(services)
    services.queues.balance(Priority.MEDIUM)
    services.queues.deliver(job)
    assert services.queues.balance(Priority.MEDIUM) == 0
    assert not redis.hexists("ingest:missed", "balance:medium")


def test_a_claim_without_a_delivery_takes_one_off_the_queue(services):
    services.queues.notify(Priority.LOW, "job_x")
    services.queues.take_one(Priority.LOW)
    services.queues.take_one(Priority.LOW)
    assert lengths(services) == {}


def test_a_failed_job_stands_in_rqs_registry_with_its_code_alone(services, redis):
    job = jobs.failed(services, name="secret.txt", code="corrupt_document")
    services.queues.note_failed(job, keep_seconds=60)
    queue = DeliveryQueue("medium", connection=redis)
    assert FailedJobRegistry(queue=queue).get_job_ids(cleanup=False) == [job.id]
    stored = Delivery.fetch(job.id, connection=redis)
    assert stored._exc_info == "corrupt_document"
    services.queues.forget_failed(job)
    assert FailedJobRegistry(queue=queue).get_job_ids(cleanup=False) == []


def test_the_batch_has_a_queue_of_its_own(services):
    assert BATCH_QUEUE in services.queues.depths()


def test_each_method_of_rq_that_is_overridden_takes_what_rq_gives_it():
    """On other versions of RQ an overridden method had another signature, and every longer job killed its worker."""
    pairs = [(IngestWorker, SimpleWorker, name) for name in vars(IngestWorker)] + [(DeliveryQueue, Queue, "lmove")]
    for ours, theirs, name in pairs:
        if name.startswith("__") or not callable(getattr(theirs, name, None)):
            continue
        expected = list(inspect.signature(getattr(theirs, name)).parameters)
        assert list(inspect.signature(getattr(ours, name)).parameters) == expected, name


def test_what_we_call_below_rqs_surface_is_there():
    assert list(inspect.signature(Queue.push_job_id).parameters) == ["self", "job_id", "pipeline", "at_front"]
    assert {"_exc_info", "_status"} <= vars(Delivery("x", connection=object())).keys()
