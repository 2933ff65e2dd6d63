"""Through the nginx sample: large uploads, live events, long polls, slow clients, and who is told to have asked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import secrets
import select
import signal
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.errors import IngestError, QueueUnavailable, RequestRefused, ValidationFailed
from app.settings import Settings
from app.web.auth import COOKIE
from app.web.login import LOGINS_A_MINUTE
from app.web.problems import problem_document, status_of
from tests.deploy.conftest import program
from tests.deploy.proxy import NAME, SAMPLE, Proxy
from tests.processes import LIVE, SECRETS, Deployment, Process, eventually, free_port
from tests.samples.make_samples import pdf_of, stream

pytestmark = LIVE

MEGABYTE = 1024 * 1024
HALF_HEADS = 800
NORMAL_CLIENTS = 10


@dataclass
class Front:
    at: Deployment
    proxy: Proxy
    worker: Process


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    nginx = program("nginx", "nginx-light")
    folder = tmp_path_factory.mktemp("front")
    settings = {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": f"{NAME},127.0.0.1", "JOB_TIMEOUT": "120"}
    with Deployment(folder / "installation", settings) as at:
        at.web()
        worker, _ = at.warm_worker()
        proxy = Proxy(nginx, folder / "proxy", at.client.port)
        try:
            yield Front(at, proxy, worker)
        finally:
            proxy.stop()


def large_pdf(padding: int) -> bytes:
    """One page, and so many bytes that belong to nothing."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>"
    return pdf_of(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: page,
            4: stream(os.urandom(1024) * (padding // 1024)),
        }
    )


def test_an_upload_of_20_mb_arrives_whole(front: Front) -> None:
    data = large_pdf(20 * MEGABYTE)
    ended = front.at.client.until(front.proxy.client().upload(data, "large.pdf"))
    assert ended["status"] == "completed"
    assert ended["result"]["sha256"] == hashlib.sha256(data).hexdigest()


def test_events_and_long_polls_come_while_the_job_is_at_work(front: Front) -> None:
    """A stream that is held back would show its first event when the job has ended, which it can't before it is seen."""
    client = front.proxy.client()
    parser = front.at.parser_of(front.worker)
    os.kill(parser, signal.SIGSTOP)
    try:
        job_id = client.upload(b"one line", "held.txt")
        front.at.client.until(job_id, "processing")
        with client.stream(job_id) as stream, ThreadPoolExecutor(1) as pool:
            states = stream.states()
            assert next(states)["status"] == "processing"
            polled = pool.submit(client.ask, "GET", f"/api/ingest/status/{job_id}?wait=20")
            assert not polled.done()
            os.kill(parser, signal.SIGCONT)
            assert [state["status"] for state in states][-1] == "completed"
            assert polled.result().status == 200
    finally:
        os.kill(parser, signal.SIGCONT)


def test_ten_clients_are_served_beside_800_that_never_end_their_request_head(front: Front) -> None:
    """Guards worker_connections: with the 768 that Debian sets, these alone would fill a worker; and the cut of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * HALF_HEADS)), hard))
    silent = [socket.create_connection(("127.0.0.1", front.proxy.plain_port), timeout=60) for _ in range(HALF_HEADS)]
    try:
        for one in silent:
            one.sendall(b"GET / HTTP/1.1\r\nHost: files")

        def whole_way(number: int) -> str:
            client = front.proxy.client()
            job_id = client.upload(b"note %d" % number, f"{number}.txt")
            with client.stream(job_id) as stream:
                return [state["status"] for state in stream.states()][-1]

        with ThreadPoolExecutor(NORMAL_CLIENTS) as pool:
            assert list(pool.map(whole_way, range(NORMAL_CLIENTS))) == ["completed"] * NORMAL_CLIENTS
        left = set(silent)

        def all_cut() -> bool:
            poll = select.poll()
            by_number = {one.fileno(): one for one in left}
            for number in by_number:
                poll.register(number, select.POLLIN | select.POLLHUP)
            left.difference_update(by_number[number] for number, _ in poll.poll(0))
            return not left

        assert eventually(all_cut, what="the end of the silent clients")
    finally:
        for one in silent:
            one.close()


def test_an_upload_that_is_far_too_large_is_refused_at_its_head_in_our_shape(front: Front) -> None:
    connection = front.proxy.client().connection()
    connection.putrequest("PUT", "/api/ingest/start/large.bin")
    connection.putheader("Content-Length", str(200 * MEGABYTE))
    connection.endheaders(b"%PDF-1.7")
    response = connection.getresponse()
    document = json.loads(response.read())
    connection.close()
    assert (response.status, response.getheader("Content-Type")) == (413, "application/problem+json")
    assert document["error"]["code"] == "too_large"
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["instance"])


def test_the_session_of_an_admin_travels_on_tls_only(front: Front) -> None:
    client = front.proxy.client()
    login = client.ask(
        "POST",
        "/admin/login",
        f"token={SECRETS['ADMIN_TOKEN']}".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": client.origin},
    )
    assert login.status == 303
    cookie = login.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "; Secure" in cookie
    assert "max-age=" in login.headers["Strict-Transport-Security"]
    plain = front.proxy.plain_port
    with socket.create_connection(("127.0.0.1", plain), timeout=60) as direct:
        direct.sendall(f"GET /admin HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
        assert direct.recv(100).startswith(b"HTTP/1.1 308 ")


def test_a_page_of_another_site_changes_nothing(front: Front) -> None:
    client = front.proxy.client()
    for origin in ("https://evil.example", f"https://{NAME}.evil.example"):
        answer = client.ask("PUT", "/api/ingest/start/a.txt", b"text", headers={"Origin": origin})
        assert (answer.status, answer.code) == (403, "cross_site")
    assert client.ask("PUT", "/api/ingest/start/a.txt", b"text", headers={"Origin": client.origin}).status == 202


def test_who_asked_is_known_whatever_they_claim(front: Front) -> None:
    """Failed logins are counted for the address; a client that may choose its own could guess for ever."""
    address = (
        f"127.{secrets.randbelow(200) + 1}.{secrets.randbelow(256)}.2"  # the count outlasts a test that is asked again
    )
    guesser, other = front.proxy.client(address), front.proxy.client("127.0.0.3")

    def guess(client, claimed: str) -> int:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": claimed}
        return client.ask("POST", "/admin/login", b"token=wrong", headers=headers).status

    seen = [guess(guesser, f"198.51.100.{n}") for n in range(LOGINS_A_MINUTE + 1)]
    assert seen == [401] * LOGINS_A_MINUTE + [429]
    assert guess(other, address) == 401

    def told() -> list[str]:
        """nginx writes a line when the answer is sent, which may be after it was read here."""
        return [line for line in front.proxy.log_lines() if line.startswith(f"{address} ") and "/admin/login" in line]

    assert eventually(lambda: len(told()) == LOGINS_A_MINUTE + 1, what="a line for each")
    assert not [line for line in told() if "198.51.100." in line]


def test_a_request_has_one_id_in_the_log_of_nginx_and_in_the_answer(front: Front) -> None:
    claimed = str(uuid.uuid4())
    answer = front.proxy.client().ask("GET", "/api/nothing", headers={"X-Request-ID": claimed})
    told = answer.headers["X-Request-ID"]
    assert told != claimed
    assert answer.document["instance"] == f"urn:uuid:{told}"
    eventually(lambda: [line for line in front.proxy.log_lines() if line.endswith(f"request_id={told}")], what="a line")


def test_the_batch_is_called_from_this_machine_only_and_with_the_secret(front: Front) -> None:
    path, secret = "/api/cron/process-jobs", {"Authorization": f"Bearer {SECRETS['CRON_SECRET']}"}
    outside = front.proxy.client("127.0.0.2").ask("GET", path, headers=secret)
    assert (outside.status, outside.code) == (404, "not_found")
    assert front.proxy.client().ask("GET", path).status == 401
    assert front.proxy.client().ask("GET", path, headers=secret).status == 200


def test_who_asks_while_the_service_is_away_is_told_when_to_come_back(tmp_path: Path) -> None:
    proxy = Proxy(program("nginx", "nginx-light"), tmp_path / "proxy", free_port())
    try:
        answer = proxy.client().ask("GET", "/api/ingest/status/job_a")
    finally:
        proxy.stop()
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "overloaded", "5")


def test_what_nginx_says_by_itself_is_what_the_service_would_say() -> None:
    told = [json.loads(text) for text in re.findall(r"return \d+ '(\{.*\})';", SAMPLE.read_text())]
    ours: list[IngestError] = [
        ValidationFailed("too_large"),
        QueueUnavailable("overloaded"),
        RequestRefused("not_found"),
    ]
    assert [document.pop("instance") for document in told] == ["urn:uuid:$ingest_reference"] * len(told)
    known = [problem_document(error, status=status_of(error), reference=str(uuid.uuid4())) for error in ours]
    assert told == [{name: part for name, part in document.items() if name != "instance"} for document in known]


def test_the_size_it_lets_through_is_that_of_the_service() -> None:
    (size,) = re.findall(r"client_max_body_size (\d+)m;", SAMPLE.read_text())
    allowed = Settings.model_fields["max_upload_bytes"].default
    assert allowed < int(size) * MEGABYTE <= allowed + 2 * MEGABYTE
