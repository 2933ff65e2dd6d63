"""The supervisor, with small programs in the place of the real ones."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.lines import LINES_KEPT
from app.settings import read_settings
from app.supervision.claim import CannotRun, check_port, claim_folder, kept_secret, running_at
from app.supervision.output import Output, readable
from app.supervision.programs import LONGEST_DELAY, STEADY_SECONDS, Command, Kept, Program, child_environment, ending
from app.supervision.supervisor import Supervisor


class Silent(Output):
    """Output that keeps its lines for the test to wait for."""

    def __init__(self) -> None:
        self.said: queue.Queue[str] = queue.Queue()
        self._out, self._err, self._readable = 1, 2, False

    def _put(self, _to: int, line: str) -> None:
        self.said.put(line)


class Fake:
    """A program that ends when told to, and remembers what was done to it."""

    def __init__(self, name: str, diary: list[str] | None = None, *, stubborn: bool = False) -> None:
        self.name, self.diary, self.stubborn = name, diary if diary is not None else [], stubborn
        self.status: int | None = 0
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self.status = None

    def poll(self) -> int | None:
        return self.status

    def terminate(self) -> None:
        self.diary.append(f"{self.name} told")
        if not self.stubborn:
            self.status = 0

    def kill(self) -> None:
        if self.status is None:
            self.diary.append(f"{self.name} killed")
            self.status = -9


@pytest.fixture
def output() -> Silent:
    return Silent()


@pytest.fixture
def program(output: Silent, tmp_path: Path) -> Iterator[list[Command]]:
    made: list[Command] = []
    yield made
    for command in made:
        command.kill()


def python(source: str, *, output: Output, cwd: Path) -> Command:
    command = [sys.executable, "-u", "-c", textwrap.dedent(source)]
    return Command("child", command, output=output, cwd=cwd, env=dict(os.environ))


def delays(kept: Kept, program: Fake, *, lives: float, times: int, now: float = 0) -> list[float]:
    """Let it die again and again after `lives` seconds; how long each new start waited."""
    waited = []
    for _ in range(times):
        kept.look(now)
        assert program.status is None
        program.status, now = 1, now + lives
        assert kept.look(now)
        before = program.starts
        tick = 0
        while program.starts == before:
            tick += 1
            kept.look(now + tick / 10)
        waited.append(tick / 10)
        now += tick / 10
    return waited


def test_a_program_that_dies_is_started_again_ever_more_slowly() -> None:
    program = Fake("web")
    assert delays(Kept(program), program, lives=1, times=8) == [
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        6.4,
        LONGEST_DELAY,
        LONGEST_DELAY,
    ]


def test_a_program_that_ran_for_long_starts_again_at_once() -> None:
    program = Fake("web")
    kept = Kept(program)
    delays(kept, program, lives=1, times=5)
    assert delays(kept, program, lives=STEADY_SECONDS, times=1, now=1000) == [0.2]


def test_an_end_is_told_in_one_sentence() -> None:
    program = Fake("worker-1")
    kept = Kept(program)
    kept.look(0)
    program.status = -signal.SIGKILL
    assert kept.look(1) == "worker-1 was ended by SIGKILL; starting it again in 0.2 s"
    assert ending(3) == "ended with status 3"


def test_a_program_that_cannot_start_is_tried_again(output: Silent, tmp_path: Path) -> None:
    kept = Kept(Command("child", ["unused"], output=output, cwd=tmp_path / "nowhere", env={}))
    said = kept.look(0)
    assert said
    assert "could not be started" in said


def test_all_stop_in_order_and_the_server_last(output: Silent) -> None:
    diary: list[str] = []
    web, worker, scheduler, server = (Fake(name, diary) for name in ("web", "worker", "scheduler", "server"))
    phases: list[tuple[float, list[Program]]] = [(1, [web]), (2, [worker]), (3, [scheduler])]
    supervisor = Supervisor(phases, server=server, output=output, wait=lambda _: None)
    supervisor.look(0)
    supervisor.stop()
    assert diary == ["web told", "worker told", "scheduler told", "server told"]


def test_what_does_not_stop_is_killed_before_the_server_goes(output: Silent) -> None:
    diary: list[str] = []
    web, server = Fake("web", diary, stubborn=True), Fake("server", diary)
    supervisor = Supervisor([(0.01, [web])], server=server, output=output, wait=lambda _: None)
    supervisor.look(0)
    supervisor.stop()
    assert diary == ["web told", "web killed", "server told"]


def test_a_second_signal_waits_for_nobody(output: Silent) -> None:
    diary: list[str] = []
    worker = Fake("worker", diary, stubborn=True)
    supervisor = Supervisor([(3600, [worker])], server=None, output=output, wait=lambda _: None)
    supervisor.look(0)
    supervisor.stop(hard=lambda: True)
    assert diary == ["worker told", "worker killed"]


def test_a_child_has_a_group_of_its_own_in_our_session(output: Silent, tmp_path: Path, program: list[Command]) -> None:
    child = python("import os; print(os.getpgrp(), os.getsid(0)); input()", output=output, cwd=tmp_path)
    program.append(child)
    child.start()
    assert output.said.get(timeout=20) == f"child     {child.pid} {os.getsid(0)}"


def test_killing_a_child_takes_its_own_children_along(output: Silent, tmp_path: Path, program: list[Command]) -> None:
    pipe = tmp_path / "open-while-they-live"
    os.mkfifo(pipe)
    child = python(
        f"""
        import os, signal
        held = open({str(pipe)!r}, "w")
        os.fork() and held.write("forked") and held.flush()
        signal.pause()
        """,
        output=output,
        cwd=tmp_path,
    )
    program.append(child)
    child.start()
    with pipe.open() as watched:
        assert watched.read(6) == "forked"
        child.kill()
        assert watched.read() == ""  # both have let go of it


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_children_die_with_the_supervisor(tmp_path: Path) -> None:
    pipe = tmp_path / "open-while-it-lives"
    os.mkfifo(pipe)
    source = f"""
        import os, sys
        from pathlib import Path
        from app.supervision.output import Output
        from app.supervision.programs import Command
        child = [sys.executable, "-c", "import signal; f = open({str(pipe)!r}, 'w', 1); f.write('up'); f.flush(); signal.pause()"]
        Command("child", child, output=Output(), cwd=Path("/"), env=dict(os.environ)).start()
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(source)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as parent, pipe.open() as watched:
        assert watched.read(2) == "up"
        parent.kill()
        assert watched.read() == ""


def test_a_reader_that_stopped_holds_nothing_up() -> None:
    reader, writer = os.pipe()
    output = Output(out=writer, err=writer)
    line = "x" * 1000
    for _ in range(LINES_KEPT + 200):  # more than the pipe and the queue hold
        output.log("web", line)
    with os.fdopen(reader, "rb") as pipe:
        first = pipe.readline()
        while b"dropped here" not in (seen := pipe.readline()):
            assert seen
    assert first == f"web       {line}\n".encode()
    output.close()
    os.close(writer)


def test_a_log_entry_is_made_readable_and_harmless() -> None:
    line = (
        '{"event": "job completed", "level": "info", "timestamp": "2026-01-02T03:04:05Z", "name": "a\\nb\\u001b[31m"}'
    )
    assert readable(line) == "03:04:05 info    job completed  name=a\\nb\\x1b[31m"
    assert readable("plain words") == "plain words"
    assert readable("[1]") == "[1]"


def test_the_second_on_a_folder_is_told_where_the_first_runs(tmp_path: Path) -> None:
    with claim_folder(tmp_path, "http://127.0.0.1:8123"):
        assert running_at(tmp_path) == "http://127.0.0.1:8123"
        with pytest.raises(CannotRun, match=re.escape("runs already, at http://127.0.0.1:8123")):
            claim_folder(tmp_path, "http://127.0.0.1:9")
    assert running_at(tmp_path) is None
    claim_folder(tmp_path, "http://127.0.0.1:9").close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match="cannot be written") as refused:
        claim_folder(tmp_path / "file" / "data", "http://x")
    assert "DATA_DIR" in str(refused.value)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=f"PORT {port} is taken"):
            check_port("127.0.0.1", port)


def test_a_foreign_address_is_named() -> None:
    with pytest.raises(CannotRun, match=re.escape("HOST 192.0.2.1 is no address of this machine")):
        check_port("192.0.2.1", 8000)


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    secret = kept_secret(path)
    assert len(secret) >= 32
    assert kept_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["admin-token"]


def test_a_secret_cut_short_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "cron-secret"
    path.write_text("abc")
    assert len(kept_secret(path)) >= 32


def test_a_child_sees_what_was_found_and_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRON_SECRET", raising=False)
    found = SecretStr("b7Qx2-vNf0zLk81sTq")
    settings = read_settings(None, data_dir=tmp_path, redis_url="unix:///s", admin_token=found, cron_secret=None)
    environment = child_environment(settings)
    assert environment["DATA_DIR"] == str(tmp_path)
    assert environment["REDIS_URL"] == "unix:///s"
    assert environment["ADMIN_TOKEN"] == found.get_secret_value()
    assert "CRON_SECRET" not in environment
