"""Several sorted sets of jobs as one list, newest first by creation. Of each no more is read than is asked for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import redis

from app.adapters.redis_client import PREFIX, translated

#: How many are read at once, at most (more only where more than that were created in one millisecond).
SLICE = 200
#: A set that is not by creation is sorted where it holds at most that many, so that few among a million are found at once.
SMALL_SET = 5_000
#: The set of all jobs.
ALL = "jobs"
_PENDING = "pending"

#: A place in the list, newest first: creation (ms) and id of the last job that was looked at.
Position = tuple[int, str]
#: What was read of a set, and whether that was all of it.
_Part = tuple[list[Position], bool]


class NewestFirst:
    """All methods raise QueueUnavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def rows(
        self, places: Sequence[str], after: Position | None, *, first: int = SLICE, all_wanted: bool = False
    ) -> Iterator[Position]:
        """What stands in those sets after a position, and a few others. Of each set `first` are read at once, and more
        each time that those were not enough. `all_wanted`: whoever asks takes whatever stands in them."""
        first = min(first, SLICE)
        others = [place for place in places if not _is_by_creation(place)]
        if not all(self._is_worth_sorting(place, first if all_wanted else None) for place in others):
            return self._found_among_all(places, after, first)
        by_creation = [place for place in places if place not in others]
        return self._merged(by_creation, [self._sorted(place, after) for place in others], after, first)

    def _merged(
        self, by_creation: Sequence[str], others: Sequence[list[Position]], after: Position | None, first: int
    ) -> Iterator[Position]:
        begun = zip(by_creation, self._firsts(by_creation, after, first), strict=True)
        streams = [self._continued(place, part, first) for place, part in begun]
        return _each_once(heapq.merge(*streams, *others, reverse=True))

    def _found_among_all(self, places: Sequence[str], after: Position | None, first: int) -> Iterator[Position]:
        """All jobs are passed over, and those taken that stand in one of the sets. Of a slice in which none does, its last
        one is given, so that whoever asks sees how far it is."""
        size, is_last = first, False
        while not is_last:
            rows, is_last = self._next_part(ALL, after, size)
            found = self._members(places, rows)
            yield from found or rows[-1:]
            if not is_last:
                after = rows[-1] if found else self._last_waiting(rows[-1])
            size = min(2 * size, SLICE)

    def _members(self, places: Sequence[str], rows: list[Position]) -> list[Position]:
        if not rows:
            return []
        with translated():
            pipe: Any = self._redis.pipeline(transaction=True)  # one that moves meanwhile stands in either
            for place in places:
                pipe.zmscore(f"{PREFIX}{place}", [job_id for _, job_id in rows])
            scores = pipe.execute()
        return [row for row, *of in zip(rows, *scores, strict=True) if any(score is not None for score in of)]

    def _last_waiting(self, row: Position) -> Position:
        """Where thousands wait they stand one behind the other: the last of those behind which nothing else was created.
        It is found by halves, each counted at one moment: meanwhile others come, and go, in front of both."""
        rank, size = self._rank_and_size(row[1])
        if rank is None:
            return row
        last, low, high = row, rank + 1, size - 1
        while low <= high:
            middle = (low + high) // 2
            with translated():
                found: Any = self._redis.zrange(f"{PREFIX}{_PENDING}", middle, middle, desc=True, withscores=True)
            there = (int(found[0][1]), found[0][0].decode()) if found else None
            if there and there >= last:  # it was moved on by those that came
                low = middle + 1
            elif there and self._only_waiting_between(row[1], there[1]):
                last, low = there, middle + 1
            else:
                high = middle - 1
        return last

    def _rank_and_size(self, job_id: str) -> tuple[int | None, int]:
        """How many that wait are newer than this one (None where it does not wait), and how many wait."""
        with translated():
            pipe: Any = self._redis.pipeline(transaction=False)
            pipe.zrevrank(f"{PREFIX}{_PENDING}", job_id)
            pipe.zcard(f"{PREFIX}{_PENDING}")
            rank, size = pipe.execute()
        return rank, int(size)

    def _only_waiting_between(self, newer: str, older: str) -> bool:
        """Whether both wait, and whatever was created between them."""
        with translated():
            pipe: Any = self._redis.pipeline(transaction=True)
            for job_id in (newer, older):
                pipe.zrevrank(f"{PREFIX}{ALL}", job_id)
                pipe.zrevrank(f"{PREFIX}{_PENDING}", job_id)
            ranks = pipe.execute()
        return None not in ranks and ranks[2] - ranks[0] == ranks[3] - ranks[1]

    def _is_worth_sorting(self, place: str, wanted: int | None) -> bool:
        """Sorting takes all of the set; among all jobs so many are found by passing over as many as there are for each of
        the set's. How many it takes to find one that only some filter wants is not known."""
        with translated():
            pipe = self._redis.pipeline(transaction=False)
            pipe.zcard(f"{PREFIX}{place}")
            pipe.zcard(f"{PREFIX}{ALL}")
            size, everywhere = pipe.execute()
        return size <= SMALL_SET and (wanted is None or size * size <= wanted * everywhere)

    def _firsts(self, places: Sequence[str], after: Position | None, size: int) -> list[_Part]:
        """The first of each set after a position, in one round trip."""
        if not places:
            return []
        with translated():
            pipe: Any = self._redis.pipeline(transaction=False)
            for place in places:
                _ask(pipe, place, after, size)
            answers = pipe.execute()
        return [
            _part(answer, after, size) or self._next_part(place, after, 2 * size)
            for place, answer in zip(places, answers, strict=True)
        ]

    def _continued(self, place: str, part: _Part, size: int) -> Iterator[Position]:
        """All of one set, of which the first are there already."""
        rows, is_last = part
        yield from rows
        while not is_last:
            size = min(2 * size, SLICE)
            rows, is_last = self._next_part(place, rows[-1], size)
            yield from rows

    def _next_part(self, place: str, after: Position | None, size: int) -> _Part:
        """Several jobs may have been created in the same millisecond, and all that was read stand before the position:
        then more are read from the first one on. Behind those that were read some would be left out where one of them goes."""
        while True:
            with translated():
                answer = _ask(self._redis, place, after, size)
            part = _part(answer, after, size)
            if part is not None:
                return part
            size *= 2

    def _sorted(self, place: str, after: Position | None) -> list[Position]:
        """The set's own scores are ends or deadlines; the list is by creation."""
        with translated():
            ids: Any = self._redis.zrange(f"{PREFIX}{place}", 0, -1)
            created: Any = self._redis.zmscore(f"{PREFIX}{ALL}", ids) if ids else []
        known = [(int(at), i.decode()) for at, i in zip(created, ids, strict=True) if at is not None]
        return sorted((row for row in known if after is None or row < after), reverse=True)


def parts(rows: Iterator[Position], *, first: int = SLICE) -> Iterator[list[Position]]:
    """In slices: of `first`, then, as those were not enough, twice as many each time."""
    size = min(first, SLICE)
    while part := list(itertools.islice(rows, size)):
        yield part
        size = min(2 * size, SLICE)


def _ask(client: Any, place: str, after: Position | None, size: int) -> Any:
    newest = after[0] if after else "+inf"
    return client.zrevrangebyscore(f"{PREFIX}{place}", newest, "-inf", start=0, num=size, withscores=True)


def _part(answer: Any, after: Position | None, size: int) -> _Part | None:
    """What of an answer comes after the position; None where nothing does and there is more."""
    rows = [(int(at), job_id.decode()) for job_id, at in answer]
    kept = [row for row in rows if after is None or row < after]
    is_last = len(rows) < size
    return (kept, is_last) if kept or is_last else None


def _is_by_creation(place: str) -> bool:
    return place in (ALL, _PENDING) or place.startswith("failed:")


def _each_once(rows: Iterable[Position]) -> Iterator[Position]:
    """Of rows in order; a job that moved from one set to another while they were read stands in both."""
    return (row for row, _ in itertools.groupby(rows))
