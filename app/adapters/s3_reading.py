"""An object of the store read as a stream that goes on where it broke off, or as a file that can seek."""

from __future__ import annotations

import io
from collections.abc import Iterator

from app.adapters.s3_client import S3Client
from app.adapters.s3_errors import CONNECTION, meaning_of
from app.adapters.s3_objects import Answer, Head
from app.adapters.s3_patience import Refusal

CHUNK_BYTES = 256 * 1024
#: What is fetched when an object is opened as a file: of a result the index, of a short one all there is.
TAIL_BYTES = 64 * 1024


class ObjectStream:
    """Bytes of one object, in order, from `start` to before `end` (None: to its end)."""

    def __init__(self, client: S3Client, key: str, *, start: int = 0, end: int | None = None, etag: str = "") -> None:
        self._client, self._key = client, key
        self._at, self._end, self._etag = start, end, etag
        self._answer: Answer | None = None

    @property
    def at(self) -> int:
        return self._at

    def head(self) -> Head:
        """Size, tag and metadata; raises ``blob_missing``."""
        return self._client.asked(lambda: self._open().head)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; not to be asked at the end. Raises StorageUnavailable, StorageFailed."""
        data: bytes = self._client.asked(lambda: self._read_once(size))
        self._at += len(data)
        return data

    def _read_once(self, size: int) -> bytes:
        try:
            data = self._open().body.read(size)
            if not data:
                raise Refusal(CONNECTION, meaning_of(CONNECTION))
            return data
        except BaseException:
            self.close()  # the next try begins anew, from here
            raise

    def _open(self) -> Answer:
        if self._answer is None:
            headers = {"If-Match": self._etag} if self._etag else {}
            if self._at or self._end is not None:
                headers["Range"] = f"bytes={self._at}-{'' if self._end is None else self._end - 1}"
            self._answer = self._client.open(self._key, headers)
            self._etag = self._answer.head.etag
        return self._answer

    def chunks(self) -> Iterator[bytes]:
        """All that is left of the object."""
        size = self.head().size
        while self._at < size:
            yield self.read(min(CHUNK_BYTES, size - self._at))

    def close(self) -> None:
        """What has not been read is not waited for."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.body.close()
            answer.body.release_conn()


class ObjectFile(io.RawIOBase):
    """An object as a file to read and seek in; its tail is fetched first, the rest as a stream when it is wanted."""

    def __init__(self, client: S3Client, key: str) -> None:
        super().__init__()
        self._client, self._key, self._at = client, key, 0
        self._tail, self._head = client.asked(self._fetch_tail)
        self._tail_at = self._head.size - len(self._tail)
        self._stream: ObjectStream | None = None

    def _fetch_tail(self) -> tuple[bytes, Head]:
        answer = self._client.open(self._key, {"Range": f"bytes=-{TAIL_BYTES}"})
        return answer.body.read(), answer.head

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._head.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        """As many bytes as were asked for, fewer only at the end."""
        wanted = max(0, self._head.size - self._at)
        rest = wanted if size < 0 else min(size, wanted)
        parts = []
        while rest:
            part = self._some(rest)
            parts.append(part)
            self._at += len(part)
            rest -= len(part)
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        if self._at >= self._tail_at:
            start = self._at - self._tail_at
            return self._tail[start : start + size]
        return self._streamed().read(min(size, self._tail_at - self._at))

    def _streamed(self) -> ObjectStream:
        if self._stream is None or self._stream.at != self._at:
            self._drop()
            self._stream = ObjectStream(
                self._client, self._key, start=self._at, end=self._tail_at, etag=self._head.etag
            )
        return self._stream

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()
