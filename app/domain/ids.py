"""Job ids: how they are made and how one is told from anything else.

Whoever knows an id may see its job, so an id must not be guessable; and because it names files and Redis keys,
whatever is not exactly of this form is turned away before either is asked.
"""

from __future__ import annotations

import re

from cuid2 import create_id

_FORM = re.compile(r"job_[a-z][0-9a-z]{23}", re.ASCII)


def new_job_id() -> str:
    """Return a fresh id such as ``job_k3v9…``: unguessable, and safe in a file name, a Redis key and a URL."""
    return f"job_{create_id()}"


def is_job_id(text: object) -> bool:
    """Tell whether `text` has the exact form of our ids; says nothing about whether such a job exists."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None
