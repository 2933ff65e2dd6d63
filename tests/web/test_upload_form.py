import pytest

from app.errors import StorageUnavailable
from app.web.upload_form import read_multipart
from tests.web.bodies import BOUNDARY, LIMIT, chunked, content_of, environ_of, opened, refusal


def part(name, value, filename=None, *, extra=""):
    given = f'; filename="{filename}"' if filename is not None else ""
    head = f'Content-Disposition: form-data; name="{name}"{given}\r\n{extra}\r\n'
    return f"--{BOUNDARY}\r\n{head}".encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"


def form(*parts, end=True):
    return b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def read_form(blobs, *parts, **given):
    return read_multipart(environ_of(form(*parts), **given), limit=LIMIT, on_file=opened(blobs))


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
