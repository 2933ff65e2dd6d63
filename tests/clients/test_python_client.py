"""The Python client against the running service, over a network that breaks."""

from __future__ import annotations

import ast
import io
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints, is_typeddict

import pytest

from app.settings import ROOT
from app.web import schemas
from clients.python.ingest_client import Client, IngestError, documents, transport
from tests.clients.conftest import MOST_BYTES, jobs_of, restart_web, resume
from tests.processes import LIVE, Deployment
from tests.proxy import Proxy, cut_down, cut_up, failing

pytestmark = LIVE
#: The types that have a model of the same name.
DOCUMENTS = [name for name in vars(documents) if is_typeddict(getattr(documents, name)) and hasattr(schemas, name)]
PACKAGE = ROOT / "clients" / "python" / "ingest_client"


@pytest.fixture
def client(proxy: Proxy) -> Client:
    made = Client(proxy.endpoint)
    with pytest.raises(IngestError):
        made.status("nothing")  # somebody is there: from now on it has patience
    return made


# ---- upload ----------------------------------------------------------------------------------------------------


def test_a_file_goes_up_and_its_text_comes_back(at: Deployment, client: Client, file: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    job = client.upload(file, priority="high", user_id="ada", progress=lambda sent, size: told.append((sent, size)))
    end = client.wait(job["jobId"])
    assert (end["status"], end["file"]["name"], end["priority"], end["userId"]) == (
        "completed",
        "long & wide.txt",
        "high",
        "ada",
    )
    size = file.stat().st_size
    assert told[-1] == (size, size)
    assert [sent for sent, _ in told] == sorted({sent for sent, _ in told})
    assert client.save(job["jobId"], tmp_path / "text") == (tmp_path / "text").stat().st_size
    whole = (tmp_path / "text").read_text()
    assert (whole.split(), client.text(job["jobId"])) == (file.read_text().split(), whole)
    result = client.result(job["jobId"], page=1)
    assert result["pages"] == [{"number": 1, "text": client.text(job["jobId"], page=1)}]
    assert client.text(job["jobId"], form="markdown").startswith("## Page 1\n")


class Watched(io.BytesIO):
    largest = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.largest = max(self.largest, len(data))
        return data


def test_a_file_object_is_sent_from_where_it_stands_and_never_held_whole(at: Deployment, client: Client) -> None:
    file = Watched(b"not this" + b"x" * 1_000_000)
    file.seek(8)
    job = client.upload(file, name="x.txt")
    assert client.status(job["jobId"])["file"] == {"name": "x.txt", "size": 1_000_000, "type": "text/plain"}
    assert 0 < file.largest <= 256 * 1024


def test_an_upload_that_breaks_off_is_repeated_and_makes_one_job(
    at: Deployment, client: Client, proxy: Proxy, file: Path
) -> None:
    told: list[int] = []
    proxy.meets(cut_up(700_000), times=2)
    job = client.upload(file, user_id="cut", progress=lambda sent, _: told.append(sent))
    assert proxy.connections >= 4
    assert told != sorted(told), "it began anew"
    assert jobs_of(at, "cut") == [job["jobId"]]
    assert client.wait(job["jobId"])["status"] == "completed"


def test_an_upload_whose_answer_is_lost_is_answered_with_the_same_job(
    at: Deployment, client: Client, proxy: Proxy, file: Path
) -> None:
    proxy.meets(cut_down(0), times=1)
    job = client.upload(file, user_id="lost")
    assert jobs_of(at, "lost") == [job["jobId"]]


def test_whoever_is_too_busy_is_asked_again_when_it_says(
    at: Deployment, client: Client, proxy: Proxy, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
    proxy.meets(answering(BUSY), times=2)
    assert client.upload(file)["success"]
    assert slept == [7, 7]


def test_a_proxy_without_a_service_behind_it_is_asked_again(at: Deployment, client: Client, proxy: Proxy) -> None:
    job = at.client.upload(b"words")
    proxy.meets(failing(502), times=2)
    assert client.status(job)["success"]


BUSY = (
    b"HTTP/1.1 503 Busy\r\nContent-Type: application/problem+json\r\nRetry-After: 7\r\nContent-Length: 90\r\n\r\n"
    b'{"error": {"code": "overloaded", "message": "Busy.", "suggestion": "", "retryable": true}}'
)


def answering(answer: bytes) -> Callable[[socket.socket, Callable[[], socket.socket]], None]:
    """That to every request, once its headers are there."""

    def fault(client: socket.socket, server: Callable[[], socket.socket]) -> None:
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += client.recv(65_536)
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass

    return fault


# ---- watch -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("low_is_paused")
def test_watching_outlasts_a_broken_connection_and_a_restart_of_the_service(
    at: Deployment, client: Client, proxy: Proxy
) -> None:
    job = client.upload(io.BytesIO(b"a few words"), name="note.txt", priority="low")["jobId"]
    assert client.wait(job, seconds=0.01)["status"] == "pending"
    ends: list[Any] = []
    waiter = threading.Thread(target=lambda: ends.append(client.wait(job)))
    waiter.start()
    versions: list[int] = []
    for event in client.events(job):
        if event.name == "status":
            versions.append(event.data["version"])
            if versions == [1]:
                proxy.heals()  # resets what is connected
                restart_web(at)
                resume(at)
    waiter.join(60)
    assert [end["status"] for end in ends] == ["completed"]
    assert versions == list(range(1, ends[0]["version"] + 1)), "none twice, none left out"


def test_several_jobs_are_watched_in_one_stream(at: Deployment, client: Client) -> None:
    jobs = [at.client.upload(b"some words"), at.client.upload(b"other words"), "job_nowhere"]
    last = {event.data["jobId"]: event for event in client.events(jobs)}
    assert {job: event.name for job, event in last.items()} == dict(
        zip(jobs, ("status", "status", "gone"), strict=True)
    )
    assert all(event.is_last for event in last.values())


def test_where_no_stream_comes_through_a_job_is_followed_by_asking(at: Deployment, proxy: Proxy) -> None:
    job = at.client.upload(b"some words")
    client = Client(proxy.endpoint, patience=0)
    proxy.meets(failing(502), times=1)
    *_, end = client.follow(job)
    assert end["status"] == "completed"


# ---- result, steering, errors ----------------------------------------------------------------------------------


def test_a_result_that_breaks_off_is_fetched_again_and_the_file_is_there_when_it_is_whole(
    at: Deployment, client: Client, proxy: Proxy, file: Path, tmp_path: Path
) -> None:
    job = client.upload(file)["jobId"]
    client.wait(job)
    proxy.meets(cut_down(900_000), times=1)
    client.save(job, tmp_path / "text")
    assert (tmp_path / "text").read_text().split() == file.read_text().split()
    proxy.meets(cut_down(900_000))
    with pytest.raises(IngestError) as failure:
        Client(proxy.endpoint, patience=0).save(job, tmp_path / "other")
    assert (failure.value.code, sorted(path.name for path in tmp_path.iterdir())) == (
        "unreachable",
        [file.name, "text"],
    )


@pytest.mark.usefixtures("low_is_paused")
def test_a_job_is_cancelled_retried_and_deleted(at: Deployment, client: Client) -> None:
    job = client.upload(io.BytesIO(b"words"), name="note.txt", priority="low")["jobId"]
    cancelled = client.cancel(job)
    assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
    assert client.retry(job)["status"] == "pending"
    assert (client.delete(job), client.delete(job)) == (True, False)


def test_a_refusal_says_what_and_what_to_do(at: Deployment, client: Client, proxy: Proxy, tmp_path: Path) -> None:
    with pytest.raises(IngestError) as failure:
        client.result("job_nowhere")
    refused = failure.value
    assert (refused.code, refused.status, refused.retryable) == ("not_found", 404, False)
    assert refused.suggestion in str(refused)
    large = tmp_path / "large.txt"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    met = proxy.connections
    with pytest.raises(IngestError) as failure:
        client.upload(large)
    assert (failure.value.code, proxy.connections) == ("too_large", met + 1)


def test_a_wrong_address_is_told_at_once_and_a_lost_service_when_patience_ends(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as failure:
        Client("127.0.0.1:1").status("x")
    assert (failure.value.code, failure.value.retryable) == ("unreachable", False)
    with pytest.raises(IngestError):
        Client("ftp://127.0.0.1")
    with pytest.raises(FileNotFoundError):
        Client("127.0.0.1:1").upload(tmp_path / "none")


# ---- what it is made of ----------------------------------------------------------------------------------------


def test_it_needs_the_standard_library_alone() -> None:
    nodes = [node for path in PACKAGE.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    assert names
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", DOCUMENTS)
def test_its_types_have_the_members_that_the_service_sends(name: str) -> None:
    sent = {field.alias for field in getattr(schemas, name).model_fields.values()}
    typed = set(get_type_hints(getattr(documents, name)))
    assert typed
    assert typed <= sent
    assert sent - typed <= {"field", "reference", "stackTrace"}
