"""The nginx sample of `deploy/` as a running proxy, with certificates made for it, and clients that come through it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

import trustme

from app.adapters.tether import tethered
from app.settings import ROOT
from tests.processes import STOP_SECONDS, Answer, Stream, eventually, free_port

SAMPLE = ROOT / "deploy" / "nginx.conf"
NAME = "files.example.org"
#: How long a request head may take here, so that a test does not wait for the sample's ten seconds.
HEAD_SECONDS = 4


class Proxy:
    """nginx as the sample has it, but for what belongs to a machine: user, ports, folders, certificates."""

    def __init__(self, program: str, folder: Path, upstream: int) -> None:
        self.folder, self.port, self.plain_port = folder, free_port(), free_port()
        folder.mkdir()
        folder.chmod(0o755)
        self._authority = trustme.CA()
        certificate = self._authority.issue_cert(NAME)
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(folder / "fullchain.pem", append=True)
        config = folder / "nginx.conf"
        config.write_text(self._configuration(upstream))
        command = [program, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log"), "-g", "daemon off;"]
        self._process = subprocess.Popen(tethered(command), stdin=subprocess.DEVNULL)
        try:
            eventually(self._listens, what="nginx")
        except BaseException:
            self.stop()
            raise

    def _configuration(self, upstream: int) -> str:
        text = SAMPLE.read_text()
        places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"    {place}_temp_path {self.folder}/{place};\n" for place in places)
        for old, new in {
            "user www-data;\n": "user root;\n" if os.geteuid() == 0 else "",
            "worker_processes auto;": "worker_processes 1;",  # so that the numbers count that the sample gives to each
            "pid /run/": f"pid {self.folder}/",
            "/var/log/nginx/": f"{self.folder}/",
            "/etc/ingest/tls/": f"{self.folder}/",
            "listen [::]:": "# listen [::]:",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "server 127.0.0.1:8000 ": f"server 127.0.0.1:{upstream} ",
            "client_header_timeout 10s;": f"client_header_timeout {HEAD_SECONDS}s;",
            "http {\n": "http {\n" + temporary,
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self.folder / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def log_lines(self) -> list[str]:
        return (self.folder / "access.log").read_text().splitlines()

    def client(self, source: str = "127.0.0.1") -> ProxyClient:
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return ProxyClient(self.port, context, source)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(STOP_SECONDS)


class _Connection(http.client.HTTPSConnection):
    """To the proxy on loopback, which is asked for by its name."""

    def __init__(self, port: int, context: ssl.SSLContext, source: str) -> None:
        super().__init__(NAME, port, timeout=60, context=context)
        self._tls, self._source = context, source

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout, (self._source, 0))
        self.sock = self._tls.wrap_socket(plain, server_hostname=NAME)


class ProxyClient:
    """Somebody outside; `source` is the address they come from."""

    def __init__(self, port: int, context: ssl.SSLContext, source: str) -> None:
        self.port, self._context, self._source = port, context, source
        self.origin = f"https://{NAME}:{port}"

    def connection(self) -> http.client.HTTPSConnection:
        return _Connection(self.port, self._context, self._source)

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def upload(self, data: bytes, name: str) -> str:
        answer = self.ask("PUT", f"/api/ingest/start/{name}", data)
        assert answer.status == 202, answer
        return str(answer.document["jobId"])

    def stream(self, job_id: str) -> Stream:
        return Stream(self.connection(), job_id)
