"""The command line, its client against a small server that speaks the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from app.services import Services
from app.settings import Settings
from tests.jobs_in_states import pending

JOB = "job_abc"


def document(status: str, **more: Any) -> dict[str, Any]:
    return {"success": True, "jobId": JOB, "status": status, "progress": {"percentage": 50}, **more}


DONE = document("completed", result={"pages": 1, "words": 40, "textUrl": "/api/ingest/result/job_abc?format=text"})
FAILED = document(
    "failed", error={"code": "corrupt_document", "message": "It is damaged.", "suggestion": "Save it again."}
)


class Scripted(BaseHTTPRequestHandler):
    """Answers as the class attributes say, and keeps what was uploaded."""

    end: ClassVar[dict[str, Any]] = DONE
    refusal: ClassVar[tuple[int, dict[str, Any]] | None] = None
    events: ClassVar[bool] = True
    breaks_off: ClassVar[bool] = False
    uploads: ClassVar[list[tuple[str, bytes]]] = []

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.uploads.append((self.path, body))
        self.answer(*(self.refusal or (202, {"success": True, "jobId": JOB, "status": "pending"})))

    def do_GET(self) -> None:
        if "/events/" not in self.path:
            return self.answer(200, self.end)
        if not self.events:
            return self.answer(503, {"success": False})
        self.send_response(200)
        self.end_headers()
        running = document("processing", progress={"percentage": 10, "pagesDone": 1, "pagesTotal": 3})
        for item in [running] if self.breaks_off else [running, self.end]:
            self.wfile.write(f": heartbeat\n\nevent: status\nid: 1\ndata: {json.dumps(item)}\n\n".encode())
        return None

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted() -> type[Scripted]:
    return type("Case", (Scripted,), {"uploads": []})


@pytest.fixture
def url(scripted: type[Scripted]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), scripted) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "notes & more.txt"
    path.write_bytes(b"some text")
    return path


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_file_is_sent_as_it_is_and_its_result_named(scripted: type[Scripted], url: str, file: Path) -> None:
    said = run("submit", file, "--url", url, "--priority", "high", "--user", "me & you")
    assert said.exit_code == 0
    assert said.stdout == f"done    {file}: 1 page, 40 words, {url}/api/ingest/result/job_abc?format=text\n"
    target = "/api/ingest/start/notes%20%26%20more.txt?priority=high&userId=me+%26+you"
    assert scripted.uploads == [(target, b"some text")]


def test_a_script_gets_one_line_of_json_per_file(url: str, file: Path) -> None:
    said = run("submit", file, file, "--url", url, "--json")
    assert said.exit_code == 0
    assert [json.loads(line) for line in said.stdout.splitlines()] == [{"path": str(file), **DONE}] * 2


def test_a_file_that_cannot_be_read_is_status_1(scripted: type[Scripted], url: str, file: Path) -> None:
    scripted.end = FAILED
    said = run("submit", file, "--url", url)
    assert said.exit_code == 1
    assert said.stdout == f"failed  {file}: It is damaged. Save it again.\n"


def test_a_refused_file_is_status_1_with_what_to_do(scripted: type[Scripted], url: str, file: Path) -> None:
    scripted.refusal = (
        415,
        {"success": False, "error": {"message": "Not readable here.", "suggestion": "Send a PDF."}},
    )
    said = run("submit", file, "--url", url)
    assert said.exit_code == 1
    assert said.stdout == f"failed  {file}: Not readable here. Send a PDF.\n"


@pytest.mark.parametrize("broken", [{"events": False}, {"breaks_off": True}])
def test_without_events_it_asks_instead(
    scripted: type[Scripted], url: str, file: Path, broken: dict[str, bool]
) -> None:
    for name, value in broken.items():
        setattr(scripted, name, value)
    assert run("submit", file, "--url", url).exit_code == 0


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:1", "ftp://127.0.0.1"])
def test_nobody_there_is_status_2(file: Path, address: str) -> None:
    assert run("submit", file, "--url", address).exit_code == 2


def test_a_server_of_another_kind_is_status_2(scripted: type[Scripted], url: str, file: Path) -> None:
    scripted.refusal = (200, {"hello": "world"})
    assert run("submit", file, "--url", url).exit_code == 2


def test_a_file_that_is_not_there_is_status_2(tmp_path: Path) -> None:
    assert run("submit", tmp_path / "none").exit_code == 2


def test_a_name_is_printed_as_it_is(url: str, tmp_path: Path) -> None:
    odd = tmp_path / "[red]odd.txt"
    odd.write_text("x")
    assert str(odd) in run("submit", odd, "--url", url).stdout


def test_the_settings_are_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRON_SECRET", "b7Qx2-vNf0zLk81sTq")
    lines = run("config").stdout.splitlines()
    assert "PORT=8000" in lines
    assert "CRON_SECRET=(set)" in lines
    assert "ADMIN_TOKEN=" in lines


def test_wrong_settings_are_status_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "none")
    said = run("config")
    assert said.exit_code == 2
    assert said.stderr.startswith("setting PORT: ")


def test_a_login_link_needs_a_running_instance() -> None:
    said = run("login")
    assert said.exit_code == 1
    assert "start ./run first" in said.stderr


def test_the_description_of_the_api_is_printed_for_machines_and_for_people() -> None:
    assert json.loads(run("openapi").stdout)["openapi"] == "3.1.0"
    assert run("openapi", "--markdown").stdout.startswith("# The API\n")


def test_help_names_every_command() -> None:
    text = run("--help").stdout
    assert all(command in text for command in (*cli.commands, "./run test"))


@pytest.mark.parametrize("broken", [False, True])
def test_the_doctors_check_says_in_words_and_by_its_exit_status_whether_something_is_wrong(
    services: Services, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    job = pending(services, with_bytes=True)
    if broken:
        services.blobs.delete_upload(job.id)
    monkeypatch.setattr("app.services.connect", lambda settings, role: services)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    result = CliRunner().invoke(cli, ["doctor", "--check"])
    assert result.exit_code == int(broken)
    assert f"1 jobs, 0 results, {int(broken)} violations" in result.output
    assert "not drained: 1 missing deliveries of priority medium, 1 pending jobs" in result.output
