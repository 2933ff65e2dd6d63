"""Becomes what a unit starts, under that unit's filters of system calls: `python sandboxed.py UNIT`.

No systemd runs in a test, but what breaks programs in a sandbox is mostly this part of it. Loads, by libseccomp, the
allow list of SystemCallFilter, and what MemoryDenyWriteExecute and RestrictNamespaces mean.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
from collections.abc import Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.deploy.units import allowed_calls, command_of

ALLOW = 0x7FFF0000
MASKED_EQUAL = 7
SHM_EXEC = 0o100000
NAMESPACES = 0x7E020000 | 0x00000080


class Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


class Filter:
    """One filter; a process may have several, and the strictest answer counts."""

    def __init__(self, library: ctypes.CDLL, default: int) -> None:
        self._library = library
        library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))

    def rule(self, action: int, name: str, *conditions: Compare) -> None:
        """A name that this processor does not know is passed over, as systemd does."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (Compare * max(1, len(conditions)))(*conditions)
        failed = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(conditions), array
        )
        assert not failed, (name, failed)

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def refused(number: int = errno.EPERM) -> int:
    return 0x00050000 | number


def load_filters(allowed: Iterable[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    parts = Filter(library, ALLOW)
    both = mmap.PROT_WRITE | mmap.PROT_EXEC
    parts.rule(refused(), "mmap", Compare(2, MASKED_EQUAL, both, both))
    for name in ("mprotect", "pkey_mprotect"):
        parts.rule(refused(), name, Compare(2, MASKED_EQUAL, mmap.PROT_EXEC, mmap.PROT_EXEC))
    parts.rule(refused(), "shmat", Compare(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    parts.rule(refused(errno.ENOSYS), "clone3")  # glibc then asks for clone, whose flags can be seen
    for bit in (1 << n for n in range(32) if NAMESPACES & 1 << n):
        parts.rule(refused(), "clone", Compare(0, MASKED_EQUAL, bit, bit))
    for name in ("unshare", "setns"):
        parts.rule(refused(), name)
    parts.load()
    listed = Filter(library, refused())
    for name in sorted(allowed):
        listed.rule(ALLOW, name)
    listed.load()


def main(unit: str) -> None:
    _, *arguments = command_of(unit)
    load_filters(allowed_calls(unit))
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main(sys.argv[1])
