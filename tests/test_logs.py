"""What a process logs, seen from outside: a program that logs, and the lines that come out of it."""

import json
import subprocess
import sys
import textwrap

import pytest

from app.settings import ROOT

BEGIN = """
import logging, os, sys, warnings
import structlog
from app import logs
logs.configure("info")
log = structlog.get_logger()
"""


def run(program, **how):
    return subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
        cwd=ROOT,
        capture_output="stderr" not in how,
        text=True,
        timeout=60,
        check=True,
        **how,
    )


@pytest.fixture(scope="module")
def lines():
    done = run(
        r"""
        structlog.contextvars.bind_contextvars(request_id="r-1", job_id="job_a")
        log.info("first", name="a\r\nb\x1b[31m\u2028c", parts=["x\ny"])
        log.debug("not asked for")
        try:
            raise ValueError("with\ntwo lines")
        except ValueError:
            log.exception("failed")
        logging.getLogger("some.library").warning("it %s\nodd", "looks")
        logging.getLogger("some.library").error("too few %s %s", 1)
        logging.getLogger("some.library").info("not asked for")
        """
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_an_event_is_one_line_of_json(lines):
    assert [json.loads(line)["event"] for line in lines] == [
        "first",
        "failed",
        "it looks\\nodd",
        "log_record_unreadable",
    ]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_a_line_bears_what_was_bound_and_when_it_was_written(lines):
    first = json.loads(lines[0])
    assert (first["request_id"], first["job_id"], first["level"]) == ("r-1", "job_a", "info")
    assert first["timestamp"].endswith("Z")


def test_control_characters_of_a_user_are_escaped(lines):
    assert json.loads(lines[0])["name"] == r"a\r\nb\x1b[31m\u2028c"


def test_a_trace_stays_within_its_line(lines):
    assert json.loads(lines[1])["exception"].endswith("ValueError: with\ntwo lines")


def test_what_libraries_log_has_the_same_shape(lines):
    library = json.loads(lines[2])
    assert (library["logger"], library["level"], library["job_id"]) == ("some.library", "warning", "job_a")


def test_a_process_that_was_forked_since_logs_too():
    """The web server's process is forked from one that has logged already; its threads do not come along."""
    done = run(
        """
        log.info("parent")
        child = os.fork()
        if child == 0:
            log.info("child")
            sys.exit()
        sys.exit(os.waitpid(child, 0)[1])
        """
    )
    assert sorted(json.loads(line)["event"] for line in done.stderr.splitlines()) == ["child", "parent"]


@pytest.mark.parametrize("closing", ["2>&-", "2>&- 1>&- 0<&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_stops_nobody(closing, tmp_path):
    """Where it was closed, the next file must not get its number, and our lines with it."""
    kept = tmp_path / "kept"
    program = BEGIN + textwrap.dedent(f"""
        file = open({str(kept)!r}, "w")
        drops = []
        logs.tell_drops(drops.append)
        log.info("to nobody")
        logging.getLogger("a").error("to nobody")
        logs._lines.close(30)
        file.write(f"{{file.fileno() > 2}} {{sum(drops)}}")
        """)
    shell = f'"$0" -c "$1" {closing}'
    subprocess.run(["sh", "-c", shell, sys.executable, program], cwd=ROOT, timeout=60, check=True)
    is_full = closing.endswith("full")
    assert kept.read_text() == f"True {2 if is_full else 0}"
