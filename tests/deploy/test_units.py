"""The systemd units are sound, tight, and let the service work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.stopper import STOP_GRACE_SECONDS
from tests.deploy.units import SERVICES, UNITS, command_of, install, lines_of, values_of
from tests.processes import LIVE, Deployment, Process, children_of
from tests.samples.make_samples import samples

#: systemd's own scale goes from 0 to 10; what is below 4 it calls ok.
MOST_EXPOSED = 4.0


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_is_hardened(analyze: str, service: str, tmp_path: Path) -> None:
    install(tmp_path)
    unit = tmp_path / service.replace("@.", "@1.")
    (tmp_path / service).rename(unit)
    told = subprocess.run(
        [analyze, "security", "--no-pager", "--offline=true", str(unit)],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert exposure, told.stderr
    assert float(exposure[1]) < MOST_EXPOSED


def test_the_units_are_sound(analyze: str, tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "ingest-worker@.service").rename(tmp_path / "ingest-worker@1.service")
    units = [str(path) for path in tmp_path.glob("*.*") if path.is_file()]
    assert len(units) == 5
    told = subprocess.run(
        [analyze, "verify", *units],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert [line for line in told.stderr.splitlines() if "ingest" in line] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_gives_the_job_in_hand_its_grace(service: str) -> None:
    """The signal must not reach the parser child, and the end must not come before the grace is over."""
    assert values_of(service, "KillMode") == ["mixed"]
    assert values_of(service, "KillSignal") == ["SIGTERM"]
    (stop,) = values_of(service, "TimeoutStopSec")
    assert float(stop) >= 3 * STOP_GRACE_SECONDS


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_holds_no_secret_and_comes_back_by_itself(service: str) -> None:
    assert not [
        line for line in lines_of(service) if re.search(r"(TOKEN|SECRET|PASSWORD|REDIS_URL)", line[1] + line[2])
    ]
    assert values_of(service, "EnvironmentFile") == ["/etc/ingest/ingest.env"]
    assert values_of(service, "Restart") == ["always"]
    assert values_of(service, "StartLimitIntervalSec") == ["0"]
    assert values_of(service, "RestartPreventExitStatus") == ["2"]


def test_the_units_start_what_there_is() -> None:
    commands = [command_of(service) for service in SERVICES]
    assert sorted(command[-1] for command in commands) == ["app:create_app()", "scheduler.py", "worker.py"]
    assert "ListenStream=127.0.0.1:8000" in (UNITS / "ingest-web.socket").read_text()


def sandboxed(at: Deployment, name: str) -> Process:
    return at.start("tests/deploy/sandboxed.py", f"ingest-{name}.service")


def is_confined(pid: int) -> bool:
    return "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()


class TestInTheSandbox:
    pytestmark = LIVE

    @pytest.mark.usefixtures("analyze", "seccomp")
    def test_a_job_goes_through_all_of_it(self, deploy: Callable[..., Deployment]) -> None:
        """Guards against a filter that takes from a process what it needs, its parser child above all."""
        at = deploy()
        web, worker, scheduler = (sandboxed(at, name) for name in ("web", "worker@", "scheduler"))
        at.until_answered(web)
        files = {name: samples()[name] for name in ("two-pages.pdf", "report.docx", "page.html", "table.csv")}
        sent = {name: at.client.upload(data, name) for name, data in files.items()}
        assert {name: at.client.until(job_id)["status"] for name, job_id in sent.items()} == dict.fromkeys(
            files, "completed"
        )
        confined = [web.pid, *children_of(web.pid), worker.pid, *children_of(worker.pid), scheduler.pid]
        assert len(confined) == 5
        assert all(map(is_confined, confined))
        assert at.client.batch().status == 200
        assert scheduler.is_alive
