from __future__ import annotations

from pathlib import Path

import pytest

from app.adapters.server_binaries import server_binaries


def test_an_old_server_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("valkey-server", "6.0.16"), ("redis-server", "7.2.4")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert next(server_binaries()) == str(tmp_path / "redis-server")
