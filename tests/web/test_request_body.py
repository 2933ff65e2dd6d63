import pytest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData

from app.web.request_body import LARGEST_READ, RequestBody
from app.web.uploaded_file import read_raw
from tests.web.bodies import LIMIT, chunked, environ_of, opened, raw, refusal


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"CONTENT_LENGTH": "1000"}, (400, "incomplete_body", None)),
        ({"CONTENT_LENGTH": str(LIMIT + 1)}, (413, "too_large", None)),
        ({"CONTENT_LENGTH": "9" * 5000}, (413, "too_large", None)),
        ({"CONTENT_LENGTH": "-1"}, (400, "malformed_body", None)),
        ({"CONTENT_LENGTH": "5x"}, (400, "malformed_body", None)),
        ({"CONTENT_LENGTH": "²"}, (400, "malformed_body", None)),
        ({"CONTENT_LENGTH": "0"}, (422, "empty_file", None)),
        ({"CONTENT_LENGTH": None}, (422, "empty_file", None)),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, (415, "unsupported_type", None)),
        ({"HTTP_CONTENT_ENCODING": "identity, br"}, (415, "unsupported_type", None)),
    ],
)
def test_a_length_or_coding_that_does_not_fit_is_refused(blobs, left_behind, given, expected):
    assert refusal(raw, blobs, environ_of(b"hello", **given)) == expected
    assert left_behind() == []


def test_the_coding_identity_is_none(blobs):
    assert raw(blobs, environ_of(b"hello", HTTP_CONTENT_ENCODING="Identity")).writer.size == 5


def test_chunks_beyond_the_limit_are_refused_while_reading(blobs, left_behind):
    assert refusal(raw, blobs, chunked(b"x" * (LIMIT + 1))) == (413, "too_large", None)
    assert left_behind() == []


def test_a_refusal_by_length_reads_nothing(blobs):
    environ = environ_of(b"hello", CONTENT_LENGTH=str(LIMIT + 1))
    refusal(raw, blobs, environ)
    assert environ["wsgi.input"].tell() == 0


class Failing:
    """A body that breaks after its first piece."""

    def __init__(self, error):
        self.pieces = [b"x" * 20_000, error]

    def read(self, size):
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), (408, "incomplete_body", None)),
        (NoMoreData(), (400, "incomplete_body", None)),
        (ConnectionResetError(), (400, "incomplete_body", None)),
        (InvalidChunkSize(b"zz"), (400, "malformed_body", None)),
    ],
)
def test_a_body_that_breaks_on_its_way_is_refused_by_how(blobs, left_behind, error, expected):
    assert refusal(raw, blobs, {**chunked(b""), "wsgi.input": Failing(error)}) == expected
    assert left_behind() == []


def test_each_piece_that_arrives_is_told(blobs):
    told = []
    read_raw(environ_of(b"x" * 70_000), "a.txt", limit=LIMIT, on_file=opened(blobs), on_bytes=lambda: told.append(1))
    assert len(told) == 3


def test_pieces_grow_while_they_come_fast_and_are_never_large():
    with RequestBody(environ_of(b"x" * 4_000_000), limit=5_000_000) as body:
        sizes = [len(piece) for piece in body]
    assert sizes[0] < sizes[-2] <= LARGEST_READ
    assert sum(sizes) == 4_000_000
