import pytest

from tests.extraction.reading import Sample


@pytest.fixture
def sample(tmp_path):
    return Sample(tmp_path)
