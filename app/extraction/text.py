"""Plain text, Markdown, CSV and JSON: find the encoding, then hand the text on as it is written.

Pages are what form feeds separate (as in old printouts), or pieces of bounded size cut at line ends.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from app.errors import ExtractionFailed
from app.extraction import Extraction, Page
from app.extraction.paging import cut, number_pages
from app.extraction.plain import clean, clean_field

MAX_BYTES = 50 * 1024 * 1024

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 16 * 1024
_MARKDOWN_TITLE = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")


def read(job: Extraction) -> Iterator[Page]:
    """Yield the pages of a text; raises ``resource_limit`` above 50 MiB, ``corrupt_document`` if it is no text."""
    data = read_at_most(job, MAX_BYTES)
    text = decode(data)
    if job.media_type == "application/json":
        check_json(text)
    elif job.media_type == "text/markdown" and (heading := _MARKDOWN_TITLE.search(text, 0, 4096)):
        job.title = clean_field(heading[1])
    pages = [page for sheet in text.rstrip("\f\n").split("\f") for page in cut(clean(sheet))]
    job.engine = "text"
    job.total = min(len(pages), job.limits.max_pages)
    return number_pages(job, pages)


def read_at_most(job: Extraction, limit: int) -> bytes:
    """Return the bytes of the file; raises ``resource_limit`` if there are more than `limit`."""
    with job.path.open("rb", buffering=0) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ExtractionFailed("resource_limit")
    return data


def decode(data: bytes) -> str:
    """Return the text that the bytes hold, by their mark, as UTF-8, or in the encoding that fits best."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _printable(data[len(mark) :] if encoding == "utf-8" else data, encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _printable(data, guess_encoding(data, error.start))


def _printable(data: bytes, encoding: str) -> str:
    text = data.decode(encoding, "replace")
    # One character in ten that no text holds: whatever this is, handing it on as text helps nobody.
    if len(_CONTROLS.findall(text)) * 10 > len(text):
        raise ExtractionFailed("corrupt_document")
    return text


def guess_encoding(data: bytes, first_error: int) -> str:
    """Return the encoding that fits bytes which are not UTF-8 from `first_error` on."""
    around = data[max(0, first_error - _SAMPLE) : first_error + _SAMPLE]
    # Bytes of other encodings hardly ever form UTF-8 sequences; where most do, a few bytes are broken, no more.
    text = around.decode("utf-8", "ignore")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    broken = around.decode("utf-8", "replace").count("\ufffd") - text.count("\ufffd")
    if beyond_ascii > 4 * broken:
        return "utf-8"
    from charset_normalizer import from_bytes  # 40 ms and 5 MB that most files do not need

    best = from_bytes(around).best()
    if best is None:
        raise ExtractionFailed("corrupt_document")
    return best.encoding


def check_json(text: str) -> None:
    """Raise ``corrupt_document`` unless `text` is JSON, ``unsupported_feature`` if it is nested too deeply.

    Nothing is kept of what is parsed: objects become None and numbers small integers, so that a large file needs
    little more memory than its text. (`len` makes numbers of digits without the cost, and the limit, of `int`.)
    """
    try:
        json.loads(text, object_pairs_hook=lambda pairs: None, parse_int=len, parse_float=len)
    except ValueError as error:
        raise ExtractionFailed("corrupt_document") from error
    except RecursionError as error:
        raise ExtractionFailed("unsupported_feature") from error
