"""S3 for tests: moto in this process, a real MinIO beside it, and buckets in them that no other test has."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.tether import tethered
from app.settings import S3Place, read_settings
from tests.processes import eventually, free_port

ACCESS_KEY, SECRET_KEY = "a-key-of-tests", "a-secret-of-tests-0815"


def minio_binary() -> str:
    """Built by `.ci/minio`; without one the test is skipped, and fails where it has to run."""
    kept = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "async-file-ingestion"
    built = sorted(map(str, kept.glob("minio-*/minio")))
    candidates = [
        os.environ.get("MINIO_BINARY"),
        shutil.which("minio"),
        str(Path("~/go/bin/minio").expanduser()),
        *built,
    ]
    for path in candidates:
        if path and os.access(path, os.X_OK):
            return path
    reason = "there is no MinIO server: .ci/minio builds one with Go and prints its path"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class S3Server:
    """An address that speaks S3, and where its `https://` comes from."""

    endpoint: str
    ca_file: Path | None = None

    def environment(self, bucket: str) -> dict[str, str]:
        names = {
            "S3_ENDPOINT": self.endpoint,
            "S3_BUCKET": bucket,
            "S3_ACCESS_KEY": ACCESS_KEY,
            "S3_SECRET_KEY": SECRET_KEY,
        }
        return names | ({"S3_CA_FILE": str(self.ca_file)} if self.ca_file else {})

    def place(self, bucket: str = "") -> S3Place:
        """A bucket of its own for each call that names none."""
        names = self.environment(bucket or f"tests-{secrets.token_hex(8)}")
        place = read_settings(env_file=None, **{name.lower(): value for name, value in names.items()}).s3
        assert place
        return place


class MinioServer:
    """A server over a folder of its own; `certificates` holds its `public.crt`, `private.key` and `ca.pem`."""

    def __init__(self, folder: Path, *, certificates: Path | None = None) -> None:
        self._binary, self._folder, self._certificates = minio_binary(), folder, certificates
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        folder.mkdir(parents=True)

    def start(self) -> S3Server:
        """On a free port; the next one if somebody else was faster."""
        for _ in range(5):
            port = self._port = free_port()
            server = S3Server(
                f"{'https' if self._certificates else 'http'}://127.0.0.1:{port}",
                self._certificates / "ca.pem" if self._certificates else None,
            )
            process = self._process = self._run(port)
            eventually(lambda: process.poll() is not None or _is_up(server), what="MinIO")  # noqa: B023
            if process.poll() is None:
                return server
        raise AssertionError(f"MinIO does not start: {self._log.read_text(errors='replace')[-2000:]}")

    def start_again(self) -> None:
        """Where it was; whether it answers is not waited for."""
        self._process = self._run(self._port)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def _log(self) -> Path:
        return self._folder.with_suffix(".log")

    def _run(self, port: int) -> subprocess.Popen[bytes]:
        tls = ["--certs-dir", str(self._certificates)] if self._certificates else []
        with self._log.open("ab") as log:
            return subprocess.Popen(
                tethered([self._binary, "server", *tls, "--address", f"127.0.0.1:{port}", str(self._folder)]),
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self._folder),
                    "MINIO_ROOT_USER": ACCESS_KEY,
                    "MINIO_ROOT_PASSWORD": SECRET_KEY,
                    "MINIO_UPDATE": "off",
                    "MINIO_BROWSER": "off",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(30)


@contextlib.contextmanager
def running_minio(folder: Path, *, certificates: Path | None = None) -> Iterator[S3Server]:
    minio = MinioServer(folder, certificates=certificates)
    try:
        yield minio.start()
    finally:
        minio.stop()


def _is_up(server: S3Server) -> bool:
    context = ssl.create_default_context(cafile=server.ca_file) if server.ca_file else None
    try:
        with urllib.request.urlopen(f"{server.endpoint}/minio/health/live", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextlib.contextmanager
def running_moto() -> Iterator[S3Server]:
    """In this process: a server of Python's, for what needs no real one."""
    from moto.server import ThreadedMotoServer  # it takes two seconds to load

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()
