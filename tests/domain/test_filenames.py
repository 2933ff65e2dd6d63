import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.filenames import LONGEST_NAME, clean_filename
from app.errors import ValidationFailed


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("script.pdf", "script.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\win.ini", "win.ini"),
        ("C:\\Users\\x\\a.pdf", "a.pdf"),
        ("\\\\host\\share\\a.pdf", "a.pdf"),
        ("file:///etc/passwd", "passwd"),
        ("a.pdf/", "a.pdf"),
        ("a\0.pdf", "a.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie: x=1.pdf"),
        ("../../b\r\n.html", "b.html"),
        ("\u202efdp.exe", "fdp.exe"),
        ("a\u200b\u2066b\ufeff\u2028.pdf", "ab.pdf"),
        ("\ud83d.txt", "_.txt"),
        ("x\ud83d.txt", "x.txt"),
        ("e\u0301.pdf", "\xe9.pdf"),
        ("e\u200d\u0301.pdf", "\xe9.pdf"),
        ("\U0001f600.pdf", "\U0001f600.pdf"),
        ("שלום.pdf", "שלום.pdf"),
        ("%2e%2e%2f.pdf", "%2e%2e%2f.pdf"),
        ("..%2F..%2Fb.html", "%2F..%2Fb.html"),
        ("CON.pdf", "_CON.pdf"),
        ("aux", "_aux"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.txt", "console.txt"),
        (".htaccess", "_.htaccess"),
        (" .pdf", "_.pdf"),
        ("..a.pdf", "a.pdf"),
        ("a.pdf.", "a.pdf"),
        ("a.PDF ", "a.PDF"),
        ("a \t  b.txt", "a b.txt"),
        ("<img src=x onerror=alert(1)>.pdf", "<img src=x onerror=alert(1)>.pdf"),
        ("{{7*7}}.pdf", "{{7*7}}.pdf"),
        ("$(id).pdf", "$(id).pdf"),
        ("-rf.pdf", "-rf.pdf"),
        ("=cmd|x.csv", "=cmd|x.csv"),
        ("\uff0e\uff0e\uff0fx.pdf", "\uff0e\uff0e\uff0fx.pdf"),
    ],
)
def test_a_name_is_made_clean(raw, clean):
    assert clean_filename(raw) == clean


@pytest.mark.parametrize("raw", ["", ".", "..", "...", " . . ", "/", "\\", "a/..", "\0\r\n", "\u202e\u200b", "\ud83d"])
def test_a_name_of_which_nothing_is_left_is_refused(raw):
    with pytest.raises(ValidationFailed) as caught:
        clean_filename(raw)
    assert (caught.value.code, caught.value.field) == ("invalid_field", "file")


def test_a_long_name_keeps_its_extension():
    assert clean_filename("a" * 255 + ".pdf") == "a" * 196 + ".pdf"
    assert clean_filename("\xe9" * 130 + ".docx") == "\xe9" * 97 + ".docx"


def test_what_is_too_long_for_an_extension_is_cut_like_the_rest():
    assert clean_filename("a." + "b" * 500) == "a." + "b" * 198


def test_a_name_of_a_megabyte_is_cut():
    assert clean_filename("x/" * 500_000 + "e" + "\u0301\u0316" * 500_000 + ".txt").endswith(".txt")


@given(st.text(st.characters(), max_size=300))
def test_whatever_is_sent_the_clean_name_is_clean_and_stays_the_same(raw):
    try:
        name = clean_filename(raw)
    except ValidationFailed:
        return
    assert clean_filename(name) == name
    assert len(name.encode()) <= LONGEST_NAME
    assert unicodedata.is_normalized("NFC", name)
    assert not set("/\\") & set(name)
    assert not name.startswith(".")
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in name)
