"""Speaks to MinIO, Amazon S3 and what is like them: the only place that knows the client library.

Each step is one request (or a few) that a `Caller` asks with its patience; what is refused is a `Refusal`.
"""

from __future__ import annotations

import contextlib
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.datatypes import Part
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.helpers import genheaders

from app.adapters.s3_connections import Connections
from app.adapters.s3_errors import (
    CERTIFICATE,
    CONNECTION,
    DENIED,
    EXISTS,
    NO_BUCKET,
    NO_KEY,
    NO_UPLOAD,
    UNKNOWN,
    meaning_of,
)
from app.adapters.s3_objects import Answer, Head, Listed, Unfinished, head_of
from app.adapters.s3_patience import Caller, Patience, Refusal
from app.adapters.spool import SpoolFile
from app.errors import IngestError
from app.settings import S3Place

_T = TypeVar("_T")
#: Files larger than this are sent in parts of this size (bytes), more where 10,000 parts would not do.
PART_BYTES = 16 * 1024**2
_MOST_PARTS = 10_000
_MARK = "put"
_CONTENT_TYPE = "application/octet-stream"
#: For what is tidied up while somebody waits for the bad news.
ONCE = Caller(Patience(seconds=0.0, answer_seconds=1.0))


class S3Client:
    """One bucket. It is made, private, when it is first missed. Keys are given in full."""

    def __init__(self, place: S3Place, caller: Caller, *, part_bytes: int = PART_BYTES) -> None:
        address = urlsplit(place.endpoint)
        secure = address.scheme == "https"
        self._connections = Connections(place.ca_file, secure=secure)
        self._minio = Minio(
            endpoint=address.netloc,
            access_key=place.access_key.get_secret_value(),
            secret_key=place.secret_key.get_secret_value(),
            region=place.region,
            secure=secure,
            http_client=self._connections,
        )
        self._bucket, self._region, self.caller, self._part_bytes = place.bucket, place.region, caller, part_bytes

    def asked(self, step: Callable[[], _T], caller: Caller | None = None) -> _T:
        """What `step` gives, asked with patience; raises our errors. For steps that go beyond one call of this class."""
        return (caller or self.caller).ask(lambda seconds: self._once(step, seconds))

    def _unless(self, codes: list[str | int], step: Callable[[], _T]) -> _T | None:
        """As `asked`, but None where the store refuses with one of these codes."""
        try:
            return self.asked(step)
        except IngestError as error:
            if isinstance(error.__cause__, Refusal) and error.__cause__.code in codes:
                return None
            raise

    # ---- writing ----------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes, *, only_if_missing: bool = False) -> None:
        """A small object; with `only_if_missing` one that is there stays, where the store knows how to do that."""
        self._put_whole(key, data, {}, only_if_missing=only_if_missing)

    def put_file(
        self, key: str, file: SpoolFile, metadata: Mapping[str, str], *, only_if_missing: bool = False
    ) -> bool:
        """All of `file` under `key`, visible at once and with its metadata. Put again, it is the same object.

        False, and nothing put, where one is there and `only_if_missing` is asked for (not told of a file in parts).
        """
        if file.size > self._part_bytes:
            self._put_in_parts(key, file, metadata)
            return True
        headers = genheaders(dict(metadata), None, None, None, False)
        return self._put_whole(key, file.part(0, file.size), headers, only_if_missing=only_if_missing)

    def _put_whole(self, key: str, data: bytes | memoryview, headers: dict[str, Any], *, only_if_missing: bool) -> bool:
        """A store that knows no conditions is asked without."""

        def step() -> bool:
            try:
                self._put(key, data, {**headers, "If-None-Match": "*"})
            except S3Error as error:
                if error.code != UNKNOWN:
                    raise
                self._put(key, data, headers)
            return True

        if only_if_missing:
            return self._unless([EXISTS], step) is not None
        self.asked(lambda: self._put(key, data, headers))
        return True

    def _put(self, key: str, data: bytes | memoryview, headers: dict[str, Any]) -> object:
        return self._minio._put_object(self._bucket, key, data, {**headers, "Content-Type": _CONTENT_TYPE})  # type: ignore[arg-type]

    def _put_in_parts(self, key: str, file: SpoolFile, metadata: Mapping[str, str]) -> None:
        mark = secrets.token_hex(8)
        headers = genheaders({**metadata, _MARK: mark}, None, None, None, False)
        upload_id = self.asked(lambda: self._minio._create_multipart_upload(self._bucket, key, dict(headers)))
        try:
            parts = [
                self._put_part(key, file, (upload_id, number, start, length))
                for number, (start, length) in enumerate(_ranges(file.size, self._part_bytes), 1)
            ]
            self.asked(lambda: self._complete(key, upload_id, parts, mark))
        except BaseException:
            with contextlib.suppress(Exception):  # else it is pruned after a day
                self.abort(key, upload_id, ONCE)
            raise

    def _put_part(self, key: str, file: SpoolFile, part: tuple[str, int, int, int]) -> Part:
        upload_id, number, start, length = part
        etag = self.asked(
            lambda: self._minio._upload_part(
                self._bucket,
                key,
                file.part(start, length),  # type: ignore[arg-type]
                None,
                upload_id,
                number,
            )
        )
        return Part(number, etag)

    def _complete(self, key: str, upload_id: str, parts: list[Part], mark: str) -> None:
        """A completion may be answered with 200 and an error in it, or its answer be lost: the object itself says."""
        try:
            self._minio._complete_multipart_upload(self._bucket, key, upload_id, parts)
        except S3Error as error:
            if error.code != NO_UPLOAD:
                raise
        except (ValueError, ParseError):
            pass
        head = head_of(self._minio.stat_object(self._bucket, key).metadata or {})
        if head.metadata.get(_MARK) != mark:
            raise Refusal(NO_UPLOAD, meaning_of(NO_UPLOAD))

    def set_metadata(self, key: str, head: Head, metadata: Mapping[str, str], caller: Caller) -> None:
        """The object that was seen as `head` has these besides; refused where it has gone, or is another one by now."""
        source = CopySource(self._bucket, key, match_etag=head.etag.strip('"'))
        given: dict[str, Any] = {**head.metadata, **metadata, "Content-Type": _CONTENT_TYPE}

        def step() -> None:
            try:
                self._minio.copy_object(self._bucket, key, source, metadata=given, metadata_directive=REPLACE)
            except ValueError as error:  # a copy, too, may be answered with 200 and an error in it
                raise Refusal(CONNECTION, meaning_of(CONNECTION)) from error

        self.asked(step, caller)

    # ---- reading ----------------------------------------------------------------------------------------------

    def head(self, key: str) -> Head | None:
        """None where there is no such object."""
        found = self._unless([NO_KEY], lambda: self._minio.stat_object(self._bucket, key))
        return None if found is None else head_of(found.metadata or {})

    def get(self, key: str) -> bytes | None:
        """A small object, whole; None where there is none."""
        found: bytes | None = self._unless([NO_KEY], lambda: self.open(key, {}).body.read())
        return found

    def open(self, key: str, headers: Mapping[str, str]) -> Answer:
        """A step for `asked`: the beginning of an answer, whose body has to be read or closed by the caller."""
        body = self._minio.get_object(self._bucket, key, request_headers=dict(headers))
        head, placed = head_of(body.headers), body.headers.get("content-range", "")
        if not placed.startswith("bytes "):
            return Answer(body, head, 0)
        place, _, size = placed.removeprefix("bytes ").partition("/")
        return Answer(body, Head(int(size), head.etag, head.metadata), int(place.partition("-")[0]))

    def listed(self, prefix: str, after: str, take: Callable[[Iterator[Listed]], _T]) -> _T:
        """What `take` makes of the objects, which come in the order of their keys, a page at a time; it may be called
        again, with all of them."""

        def step() -> _T:
            items = self._minio.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=after or None)
            return take(Listed(item.object_name or "", self._age(item.last_modified)) for item in items)

        return self.asked(step)

    # ---- removing ---------------------------------------------------------------------------------------------

    def remove(self, key: str, caller: Caller | None = None) -> None:
        self.asked(lambda: self._minio.remove_object(self._bucket, key), caller)

    def unfinished(self) -> list[Unfinished]:
        """Those that the server tells of, to us: MinIO only of its own recent ones, and it removes them itself after a
        day; and a key may be good for everything but this."""
        listed = self._unless([DENIED, UNKNOWN], lambda: self._minio._list_multipart_uploads(self._bucket))
        if listed is None:
            return []
        return [
            Unfinished(upload.object_name, upload.upload_id or "", self._age(upload.initiated_time))
            for upload in listed.uploads
        ]

    def abort(self, key: str, upload_id: str, caller: Caller | None = None) -> None:
        self.asked(lambda: self._minio._abort_multipart_upload(self._bucket, key, upload_id), caller)

    # ---- one request ------------------------------------------------------------------------------------------

    def _age(self, written: Any) -> float:
        return max(0.0, self._connections.now() - written.timestamp()) if written else 0.0

    def _once(self, step: Callable[[], _T], seconds: float) -> _T:
        with self._connections.answering_within(seconds):
            try:
                with refusals():
                    return step()
            except Refusal as refusal:
                if refusal.code != NO_BUCKET:
                    raise
            with refusals():
                self._make_bucket()
                return step()

    def _make_bucket(self) -> None:
        try:
            self._minio.make_bucket(self._bucket, location=self._region)
        except S3Error as error:
            if error.code != "BucketAlreadyOwnedByYou":  # another process was faster
                raise


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Whatever the client library, its connections or the system raise comes out as a `Refusal`."""
    try:
        yield
    except (S3Error, ServerError, InvalidResponseError, urllib3.exceptions.HTTPError, OSError, ParseError) as error:
        code = _code_of(error)
        raise Refusal(code, meaning_of(code)) from error


def _code_of(error: Exception) -> str | int:
    if isinstance(error, S3Error):
        return error.code or CONNECTION
    if isinstance(error, ServerError):
        return int(error.status_code)
    if isinstance(error, InvalidResponseError):
        return int(error._code)
    certificate = isinstance(error, urllib3.exceptions.SSLError) and isinstance(
        error.args[0] if error.args else None, ssl.SSLCertVerificationError
    )
    return CERTIFICATE if certificate else CONNECTION


def _ranges(size: int, part_bytes: int) -> Iterator[tuple[int, int]]:
    while -(-size // part_bytes) > _MOST_PARTS:
        part_bytes *= 2
    for start in range(0, size, part_bytes):
        yield start, min(part_bytes, size - start)
