import io
import zipfile

import pytest

from app.extraction import DOCX, package
from tests.samples.make_samples import WORD, docx, locked_docx, paragraph

STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"

TEXT_BOX = """<w:p><w:r><w:t>anchor</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
<mc:Choice><w:drawing><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:drawing></mc:Choice>
<mc:Fallback><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></mc:Fallback>
</mc:AlternateContent></w:r></w:p>"""
TRACKED = """<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>
<w:moveFrom><w:r><w:t>from here</w:t></w:r></w:moveFrom><w:moveTo><w:r><w:t xml:space="preserve"> to here</w:t></w:r></w:moveTo></w:p>"""
LINK = """<w:p><w:r><w:t xml:space="preserve">see </w:t></w:r><w:hyperlink><w:r><w:t>this</w:t></w:r></w:hyperlink>
<w:r><w:instrText>PAGE</w:instrText></w:r><w:fldSimple><w:r><w:t>, page 3</w:t></w:r></w:fldSimple></w:p>"""
BREAKS = "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>"
NOTED = '<w:p><w:r><w:t>Said</w:t></w:r><w:r><w:footnoteReference w:id="1"/></w:r><w:r><w:endnoteReference w:id="2"/></w:r></w:p>'


def row(*cells, properties=""):
    inside = "".join(f"<w:tc>{cell}</w:tc>" for cell in cells)
    return f"<w:tr>{properties}{inside}</w:tr>"


def archive(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return out.getvalue()


def test_paragraphs_are_blocks(sample):
    assert sample.text(docx(paragraph("One") + paragraph("") + paragraph("Two")), DOCX) == "One\n\nTwo"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (TEXT_BOX, "anchor\nboxed"),
        (TRACKED, "new to here"),
        (LINK, "see this, page 3"),
        (BREAKS, "a\tb\nc-d"),
        ("<w:sdt><w:sdtContent>" + paragraph("in a control") + "</w:sdtContent></w:sdt>", "in a control"),
        (
            '<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>',
            "x=1",
        ),
    ],
)
def test_what_word_shows_is_read(sample, body, text):
    assert sample.text(docx(body), DOCX) == text


def test_a_table_is_a_line_for_each_row(sample):
    deleted = row(paragraph("gone"), paragraph("gone"), properties="<w:trPr><w:del/></w:trPr>")
    rows = row(paragraph("a"), paragraph("b1") + paragraph("b2")) + deleted + row(paragraph("c"), paragraph(""))
    assert sample.text(docx(f"<w:tbl>{rows}</w:tbl>"), DOCX) == "a\tb1 b2\nc\t"


def test_a_frame_of_one_cell_is_no_table(sample):
    table = f"<w:tbl>{row(paragraph('a') + paragraph('b'))}</w:tbl>"
    assert sample.text(docx(table), DOCX) == "a\nb"


def test_rows_stand_together_and_apart_from_the_text(sample):
    rows = row(paragraph("a"), paragraph("b")) + row(
        paragraph("c"), f"<w:tbl>{row(paragraph('d'), paragraph('e'))}</w:tbl>"
    )
    body = paragraph("before") + f"<w:tbl>{rows}</w:tbl>" + paragraph("after") + f"<w:tbl>{rows}</w:tbl>"
    table = "a\tb\nc\td e"
    assert sample.text(docx(body), DOCX) == f"before\n\n{table}\n\nafter\n\n{table}"


def test_a_row_that_is_layout_keeps_its_paragraphs(sample):
    cells = [paragraph("left " * 50) + paragraph("below"), paragraph("right " * 50)]
    text = sample.text(docx(f"<w:tbl>{row(*cells)}</w:tbl>"), DOCX)
    assert [line[:5] for line in text.split("\n")] == ["left ", "below", "right"]


def test_headers_come_first_and_notes_last_each_once(sample):
    separator = '<w:footnote w:id="0" w:type="separator"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>'
    linked = {
        "header1": paragraph("Head"),
        "header2": paragraph("Head"),
        "footer": paragraph("Foot"),
        "footnotes": separator + f'<w:footnote w:id="1">{paragraph("By whom")}{paragraph("And when")}</w:footnote>',
        "endnotes": f'<w:endnote w:id="2">{paragraph("Where")}</w:endnote>',
    }
    text = sample.text(docx(NOTED, linked=linked), DOCX)
    assert text.split("\n\n") == ["Head", "Said[1][e2]", "Foot", "[1] By whom", "And when", "[e2] Where"]


def test_title_and_author_are_kept(sample):
    sample.text(docx(title="A title", author="Somebody"), DOCX)
    assert (sample.job.title, sample.job.author, sample.job.engine) == ("A title", "Somebody", "lxml")


def test_the_strict_variant_is_read_too(sample):
    data = rezipped(docx(), "word/document.xml", lambda xml: xml.replace(WORD.encode(), STRICT))
    assert sample.text(data, DOCX) == "Hello"


def rezipped(data, name, change):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return archive(
            **{each: change(file.read(each)) if each == name else file.read(each) for each in file.namelist()}
        )


def test_a_long_document_has_pages(sample):
    pages = sample.pages(docx(paragraph("x" * 999) * 120), DOCX)
    assert [page.number for page in pages] == [1, 2, 3]
    assert sample.job.total == 3
    assert [page.number for page in sample.pages(docx(paragraph("x" * 999) * 120), DOCX, first=3)] == [3]


def test_a_locked_document_is_told_from_an_old_one(sample):
    assert sample.failure(locked_docx(), DOCX) == "encrypted_document"
    assert sample.failure(locked_docx()[:512], DOCX) == "unsupported_feature"


@pytest.mark.parametrize(
    "data",
    [
        b"PK\3\4" + bytes(100),
        docx()[:-30],
        docx("<w:p><w:r>"),
        docx("<w:p>" * 300 + "</w:p>" * 300),
        archive(a=b"no document in it"),
    ],
)
def test_damage_is_told_as_damage(sample, data):
    assert sample.failure(data, DOCX) == "corrupt_document"


def test_damaged_properties_do_not_spoil_the_text(sample):
    data = rezipped(docx(), "docProps/core.xml", lambda xml: b"<broken")
    assert sample.text(data, DOCX) == "Hello"


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE d [<!ENTITY x "' + "lol" * 1000 + '">]>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">',
    ],
)
def test_a_document_type_is_refused(sample, prolog):
    assert sample.failure(docx(paragraph("x"), prolog=prolog), DOCX) == "unsupported_feature"


@pytest.mark.parametrize("name", ["../../slip", "/abs", "a\\..\\..\\slip", "C:\\slip", "inner.zip", "word/media/x.GZ"])
def test_names_that_no_office_program_writes_are_a_bomb(sample, name):
    assert sample.failure(docx(extra={name: b"x"}), DOCX) == "archive_bomb"


def test_embedded_documents_are_left_alone(sample):
    assert sample.text(docx(extra={"word/embeddings/sheet.xlsx": docx()}), DOCX) == "Hello"


def test_what_unpacks_to_too_much_is_a_bomb(sample, monkeypatch):
    assert sample.failure(docx(extra={"word/media/a.bmp": bytes(2 << 20)}), DOCX) == "archive_bomb"
    monkeypatch.setattr(package, "MAX_MEMBERS", 3)
    assert sample.failure(docx(), DOCX) == "archive_bomb"
    monkeypatch.setattr(package, "MAX_MEMBERS", 100)
    monkeypatch.setattr(package, "MAX_UNPACKED_BYTES", 100)
    assert sample.failure(docx(), DOCX) == "archive_bomb"


def test_an_encrypted_member_is_a_bomb(sample):
    data = bytearray(docx())
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert sample.failure(bytes(data), DOCX) == "archive_bomb"


def test_members_that_share_bytes_are_a_bomb(sample):
    data = archive(a=b"0123456789" * 9)
    at = data.index(b"PK\1\2")
    entry, end = data[at : data.index(b"PK\5\6")], bytearray(data[data.index(b"PK\5\6") :])
    end[8:12] = b"\2\0\2\0"
    end[12] = 2 * len(entry)
    assert sample.failure(data[:at] + entry * 2 + bytes(end), DOCX) == "archive_bomb"


def test_a_member_that_lies_about_its_size_is_damage(sample):
    data = bytearray(docx(paragraph("x" * 5000)))
    at = data.rindex(b"PK\1\2", 0, data.rindex(b"word/document.xml"))
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert sample.failure(bytes(data), DOCX) == "corrupt_document"
