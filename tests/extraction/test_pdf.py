import pytest

from app.extraction import PDF, pdf
from app.extraction.pdfium_reader import PageUnreadable, PdfiumDocument
from tests.samples.make_samples import damaged_pdf, locked_pdf, pdf_of, pdf_with_private_letters
from tests.samples.make_samples import pdf as make_pdf


@pytest.fixture
def without_pdfium_pages(monkeypatch):
    def fail(document, index):
        raise PageUnreadable

    monkeypatch.setattr(PdfiumDocument, "text", fail)


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_each_engine_reads_pages_in_order(sample, engine):
    assert sample.texts(make_pdf("First", "Second"), PDF, engine=engine) == ["First", "Second"]
    assert sample.job.total == 2
    assert sample.job.engine == engine


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_what_the_document_says_of_itself_is_kept(sample, engine):
    sample.texts(make_pdf("x", title="A  title", author="Somebody"), PDF, engine=engine)
    assert (sample.job.title, sample.job.author) == ("A title", "Somebody")
    assert sample.job.metadata == {"created": "2024-02-29T12:00:00+01:00"}


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_a_locked_document_is_told_from_a_damaged_one(sample, engine):
    assert sample.failure(locked_pdf(), PDF, engine=engine) == "encrypted_document"
    assert sample.failure(damaged_pdf(), PDF, engine=engine) == "corrupt_document"


def test_a_document_without_pages_is_damaged(sample):
    empty = pdf_of({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[]/Count 0>>"})
    assert sample.failure(empty, PDF) == "corrupt_document"


def test_reading_goes_on_from_a_page(sample):
    (page,) = sample.pages(make_pdf("First", "Second"), PDF, first=2)
    assert (page.number, page.text) == (2, "Second")


def test_pages_beyond_the_limit_are_left_out(sample):
    assert sample.texts(make_pdf("First", "Second", "Third"), PDF, max_pages=2) == ["First", "Second"]
    assert sample.job.truncated
    assert sample.job.total == 2


def test_a_page_that_pdfium_cannot_read_is_read_by_pypdf(sample, without_pdfium_pages):
    pages = sample.pages(make_pdf("First"), PDF)
    assert [(page.text, page.other_engine, page.unreadable) for page in pages] == [("First", True, False)]


def test_a_page_that_neither_can_read_is_left_empty(sample, monkeypatch):
    read = PdfiumDocument.text
    monkeypatch.setattr(PdfiumDocument, "text", lambda self, index: read(self, index) if index else unreadable())
    monkeypatch.setattr(pdf.SecondOpinion, "text", lambda self, index: None)
    pages = sample.pages(make_pdf("First", "Second"), PDF)
    assert [(page.text, page.unreadable) for page in pages] == [("", True), ("Second", False)]


def unreadable():
    raise PageUnreadable


def test_a_document_with_no_readable_page_is_damaged(sample, without_pdfium_pages, monkeypatch):
    monkeypatch.setattr(pdf.SecondOpinion, "text", lambda self, index: None)
    assert sample.failure(make_pdf("First", "Second"), PDF) == "corrupt_document"


def test_the_second_opinion_is_asked_for_odd_pages_only(sample, monkeypatch):
    asked = []
    monkeypatch.setattr(pdf.SecondOpinion, "text", lambda self, index: asked.append(index))
    sample.texts(make_pdf("plain"), PDF)
    assert asked == []
    sample.texts(pdf_with_private_letters("odd letters"), PDF)
    assert asked == [0]


def test_a_better_second_opinion_is_taken(sample, monkeypatch):
    monkeypatch.setattr(pdf.SecondOpinion, "text", lambda self, index: "odd letters")
    (page,) = sample.pages(pdf_with_private_letters("odd letters"), PDF)
    assert (page.text, page.other_engine) == ("odd letters", True)


@pytest.mark.parametrize("other", [None, "", "\ue000" * 10, "odd"])
def test_a_second_opinion_that_is_no_better_is_not(sample, monkeypatch, other):
    monkeypatch.setattr(pdf.SecondOpinion, "text", lambda self, index: other)
    (page,) = sample.pages(pdf_with_private_letters("odd LETTERS"), PDF)
    assert "LETTERS" in page.text
    assert not page.other_engine


def test_spent_time_silences_the_second_opinion(tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf("text"))
    assert pdf.SecondOpinion(tmp_path / "a.pdf", seconds=0).text(0) is None
    assert pdf.SecondOpinion(tmp_path / "a.pdf", seconds=60).text(0) == "text"


def test_names_of_glyphs_are_no_text(sample):
    assert sample.failure(make_pdf("/g12/g13 /g2/g44 /g7"), PDF, engine="pypdf") == "corrupt_document"


def test_a_page_is_finished_without_what_no_reader_knows():
    assert pdf.finish("a\r\nb\rc\x0c\x85\ue000 hy\ufffephen \uf8eb\uf8f6\uf8fe\ud800\U00100000") == "a\nb\nc hyphen ⎛⎞⎭"


def test_brackets_of_formulas_are_not_odd():
    assert pdf.find_odd("\uf8eb x \uf8f6\r\n\t\x0c") == ["\x0c"]
