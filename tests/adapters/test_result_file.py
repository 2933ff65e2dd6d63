import io
import json
import struct
import zlib

import pytest

from app.adapters.blob_store import LocalBlobs
from app.adapters.result_file import ResultReader, ResultWriter
from app.domain.ids import new_job_id
from app.errors import StorageFailed, StorageUnavailable

PAGES = ["first", "", 'zweite "Seite" \n\\ mit ä, €, 😀 und \u2028', "x" * 200_000, "ü" * 70_000]
DOCUMENT = {"pageCount": 5, "title": 'Größe "42"', "author": None, "warnings": [{"code": "no_text"}]}


class Sink(io.BytesIO):
    committed = 0

    def commit(self):
        self.committed += 1


def written(pages=PAGES, document=DOCUMENT):
    sink = Sink()
    writer = ResultWriter(sink)
    for number, text in enumerate(pages, 1):
        writer.add_page(text if isinstance(text, bytes) else text.encode(), number)
    writer.finish(document)
    assert sink.committed == 1
    return sink.getvalue()


def reader_of(data):
    return ResultReader(io.BytesIO(data))


def test_the_document_comes_back():
    assert reader_of(written()).document == DOCUMENT


def test_the_text_form_joins_the_pages_with_a_form_feed():
    reader = reader_of(written())
    text = b"".join(reader.iter_text(1000))
    assert text.decode() == "\f".join(PAGES)
    assert reader.text_length == len(text)


def test_one_page_is_read_by_its_number():
    reader = reader_of(written())
    assert [reader.page(number) for number in range(1, 6)] == PAGES
    assert reader.page(0) is None
    assert reader.page(6) is None


def test_pages_come_in_order():
    assert [(page.number, page.text) for page in reader_of(written()).iter_pages()] == list(enumerate(PAGES, 1))


def test_the_json_form_holds_the_document_and_every_page():
    pieces = list(reader_of(written()).iter_json({"jobId": "j", **DOCUMENT}))
    document = json.loads(b"".join(pieces))
    assert document == {
        "jobId": "j",
        **DOCUMENT,
        "pages": [{"number": number, "text": text} for number, text in enumerate(PAGES, 1)],
    }
    assert max(map(len, pieces)) < 150_000


def test_the_json_form_of_an_empty_document_is_json():
    assert json.loads(b"".join(reader_of(written([], {})).iter_json({}))) == {"pages": []}


def test_a_result_without_pages_has_an_empty_text():
    assert list(reader_of(written([])).iter_text()) == []


def test_page_numbers_may_have_gaps():
    sink = Sink()
    writer = ResultWriter(sink)
    writer.add_page(b"two", 2)
    writer.add_page(b"five", 5)
    writer.finish({})
    reader = reader_of(sink.getvalue())
    assert reader.page_numbers == [2, 5]
    assert reader.page(5) == "five"


def test_bytes_that_are_no_utf8_are_replaced():
    reader = reader_of(written([b"a\xff\xed\xa0\x80b", "\ud800".encode("utf-8", "surrogatepass")]))
    assert reader.page(1).startswith("a\ufffd")
    assert json.loads(b"".join(reader.iter_json({})))["pages"][0]["text"] == reader.page(1)


def test_a_document_with_a_lone_surrogate_can_be_written():
    reader = reader_of(written(["x"], {"title": "\ud800"}))
    assert reader.document["title"] == "\ud800"
    json.loads(b"".join(reader.iter_json(reader.document)))


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 100, -1, -8, -16, -17])
def test_a_torn_file_is_told_from_a_whole_one(kept):
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        reader_of(written(["short"])[:kept])


def test_a_changed_byte_anywhere_is_noticed():
    data = written(["first page", "second page"])
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x20
        with pytest.raises(StorageFailed, match="blob_corrupt"):
            list(reader_of(bytes(changed)).iter_text())


def test_a_damaged_text_ends_short():
    data = bytearray(written(["x" * 100_000]))
    data[0] ^= 1
    reader = reader_of(bytes(data))
    seen = []
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        seen.extend(reader.iter_text(60_000))
    assert sum(map(len, seen)) < 100_000
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        reader.page(1)


def test_an_index_longer_than_the_file_is_refused():
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        reader_of(b"x" * 100 + struct.pack(">QI4s", 2**63, 0, b"ART1"))


@pytest.mark.parametrize("index", [b"7", b"{}", b'{"document":7,"pages":[],"length":0,"crc":0}', b"nonsense"])
def test_an_index_of_another_shape_is_refused(index):
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        reader_of(index + struct.pack(">QI4s", len(index), zlib.crc32(index), b"ART1"))


def test_a_store_that_stops_answering_is_named():
    class Broken(io.BytesIO):
        def read(self, _size=-1):
            raise OSError

    with pytest.raises(StorageUnavailable):
        ResultReader(Broken(written()))


def test_it_goes_through_a_store_and_closes_its_file(tmp_path):
    blobs, job_id = LocalBlobs(tmp_path), new_job_id()
    with blobs.new_result(job_id, "t") as sink:
        writer = ResultWriter(sink)
        writer.add_page(b"text", 1)
        writer.finish({"pageCount": 1})
    file = blobs.open_result(job_id, "t")
    with ResultReader(file) as reader:
        assert reader.page(1) == "text"
    assert file.closed
