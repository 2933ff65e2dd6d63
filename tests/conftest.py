"""What every test may ask for: time that is passed in, an in-process Redis, a folder as store, and the app over them."""

from __future__ import annotations

from pathlib import Path

import fakeredis
import hypothesis
import pytest

from app import create_app
from app.adapters.blob_store import LocalBlobs
from app.services import Services
from app.settings import read_settings
from tests.s3_servers import running_minio, running_moto

hypothesis.settings.register_profile("ours", deadline=None, max_examples=50)  # no test depends on how fast it runs
hypothesis.settings.load_profile("ours")


#: Tests of real processes share two cores with each other: one that missed a deadline is asked again, and reported so.
ASKED_AGAIN = (
    "adapters/",
    "browser/",
    "clients/",
    "deploy/",
    "faults/",
    "live/",
    "spread/",
    "supervision/",
    "test_logs.py",
    "test_run_script.py",
    "web/test_server.py",
)


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        if item.path.relative_to(folder).as_posix().startswith(ASKED_AGAIN):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def moto():
    with running_moto() as server:
        yield server


@pytest.fixture(scope="session")
def minio(tmp_path_factory):
    with running_minio(tmp_path_factory.mktemp("minio") / "disk") as server:
        yield server


class Clock:
    """Milliseconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def settings(tmp_path):
    return read_settings(
        env_file=None,
        data_dir=tmp_path,
        min_free_bytes=0,
        sync_timeout=0,
        admin_token="a-token-for-tests-only",
        cron_secret="b-secret-for-tests-only",
    )


@pytest.fixture
def redis():
    return fakeredis.FakeRedis()


@pytest.fixture
def services(settings, redis, clock, tmp_path):
    made = Services(settings, client=redis, blobs=LocalBlobs(tmp_path / "blobs"), clock=clock)
    yield made
    made.close()


@pytest.fixture
def app(settings, services):
    return create_app(settings, services)


@pytest.fixture
def client(app):
    return app.test_client()
