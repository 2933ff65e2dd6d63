"""docker-compose.yml and the Dockerfile: what they start is pinned, confined, watched, and has no secret by default."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import ROOT, Settings

COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = {name.upper() for name in Settings.model_fields}
Service = dict[str, Any]

#: It gives a volume to its user once, and ends: nothing of it can be asked whether it is well.
ENDS_BY_ITSELF = "files-owner"
SERVICES = ("web", "worker", "scheduler", "valkey", "minio", ENDS_BY_ITSELF)
PINNED = re.compile(r"[\w./-]+:(\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT[\d-]+Z)[\w.-]*")


@cache
def services() -> dict[str, Service]:
    found: dict[str, Service] = yaml.safe_load(COMPOSE)["services"]
    return found


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    return services()[request.param]


def test_it_starts_what_a_deployment_consists_of() -> None:
    assert sorted(services()) == sorted(SERVICES)


def test_images_are_pinned_to_a_version() -> None:
    images = [re.sub(r"\$\{\w+:-(.+)\}", r"\1", service["image"]) for service in services().values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_a_container_has_no_privileges_and_nothing_to_write_to_but_its_volumes(service: Service) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("privileged") is None


def test_only_the_one_that_hands_over_a_volume_is_root() -> None:
    roots = {name for name, service in services().items() if service["user"].split(":")[0] in ("0", "root")}
    assert roots == {ENDS_BY_ITSELF}
    assert services()[ENDS_BY_ITSELF]["network_mode"] == "none"
    assert "USER 10001" in DOCKERFILE.rpartition("FROM ")[2]


def test_a_container_has_limits(service: Service) -> None:
    limits = service["deploy"]["resources"]["limits"]
    assert sorted(limits) == ["cpus", "memory", "pids"]


def test_whether_a_container_is_well_is_looked_at() -> None:
    checks = {name: service.get("healthcheck") for name, service in services().items() if name != ENDS_BY_ITSELF}
    assert [name for name, check in checks.items() if not check or not check["test"]] == []


def test_python_in_a_health_check_is_python() -> None:
    scripts = [
        check["test"][-1] for s in services().values() if (check := s.get("healthcheck")) and "-c" in check["test"]
    ]
    assert len(scripts) == 3
    for script in scripts:
        compile(script, "healthcheck", "exec")


def test_ports_are_on_loopback_only() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_no_secret_has_a_default() -> None:
    uses = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE)
    secrets = {name: rest for name, rest in uses if name.endswith(("PASSWORD", "TOKEN", "SECRET", "KEY"))}
    assert sorted(secrets) == ["ADMIN_TOKEN", "CRON_SECRET", "REDIS_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY"]
    assert [name for name, rest in secrets.items() if not rest.startswith(":?")] == []


def test_what_it_asks_for_is_told_in_the_example() -> None:
    told = set(re.findall(r"^# ?([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    own = {"REDIS_PASSWORD", "S3_IMAGE", "S3_CONSOLE_PORT"}
    assert asked - SETTINGS == own
    assert own <= told


def test_what_a_process_is_given_are_settings_of_ours() -> None:
    given = services()["web"]["environment"]
    assert set(given) <= SETTINGS
    assert services()["worker"]["environment"] == services()["scheduler"]["environment"] == given


def test_the_image_is_built_from_the_lock_with_hashes() -> None:
    _, first, last = DOCKERFILE.split("\nFROM ")
    assert "--require-hashes -r /requirements.lock" in first
    assert "pip uninstall" in last
    assert not re.search(r"\b(apt-get|gcc|build-essential)\b", last)


def test_what_the_image_copies_is_there_and_let_through() -> None:
    sources = [
        source for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
    ]
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    assert sources
    assert [source for source in sources if f"!{source}" not in let_through or not (ROOT / source).exists()] == []


def test_compose_accepts_the_file(tmp_path: Path) -> None:
    """Nothing is started: the command reads the file and fills in what is asked for."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    secrets = dict.fromkeys(re.findall(r"\$\{(\w+):\?", COMPOSE), "a-secret-of-this-test")
    told = subprocess.run(
        [docker, "compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), **secrets},
        capture_output=True,
        text=True,
    )
    assert (told.returncode, told.stderr) == (0, "")
