import pytest

from app.extraction import text as text_reader
from app.extraction.paging import PAGE_CHARACTERS
from tests.samples.make_samples import LATIN_1_LETTER

TXT, MARKDOWN, JSON = "text/plain", "text/markdown", "application/json"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"])
def test_a_letter_reads_the_same_in_any_encoding(sample, encoding):
    assert sample.text(LATIN_1_LETTER.encode(encoding), TXT) == LATIN_1_LETTER.rstrip("\n")


def test_the_big_endian_marks_are_known_too(sample):
    assert sample.text(b"\xfe\xff" + "größer".encode("utf-16-be"), TXT) == "größer"


def test_a_few_broken_bytes_do_not_make_utf_8_something_else(sample):
    assert sample.text("größer, schöner, süßer ".encode() * 3 + b"\xff", TXT).startswith("größer, schöner")


def test_line_ends_become_newlines_and_controls_go(sample):
    assert sample.text(b"a\r\nb\rc\x0bd\x1b[2J\x07e\tf\x00", TXT) == "a\nb\nc\nd[2Je\tf"


def test_no_page_ever_holds_a_form_feed(sample):
    assert sample.texts(b"one\ftwo\f\fthree\f", TXT) == ["one", "two", "", "three"]


def test_text_that_is_mostly_no_text_is_corrupt(sample):
    assert sample.failure(b"\xff\xfe" + bytes(1000), TXT) == "corrupt_document"


def test_random_looking_bytes_end_in_a_page_or_a_failure(sample):
    assert sample.texts(b"\xff\xfe\xfa\xc0\xaf\xed\xa0\x80" * 4096, TXT)


def test_a_long_text_is_cut_at_line_ends(sample):
    line = "x" * 99 + "\n"
    pages = sample.texts(line.encode() * 1500, TXT)
    assert [len(page) for page in pages] == [49_999, 49_999, 49_999]
    assert sample.job.total == 3


def test_a_line_without_end_is_cut_all_the_same(sample):
    pages = sample.texts(b"a" * (2 * PAGE_CHARACTERS + 1), TXT)
    assert [len(page) for page in pages] == [PAGE_CHARACTERS, PAGE_CHARACTERS, 1]


def test_reading_goes_on_from_a_page(sample):
    pages = sample.pages(b"one\ftwo\fthree", TXT, first=2)
    assert [(page.number, page.text) for page in pages] == [(2, "two"), (3, "three")]


def test_pages_beyond_the_limit_are_left_out(sample):
    assert sample.texts(b"one\ftwo\fthree", TXT, max_pages=2) == ["one", "two"]
    assert sample.job.truncated
    assert sample.job.total == 2


def test_characters_beyond_the_limit_are_left_out(sample):
    assert sample.texts(b"one\ftwo\fthree", TXT, max_characters=5) == ["one", "tw"]
    assert sample.job.truncated


def test_a_text_of_just_the_limit_is_whole(sample):
    assert sample.texts(b"one\ftwo", TXT, max_characters=6, max_pages=2) == ["one", "two"]
    assert not sample.job.truncated


def test_more_bytes_than_allowed_are_refused(sample, monkeypatch):
    monkeypatch.setattr(text_reader, "MAX_BYTES", 10)
    assert sample.failure(b"12345678901", TXT) == "resource_limit"


def test_the_first_heading_is_the_title_of_markdown(sample):
    sample.text(b"intro\n\n# The *title* #\n\n# Another\n", MARKDOWN)
    assert sample.job.title == "The *title*"


def test_json_is_handed_on_as_it_is_written(sample):
    data = b'{"a": [1, 2.5e3, null, true, "x"], "n": ' + b"9" * 6000 + b"}"
    assert sample.text(data, JSON) == data.decode()


@pytest.mark.parametrize("data", [b"{", b"", b"nothing", b'{"a": 1} trailing', b"[1,]"])
def test_broken_json_is_corrupt(sample, data):
    assert sample.failure(data, JSON) == "corrupt_document"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_json_without_bottom_is_refused(sample, opening):
    assert sample.failure(opening * 200_000, JSON) in ("unsupported_feature", "corrupt_document")
