"""What the tests of the readers share: bytes in, pages out."""

from pathlib import Path

import pytest

from app.errors import ExtractionFailed
from app.extraction import Extraction, Limits, Page


class Sample:
    """Reads bytes as a file of some type; afterwards `job` holds what was learnt."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sample"
        self.job = Extraction(self._path, "")

    def pages(self, data: bytes, media_type: str, *, engine: str = "", first: int = 1, **limits: int) -> list[Page]:
        self._path.write_bytes(data)
        self.job = Extraction(self._path, media_type, Limits(**limits), first_page=first, engine=engine)
        return list(self.job.pages())

    def texts(self, data: bytes, media_type: str, **options) -> list[str]:
        return [page.text for page in self.pages(data, media_type, **options)]

    def text(self, data: bytes, media_type: str, **options) -> str:
        (text,) = self.texts(data, media_type, **options)
        return text

    def failure(self, data: bytes, media_type: str, **options) -> str:
        with pytest.raises(ExtractionFailed) as caught:
            self.pages(data, media_type, **options)
        return caught.value.code
