import pytest

from app.domain.media_types import MEDIA_TYPES, sniff
from app.errors import ValidationFailed
from tests.samples.make_samples import docx, locked_docx, pdf, samples

ELF = b"\x7fELF\2\1\1" + bytes(200)
PDF = pdf("text")
DOCX = docx()


def refusal(head, name):
    with pytest.raises(ValidationFailed) as caught:
        sniff(head, name)
    return caught.value.code


@pytest.mark.parametrize("name", samples())
def test_each_sample_is_what_its_name_says(name):
    assert sniff(samples()[name], name) == MEDIA_TYPES["." + name.rpartition(".")[2]]


@pytest.mark.parametrize("name", ["a.PDF", "a.b.pdf", " .pdf"])
def test_the_ending_counts_in_any_case(name):
    assert sniff(PDF, name) == "application/pdf"


@pytest.mark.parametrize("name", ["", "a", "pdf", ".pdf", "a.", "a.exe", "a.pdf.exe", "a.pdf ", "a.gif", "a.\x00pdf"])
def test_an_unknown_ending_or_none_is_unsupported(name):
    assert refusal(PDF, name) == "unsupported_type"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (ELF, "a.pdf"),
        (b"PK\3\4" + bytes(100), "a.pdf"),
        (DOCX, "a.pdf"),
        (b"GIF89a" + PDF, "a.pdf"),
        (b"<!--" + PDF, "a.pdf"),
        (b"\n<html>" + PDF, "a.pdf"),
        (b"just text", "a.pdf"),
        (b"junk" * 512 + PDF, "a.pdf"),
        (b"", "a.pdf"),
        (bytes(8192), "a.pdf"),
        (PDF, "a.txt"),
        (DOCX, "a.md"),
        (ELF, "a.txt"),
        (b"text\x00text", "a.csv"),
        (bytes(range(1, 32)) * 9, "a.txt"),
        (b"\x89PNG\r\n\x1a\n", "a.html"),
        (b"{\\rtf1", "a.txt"),
        (PDF, "a.docx"),
        (b"text", "a.docx"),
        (b"PK\3\4" + bytes(26) + b"xl/workbook.xml", "a.docx"),
    ],
)
def test_other_content_is_a_mismatch(head, name):
    assert refusal(head, name) == "content_mismatch"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x01junk before" + PDF, "a.pdf"),
        (b"x" * 1019 + PDF, "a.pdf"),
        (PDF[:5], "a.pdf"),
        ("größer".encode("utf-16"), "a.txt"),
        ("größer".encode("utf-32"), "a.txt"),
        ("größer".encode("latin-1"), "a.txt"),
        (b"\xff\xfe\xfa\xc0\xaf\xed\xa0\x80" * 1024, "a.txt"),
        (b"x\r\n2099-01-01 ERROR\x1b[2J\x1b]0;pwn\x07", "a.log"),
        (b"MZ is how the letter began", "a.txt"),
        (b"what %PDF-1.7 means", "a.txt"),
        (b"", "a.txt"),
        (locked_docx(), "a.docx"),
    ],
)
def test_what_may_be_right_is_left_to_the_reader(head, name):
    assert sniff(head, name) in MEDIA_TYPES.values()


def test_the_person_is_told_what_the_file_is():
    with pytest.raises(ValidationFailed) as caught:
        sniff(b"MZ\x90\x00", "setup.pdf")
    assert "Windows program" in caught.value.message
