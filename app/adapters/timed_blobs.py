"""A blob store whose operations are timed; everything else about it is the store's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from typing_extensions import Self

from app.adapters.blob_border import BlobStore
from app.adapters.meter import Meter
from app.errors import StorageUnavailable

#: What each method is in the metrics. Where it gives a file to write, its commit is what is timed.
OPERATIONS = {
    "upload_path": "fetch_upload",
    "new_upload": "put_upload",
    "new_result": "put_result",
    "open_result": "open_result",
    "manifest": "manifest",
    "note_priority": "note_priority",
    "list_uploads": "list",
    "list_results": "list",
    "delete_upload": "delete",
    "delete_result": "delete",
    "check": "check",
}
_WRITERS = ("new_upload", "new_result")
_CONTEXTS = ("upload_path",)


def timed(store: BlobStore, meter: Meter) -> BlobStore:
    return cast("BlobStore", _TimedBlobs(store, meter))


class _TimedBlobs:
    def __init__(self, store: BlobStore, meter: Meter) -> None:
        self._store, self._meter = store, meter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in OPERATIONS:
            return found
        made = self._timed(found, name)
        setattr(self, name, made)  # asked for once
        return made

    def _timed(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timing() -> AbstractContextManager[None]:
            return self._meter.timing("storage", OPERATIONS[name], StorageUnavailable)

        def call(*args: Any, **options: Any) -> Any:
            if name in _WRITERS:
                return _TimedWriter(method(*args, **options), timing)
            if name in _CONTEXTS:
                return _entered(method(*args, **options), timing)
            with timing():
                return method(*args, **options)

        return call


@contextmanager
def _entered(inner: AbstractContextManager[Any], timing: Callable[[], AbstractContextManager[None]]) -> Iterator[Any]:
    """Only the way in is timed: what is done inside is the caller's time."""
    with timing():
        given = inner.__enter__()
    try:
        yield given
    except BaseException as error:
        if not inner.__exit__(type(error), error, error.__traceback__):
            raise
    else:
        inner.__exit__(None, None, None)


class _TimedWriter:
    def __init__(self, writer: Any, timing: Callable[[], AbstractContextManager[None]]) -> None:
        self._writer, self._timing = writer, timing
        self.write = writer.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def commit(self, *args: Any) -> None:
        with self._timing():
            self._writer.commit(*args)

    def __enter__(self) -> Self:
        self._writer.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._writer.__exit__(*failure)
