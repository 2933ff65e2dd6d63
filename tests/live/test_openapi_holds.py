"""The running service is what /openapi.json says: schemathesis makes requests from the description, right and wrong ones,
follows its links, and holds every answer against it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import ROOT
from app.web.openapi.routes import ROUTES
from tests.processes import LIVE, SECRETS, Deployment

FOUND = importlib.util.find_spec("schemathesis")
pytestmark = [
    *LIVE,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="schemathesis 4 needs Python 3.11"),
    pytest.mark.skipif(FOUND is None and os.environ.get("CI") != "true", reason="schemathesis is not installed"),
]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Deployment]:
    """Commands of the operator are only tried (`dryRun`), or what they pause would stop the others."""
    settings = {"ADMIN_READ_ONLY": "true", "SYNC_TIMEOUT": "1", "MAX_UPLOAD_BYTES": "1000000"}
    with Deployment(tmp_path / "service", settings) as made:
        made.web()
        made.worker()
        yield made


def test_every_answer_is_one_that_the_description_allows(at: Deployment, tmp_path: Path) -> None:
    job = at.client.upload(b"# Notes\n\nCall the printer on Monday.", "notes.md")
    at.client.until(job, "completed")
    command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    command += ["--config-file", str(CONFIGURATION), "run", f"{at.client.url}/openapi.json", "--no-color"]
    environment = {**os.environ, **SECRETS, "JOB": job, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert said.returncode == 0, said.stdout + said.stderr
    others = [route for route in ROUTES if route.path != "/openapi.json"]  # where it reads the description itself
    assert f"Tested: {len(others)}\n" in said.stdout, said.stdout
    assert "API Links:    0 covered" not in said.stdout, said.stdout
