import io
import json

import pytest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData

from app.adapters.blob_store import LocalBlobs, Manifest
from app.domain.ids import new_job_id
from app.errors import IngestError, StorageUnavailable
from app.web.bodies import read_json_object, read_multipart, read_raw
from app.web.problems import status_of
from app.web.request_body import LARGEST_READ, RequestBody

LIMIT = 100_000
BOUNDARY = "x7"


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path)


@pytest.fixture
def left_behind(tmp_path):
    return lambda: [path for path in tmp_path.rglob("*") if path.is_file()]


def part(name, value, filename=None, *, extra=""):
    given = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{given}\r\n{extra}\r\n'
    return f"--{BOUNDARY}\r\n{head}".encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"


def form(*parts, end=True):
    return b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def environ_of(body, content_type=f"multipart/form-data; boundary={BOUNDARY}", **given):
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), **given}
    return {name: value for name, value in environ.items() if value is not None}


def chunked(body, **given):
    return environ_of(body, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked", **given)


def opened(blobs):
    return lambda filename, media_type: blobs.new_upload()


def read_form(blobs, *parts, **given):
    return read_multipart(environ_of(form(*parts), **given), limit=LIMIT, on_file=opened(blobs))


def content_of(blobs, upload):
    """Make a job of an upload, as the caller does, and read it back."""
    job_id = new_job_id()
    size, sha256 = upload.writer.size, upload.writer.sha256
    upload.writer.commit(Manifest(job_id, upload.filename, upload.media_type, size, sha256, "medium", 0))
    with blobs.upload_path(job_id) as path:
        return path.read_bytes()


def refusal(step, *args, **kwargs):
    with pytest.raises(IngestError) as caught:
        step(*args, **kwargs)
    return status_of(caught.value), caught.value.code, caught.value.field


# forms


def test_a_form_gives_its_file_and_fields(blobs):
    upload = read_form(
        blobs, part("priority", "high"), part("file", "hello", "../a.txt"), part("userId", "größe"), part("x", "y")
    )
    assert (upload.filename, upload.media_type) == ("a.txt", "text/plain")
    assert upload.fields == {"priority": "high", "userId": "größe"}
    assert upload.writer.size == 5
    assert content_of(blobs, upload) == b"hello"


@pytest.mark.parametrize("size", [1, 8191, 8192, 8193, 70_000, LIMIT])
def test_every_byte_of_the_file_arrives(blobs, size):
    data = (b"0123456789\r\n--x\r\n-" * (size // 17 + 1))[:size]
    assert content_of(blobs, read_form(blobs, part("file", data, "a.txt"))) == data


def test_a_form_may_come_in_chunks(blobs):
    upload = read_multipart(chunked(form(part("file", "hello", "a.txt"))), limit=LIMIT, on_file=opened(blobs))
    assert content_of(blobs, upload) == b"hello"


def test_the_file_is_opened_once_its_name_and_first_bytes_are_known(blobs):
    seen = []

    def on_file(filename, media_type):
        seen.append((filename, media_type))
        return blobs.new_upload()

    read_multipart(environ_of(form(part("file", "%PDF-1.7 x", "b.PDF"))), limit=LIMIT, on_file=on_file)
    assert seen == [("b.PDF", "application/pdf")]


def test_a_name_in_the_extended_form_is_read(blobs):
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''..%2F..%2Fb%0d%0a.html\r\n\r\n"
    body = head.encode() + b"<p>x</p>\r\n" + form()
    assert read_multipart(environ_of(body), limit=LIMIT, on_file=opened(blobs)).filename == "b.html"


@pytest.mark.parametrize(
    ("sent", "name"), [(b"caf\xe9.txt", "caf\ufffd.txt"), (b"\xed\xa0\x80a.txt", "\ufffd\ufffd\ufffda.txt")]
)
def test_a_name_that_is_no_utf_8_is_kept_as_far_as_it_can_be_read(blobs, sent, name):
    head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % (BOUNDARY.encode(), sent)
    body = head + b"hello\r\n" + form()
    assert read_multipart(environ_of(body), limit=LIMIT, on_file=opened(blobs)).filename == name


def test_what_follows_the_form_is_passed_over(blobs):
    body = form(part("file", "hello", "a.txt")) + b"epilogue" * 10_000
    assert content_of(blobs, read_multipart(environ_of(body), limit=LIMIT, on_file=opened(blobs))) == b"hello"


FILE = part("file", "hello", "a.txt")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (form(), (400, "missing_file", None)),
        (form(part("priority", "low")), (400, "missing_file", None)),
        (form(part("file", "text")), (400, "missing_file", None)),
        (form(part("file", "", "")), (400, "missing_file", None)),
        (form(part("other", "hello", "a.txt")), (400, "missing_file", None)),
        (form(FILE, FILE), (400, "too_many_files", None)),
        (form(FILE, part("other", "x", "b.txt")), (400, "too_many_files", None)),
        (form(part("file", "", "a.txt")), (422, "empty_file", None)),
        (form(part("file", "x", "..")), (422, "invalid_field", "file")),
        (form(part("file", "x", "a.exe")), (415, "unsupported_type", None)),
        (form(part("file", "x", "noext")), (415, "unsupported_type", None)),
        (form(part("file", b"\x7fELF" + b"\0" * 20_000, "a.pdf")), (415, "content_mismatch", None)),
        (form(FILE, part("priority", "low"), part("priority", "low")), (422, "invalid_field", "priority")),
        (form(part("userId", b"\xff"), FILE), (422, "invalid_field", "userId")),
        (form(part("userId", "u" * 600_000), FILE), (413, "too_large", None)),
        (form(part("unknown", "u" * 600_000), FILE), (413, "too_large", None)),
        (form(*[part("n", "v")] * 1001, FILE), (413, "too_large", None)),
        (form(part("file", "x" * (LIMIT + 1), "a.txt")), (413, "too_large", None)),
        (form(FILE, end=False), (400, "incomplete_body", None)),
        (FILE[:-20], (400, "incomplete_body", None)),
        (b"no form at all", (400, "malformed_body", None)),
        (b"", (400, "malformed_body", None)),
        (b"x" * 200_000, (400, "malformed_body", None)),
        (form(b"--x7\r\nContent-Type: text/plain\r\n\r\nx\r\n"), (400, "malformed_body", None)),
        (form(b'--x7\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n'), (400, "missing_file", None)),
        (form(part("file", "x", "a.txt", extra="X: " + "y" * 300_000 + "\r\n")), (400, "malformed_body", None)),
    ],
)
def test_a_form_that_is_not_as_asked_is_refused_and_leaves_nothing(blobs, left_behind, body, expected):
    assert refusal(read_multipart, environ_of(body), limit=LIMIT, on_file=opened(blobs)) == expected
    assert left_behind() == []


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (None, (415, "not_multipart", None)),
        ("application/json", (415, "not_multipart", None)),
        ("application/x-www-form-urlencoded", (415, "not_multipart", None)),
        ("multipart/mixed; boundary=x7", (415, "not_multipart", None)),
        ("multipart/form-data", (400, "malformed_body", None)),
        ("multipart/form-data; boundary=", (400, "malformed_body", None)),
        ("multipart/form-data; boundary=" + "x" * 201, (400, "malformed_body", None)),
        ("multipart/form-data; boundary=\xff", (400, "malformed_body", None)),
    ],
)
def test_a_body_that_is_no_form_with_a_boundary_is_refused(blobs, content_type, expected):
    environ = environ_of(form(FILE), content_type)
    assert refusal(read_multipart, environ, limit=LIMIT, on_file=opened(blobs)) == expected


def test_a_file_that_finds_no_room_is_not_half_kept(blobs, left_behind):
    def full(filename, media_type):
        raise StorageUnavailable("storage_full")

    assert refusal(read_multipart, environ_of(form(FILE)), limit=LIMIT, on_file=full)[1] == "storage_full"
    assert left_behind() == []


# the body itself


def raw(blobs, environ, filename="a.txt", **given):
    return read_raw(environ, filename, limit=LIMIT, on_file=opened(blobs), **given)


def test_a_raw_body_is_the_file(blobs):
    upload = raw(blobs, environ_of(b"hello", "text/anything"), "dir/größe.txt")
    assert (upload.filename, upload.fields) == ("größe.txt", {})
    assert content_of(blobs, upload) == b"hello"


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


# JSON


def json_of(data, **given):
    return read_json_object(environ_of(data, "application/json", **given))


def test_an_object_is_read():
    assert json_of('{"action": "größe", "n": [1, 2.5, true, null]}'.encode()) == {
        "action": "größe",
        "n": [1, 2.5, True, None],
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b'{"a": 1',
        b'{"a": 1} x',
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-8-sig"),
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
)
def test_what_is_no_strict_json_is_malformed(data):
    assert refusal(json_of, data) == (400, "malformed_body", None)


@pytest.mark.parametrize("data", [b"[]", b"7", b'"x"', b"null"])
def test_json_that_is_no_object_is_an_invalid_field(data):
    assert refusal(json_of, data)[:2] == (422, "invalid_field")


def test_a_float_beyond_all_floats_is_left_to_the_view():
    assert json_of(b'{"daysOld": 1e309}') == {"daysOld": float("inf")}


def test_json_is_bounded():
    assert refusal(json_of, b"[" * 200_000)[1] == "too_large"
    assert refusal(json_of, json.dumps({"a": "x" * 70_000}).encode())[1] == "too_large"
    assert refusal(json_of, b"{}", CONTENT_LENGTH="20")[1] == "incomplete_body"
