"""Logs: one line per event on stderr, JSON unless a person reads along; no control character of a user's gets through.

A reader of stderr that has stopped, or a disk that is full, costs lines, which are counted, and never holds up the service.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import structlog

from app.lines import Lines

STDERR = 2


def configure(level: str = "info") -> None:
    """Once, at the start of a process."""
    number = getattr(logging, level.upper())
    _hold_standard_files()
    logging.basicConfig(handlers=[StructuredHandler()], level=max(number, logging.WARNING), force=True)
    renderer: Any = structlog.processors.JSONRenderer(ensure_ascii=True)
    if os.isatty(STDERR):
        renderer = structlog.dev.ConsoleRenderer(colors=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _ToLines(),
        cache_logger_on_first_use=True,
    )


def tell_drops(on_drop: Callable[[int], None]) -> None:
    """`on_drop` counts the lines that nobody took."""
    _lines.tell_drops(on_drop)


def _dropped(number: int) -> tuple[int, str]:
    return STDERR, json.dumps({"dropped": number, "event": "log_lines_dropped", "level": "warning"})


_lines = Lines(_dropped)
atexit.register(_lines.close)


class _ToLines:
    """What structlog calls with each finished line, by the name of its level."""

    def msg(self, line: str) -> None:
        _lines.put(STDERR, line)

    debug = info = warning = error = critical = exception = fatal = log = msg


class StructuredHandler(logging.Handler):
    """What libraries log, as lines like ours, with the library's name for its logger."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            about = {"exc_info": record.exc_info} if record.exc_info else {}
            log = structlog.get_logger()
            log.log(record.levelno, record.getMessage(), logger=record.name, **about)
        except Exception:  # a message that does not fit its arguments is no reason to fail
            _lines.put(STDERR, json.dumps({"event": "log_record_unreadable", "logger": record.name, "level": "error"}))


def _printable(_: Any, __: str, event: Any) -> Any:
    """Values are escaped where they hold anything that could move a cursor or forge a line; traces keep theirs."""
    for key, value in event.items():
        if isinstance(value, str) and key != "exception" and not value.isprintable():
            event[key] = value.encode("unicode_escape").decode("ascii")
    return event


def _hold_standard_files() -> None:
    """Where one of the three was closed, the next file or connection would get its number, and our lines with it."""
    while (held := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(held)
