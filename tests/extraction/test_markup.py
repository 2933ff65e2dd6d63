import pytest

from app.extraction import markup

HTML = "text/html"


def test_what_a_browser_shows_is_read_and_nothing_else(sample):
    page = """<!doctype html><head><title>A &amp; B</title><style>p{}</style><script>alert(1)</script></head>
    <body><h1>Head</h1><p>One<br>two <b>three</b>\n four</p><!-- no --><div hidden>no<p>no</p></div>
    <noscript>no</noscript><template>no</template><ul><li>a<li>b</ul><pre>x\n  y</pre>&lt;end&gt;"""
    assert sample.text(page.encode(), HTML) == "Head\n\nOne\ntwo three four\n\na\nb\n\nx\n  y\n\n<end>"
    assert sample.job.title == "A & B"


def test_a_table_row_is_a_line_unless_it_holds_more(sample):
    table = "<table><tr><th>a<th>b<tr><td>1<td><p>2</p><tr><td>x<td><p>y</p><p>z</p></table>"
    assert sample.text(table.encode(), HTML) == "a\tb\n1\t2\nx\ny\nz"


def test_author_and_description_are_kept(sample):
    sample.text(b'<meta name=Author content=" Some  Body "><meta name=description content="About it"><p>x', HTML)
    assert sample.job.author == "Some Body"
    assert sample.job.metadata == {"description": "About it"}


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="iso-8859-1">', "latin-1"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1252">', "cp1252"),
        ('<?xml version="1.0" encoding="ISO-8859-15"?>', "iso-8859-15"),
        ("<meta charset=latin1>", "utf-8"),  # the label lies
        ("<meta charset=unicode_escape>", "utf-8"),
        ("<meta charset=no-such-thing>", "utf-8"),
        ("", "utf-8"),
        ("", "utf-16"),
    ],
)
def test_the_encoding_is_found(sample, head, encoding):
    assert sample.text(f"{head}<p>größer, schöner".encode(encoding), HTML) == "größer, schöner"


@pytest.mark.parametrize("tag", ["div", "b", "table", "tr", "tr><td", "pre", "template"])
def test_any_depth_of_nesting_is_read(sample, tag):
    assert sample.pages(f"<p>start<{tag}>".encode() + f"<{tag}>".encode() * 20_000 + b"x", HTML)


@pytest.mark.parametrize("data", [b"", b"<", b"<<<<", b"<!--", b"plain text", b"\x00", b"&#0;&#xd800;&#x110000;"])
def test_no_html_is_an_empty_or_a_plain_page(sample, data):
    assert len(sample.pages(data, HTML)) == 1


def test_controls_do_not_pass_as_entities(sample):
    assert sample.text(b"<p>a&#12;b&#7;c&#x85;d", HTML).isprintable()


def test_more_bytes_than_allowed_are_refused(sample, monkeypatch):
    monkeypatch.setattr(markup, "MAX_BYTES", 10)
    assert sample.failure(b"<p>12345678", HTML) == "resource_limit"
