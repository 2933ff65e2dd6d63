"""The house holds: imports point down only, each neighbour's client has its room, a worker never loads Flask."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "app"

#: Which rooms a room may import from; entry points may import from all.
MAY = {
    "domain": {"domain", "errors"},
    "extraction": {"extraction", "domain", "errors"},
    "adapters": {"adapters", "domain", "errors", "extraction", "settings"},
    "ingestion": {"ingestion", "services", "adapters", "extraction", "domain", "errors", "settings"},
    "services": {"adapters", "binding", "domain", "errors", "settings", "keeper", "cache", "stopper"},
    "binding": {"adapters", "errors"},
    "stopper": set(),
    "keeper": {"errors"},
    "cache": set(),
    "errors": set(),
    "settings": {"setting_values"},
    "setting_values": set(),
    "logs": {"lines"},
    "lines": set(),
}
#: Third-party clients and where they may be imported.
ROOMS = {
    "minio": {"adapters"},
    "rq": {"adapters"},
    "rq_scheduler": {"adapters"},
    "flask": {"web", "app", "cli"},
    "rq_dashboard": {"web"},
    "pypdf": {"extraction"},
    "pypdfium2": {"extraction"},
    "lxml": {"extraction"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "app":
                yield from (f"app.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(path):
    inside = path.relative_to(APP)
    return inside.parts[0] if len(inside.parts) > 1 else ("app" if inside.stem == "__init__" else inside.stem)


FILES = sorted(APP.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(APP)))
def test_imports_point_down_only(path):
    room = room_of(path)
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("app.")}
    if room in MAY:
        assert used - {room} <= MAY[room]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(APP)))
def test_a_third_partys_client_is_imported_in_its_room_alone(path):
    for name in imports_of(path):
        package = name.split(".")[0]
        if package in ROOMS:
            # rq-dashboard is RQ's own page: what mounts it may ask RQ
            allowed = ROOMS[package] | ({"web"} if path.name == "dashboard.py" and package == "rq" else set())
            assert room_of(path) in allowed, f"{package} in {path}"


def test_only_the_settings_read_the_environment():
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in [*FILES, ROOT / "worker.py", ROOT / "scheduler.py"]
        if "environ" in path.read_text() and "os.environ" in path.read_text()
    }
    # the supervisor and the parser hand an environment on to their children, and read no setting from it
    assert {name for name in readers if not name.startswith("app/supervision/")} <= {"app/settings.py"}


@pytest.mark.parametrize("module", ["worker", "scheduler", "app.extraction.parser_main"])
def test_workers_and_the_parser_never_load_flask(module):
    code = f"import sys, {module}; print([m for m in ('flask', 'werkzeug') if m in sys.modules])"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    assert seen.stdout.strip() == "[]"


def test_the_parser_loads_no_client_of_a_neighbour():
    code = "import sys, app.extraction.parser_main; print([m for m in ('redis', 'rq', 'pydantic', 'structlog') if m in sys.modules])"
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    assert seen.stdout.strip() == "[]"


@pytest.mark.parametrize("room", ["adapters", "web"])
def test_a_crowded_room_has_a_list_of_what_is_in_it(room):
    """A new file gets its place in the docstring of the package, one that went loses it."""
    named = set(re.findall(r"`(\w+)/?`", ast.get_docstring(ast.parse((APP / room / "__init__.py").read_text())) or ""))
    found = {path.stem for path in (APP / room).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert named - {"lua"} == found - {"__init__"}
