"""The embedded Valkey, against the real binary."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.adapters import embedded
from app.adapters.embedded import EmbeddedServer, EmbeddedServerFailed, find

pytestmark = pytest.mark.live


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path)
    yield server
    server.stop()


def test_it_answers_and_finds_its_data_again(server: EmbeddedServer) -> None:
    with redis.Redis.from_url(server.start()) as client:
        client.set("kept", "yes")
    server.stop()
    with redis.Redis.from_url(server.start()) as client:
        assert client.get("kept") == b"yes"


def test_it_is_private_and_never_evicts(server: EmbeddedServer) -> None:
    with redis.Redis.from_url(server.start()) as client:
        settings = client.config_get("*")
    assert settings["port"] == "0"
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["stream-node-max-bytes"] == "1024"
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.folder / "server.sock").stat().st_mode) == 0o600


def test_a_running_instance_is_found_by_its_run_id(server: EmbeddedServer, tmp_path: Path) -> None:
    url = server.start()
    assert find(tmp_path) == url
    note = server.folder / "server.json"
    note.write_text(note.read_text().replace('"run_id": "', '"run_id": "0'))
    assert find(tmp_path) is None


def test_nothing_is_found_where_nothing_runs(server: EmbeddedServer, tmp_path: Path) -> None:
    assert find(tmp_path) is None
    server.start()
    server.stop()
    assert find(tmp_path) is None


def test_a_second_start_takes_the_running_one_over(server: EmbeddedServer, tmp_path: Path) -> None:
    other = EmbeddedServer(tmp_path)
    assert other.start() == server.start()
    assert (other.poll(), server.poll()) == (None, None)
    server.stop()
    other.stop()
    assert server.poll() is not None
    assert find(tmp_path) is None


def test_two_servers_never_share_a_folder(server: EmbeddedServer, tmp_path: Path) -> None:
    server.start()
    (server.folder / "server.json").unlink()
    with pytest.raises(EmbeddedServerFailed, match="Another server holds"):
        EmbeddedServer(tmp_path).start()


def test_a_killed_server_is_noticed_and_starts_again(server: EmbeddedServer) -> None:
    url = server.start()
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    assert server._process
    assert server._process.wait(10) == -signal.SIGKILL
    assert server.poll() == -signal.SIGKILL
    assert server.start() == url


def test_a_path_too_long_for_a_socket_is_avoided(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    server = EmbeddedServer(deep)
    try:
        with redis.Redis.from_url(server.start()) as client:
            assert client.ping()
            path = Path(client.config_get("unixsocket")["unixsocket"])
    finally:
        server.stop()
    assert not path.is_relative_to(deep)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_damaged_log_is_named_in_the_failure(server: EmbeddedServer) -> None:
    server.start()
    server.stop()
    for part in (server.folder / "appendonlydir").glob("*.base.rdb"):
        part.write_bytes(b"this is no log")
    with pytest.raises(EmbeddedServerFailed, match="did not start"):
        server.start()
    assert server.poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from app.adapters.embedded import EmbeddedServer\n"
        f"EmbeddedServer(Path({str(tmp_path)!r})).start(); print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        with socket.socket(socket.AF_UNIX) as watcher:
            watcher.settimeout(20)
            watcher.connect(str(tmp_path / "redis" / "server.sock"))
            parent.kill()
            assert watcher.recv(1) == b""
    assert find(tmp_path) is None


def test_without_any_server_three_lines_say_what_to_install(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "server_binaries", lambda: iter(()))
    with pytest.raises(EmbeddedServerFailed) as failure:
        server.start()
    assert len(str(failure.value).splitlines()) == 3
