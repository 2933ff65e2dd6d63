"""Is this machine, and what is set for it, fit for the service: address, secrets, limits, memory, packages, containment."""

from __future__ import annotations

import os
import re
import resource
import stat
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from app.adapters.parser_process import MEMORY_BYTES
from app.settings import ROOT, Settings
from app.supervision.claim import CannotRun, check_port
from app.supervision.findings import Finding, advice, fine, wrong
from app.supervision.readiness import ask, is_loopback

_MIB = 1024 * 1024
#: What a worker process and its share of everything else take beside the parser (bytes, measured; see docs/operations.md).
WORKER_BYTES = 64 * _MIB
#: Descriptors that a web process needs beside one for each connection: files of uploads, Redis, the rest.
OTHER_DESCRIPTORS = 128
#: Connections that wait beside those that hold a thread (see gunicorn.conf.py).
IDLE_CONNECTIONS = 512


def of_address(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.host}:{settings.port}"
    answer = ask(settings)
    if answer.ready:
        yield fine("address", f"the service answers at {where}")
    else:
        try:
            check_port(settings.host, settings.port)
            yield fine("address", f"{where} is free")
        except CannotRun as reason:
            why = f"what is there is not ready: {answer.reason}"
            yield wrong("address", str(reason).partition(":")[0], why=why, do=str(reason).partition(": ")[2])
    yield from of_proxies(settings)


def of_proxies(settings: Settings) -> Iterator[Finding]:
    """What HOST, TRUSTED_PROXIES and TRUSTED_HOSTS say together."""
    if is_loopback(settings.host):
        if settings.trusted_proxies and not settings.trusted_hosts:
            yield _hosts_not_named("on loopback only loopback names are answered, unless the proxy's names are told")
        return
    if not settings.trusted_proxies:
        yield advice(
            "proxy",
            f"HOST {settings.host} can be reached from elsewhere, without a proxy",
            why="secrets and files pass unencrypted, and slow clients hold threads",
            do="set HOST to 127.0.0.1, put a proxy with TLS in front, and set TRUSTED_PROXIES to 1",
        )
    else:
        yield advice(
            "proxy",
            f"HOST {settings.host} can be reached beside the proxy",
            why="whoever reaches it directly can pretend to have any address",
            do="let only the proxy reach it (firewall, private network, or HOST=127.0.0.1)",
        )
    if not settings.trusted_hosts:
        yield _hosts_not_named("requests for any host name are answered")


def _hosts_not_named(why: str) -> Finding:
    return advice("proxy", "TRUSTED_HOSTS is not set", why=why, do="set TRUSTED_HOSTS to the names that people use")


def of_secrets(settings: Settings) -> Iterator[Finding]:
    """That they are long enough is seen when the settings are read."""
    secrets = {name: getattr(settings, name) for name in ("admin_token", "cron_secret", "metrics_token")}
    values = [secret.get_secret_value() for secret in secrets.values() if secret]
    if len(set(values)) < len(values):
        yield wrong(
            "secrets",
            "two secrets have the same value",
            why="who holds the lesser one holds the other",
            do="make each by itself: openssl rand -hex 24",
        )
    for name in ("admin_token", "cron_secret"):
        kept = settings.data_dir / name.replace("_", "-")
        if secrets[name]:
            yield fine("secrets", f"{name.upper()} is set")
        elif kept.exists():
            yield fine("secrets", f"{name.upper()} is the one that ./run keeps in {kept}")
        elif settings.redis_url is None:
            yield fine("secrets", f"{name.upper()} is not set; ./run makes one")
        else:
            yield advice(
                "secrets",
                f"{name.upper()} is not set",
                why="./run makes one; processes that are started by themselves leave what it guards closed",
                do="set it to what openssl rand -hex 24 prints",
            )
    yield from _env_file(ROOT / ".env")


def _env_file(path: Path) -> Iterator[Finding]:
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield advice("secrets", f"{path} can be read by others", why="it may hold secrets", do=f"chmod 600 {path}")


def of_limits(settings: Settings) -> Iterator[Finding]:
    needed = settings.web_threads + IDLE_CONNECTIONS + settings.web_threads // 2 + OTHER_DESCRIPTORS
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        yield advice(
            "limits",
            f"a process may open {allowed} files, the web server may want {needed}",
            why="beyond that connections are not accepted",
            do=f"ulimit -n {needed}, LimitNOFILE={needed} in the unit, or fewer WEB_THREADS",
        )
    else:
        yield fine("limits", f"a process may open {allowed} files")
    yield from of_memory(settings.workers, total_memory())


def total_memory() -> int:
    """Bytes that this machine, or the group of processes that this one is in, may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            machine = min(machine, int(Path(path).read_text()))
        except (OSError, ValueError):  # another kind of group, or no limit
            continue
    return machine


def of_memory(workers: int, total: int) -> Iterator[Finding]:
    most = workers * (MEMORY_BYTES + WORKER_BYTES)
    if workers == 0:
        yield advice(
            "workers",
            "WORKERS is 0",
            why="only the minute batch reads files, a few each minute",
            do="set WORKERS, or start workers elsewhere",
        )
    elif most > total:
        yield advice(
            "workers",
            f"{workers} workers may take {most // _MIB:,} MiB with the hardest files, and there are {total // _MIB:,}",
            why="what is killed for memory is tried again elsewhere, at the cost of time",
            do=f"set WORKERS to {max(1, total // (MEMORY_BYTES + WORKER_BYTES))}",
        )
    else:
        yield fine("workers", f"{workers} workers fit into {total // _MIB:,} MiB with the hardest files")


def of_packages(lock: Path) -> Iterator[Finding]:
    """What is installed against what the lock pins; a package that this platform does not need is not missed."""
    other = [
        f"{name} {found}" for name, pins in _pins(lock).items() if (found := _installed(name)) not in (None, *pins)
    ]
    if other:
        yield advice(
            "packages",
            f"{len(other)} packages are not those of {lock.name}: {', '.join(other[:5])}",
            why="other versions were not tried together",
            do="remove .venv and start ./run, or install the lock with --require-hashes",
        )
    else:
        yield fine("packages", f"all that is installed is as {lock.name} pins it")


def _pins(lock: Path) -> dict[str, list[str]]:
    """The versions of each package; several where it depends on the platform or the Python."""
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock.read_text(), re.MULTILINE):
        pins.setdefault(name, []).append(version)
    return pins


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
