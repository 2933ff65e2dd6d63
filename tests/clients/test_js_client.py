"""The ES module in Node against the running service; what needs no other process is tested in ingest.test.mjs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import MOST_BYTES, restart_web, resume
from tests.processes import LIVE, SECRETS, Deployment, eventually
from tests.proxy import Proxy

NODE = shutil.which("node")
pytestmark = [
    *LIVE,
    pytest.mark.skipif(NODE is None and os.environ.get("CI") != "true", reason="needs node on the PATH"),
]
HERE = Path(__file__).parent
TESTS = HERE / "ingest.test.mjs"


def test_it_does_what_it_says_over_a_network_that_breaks(at: Deployment) -> None:
    assert NODE, "node is not on the PATH"
    more = {"INGEST_URL": at.client.url, "ADMIN_TOKEN": SECRETS["ADMIN_TOKEN"], "MOST_BYTES": str(MOST_BYTES)}
    said = subprocess.run(
        [NODE, "--test", str(TESTS)],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    written = len(re.findall(r"^test\(", TESTS.read_text(), re.MULTILINE))
    assert f"pass {written}\n" in said.stdout, said.stdout


@pytest.mark.usefixtures("low_is_paused")
def test_watching_outlasts_a_broken_connection_and_a_restart_of_the_service(
    at: Deployment, proxy: Proxy, tmp_path: Path
) -> None:
    assert NODE, "node is not on the PATH"
    job = at.client.ask("PUT", "/api/ingest/start/note.txt?priority=low", b"a few words").document["jobId"]
    said, troubles = tmp_path / "said", tmp_path / "troubles"
    with said.open("w") as out, troubles.open("w") as err:
        process = subprocess.Popen([NODE, str(HERE / "watch_job.mjs"), proxy.endpoint, job], stdout=out, stderr=err)
    try:
        eventually(lambda: said.read_text() == "1\n", what="the first event")
        proxy.heals()  # resets what is connected
        restart_web(at)
        resume(at)
        assert process.wait(90) == 0, troubles.read_text()
    finally:
        process.kill()
        process.wait()
    *versions, end = said.read_text().split()
    assert end == "completed"
    last = at.client.status(job)["version"]
    assert versions == [str(number) for number in range(1, last + 1)], "none twice, none left out"
