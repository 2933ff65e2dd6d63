"""docs/reliability.md names tests for each way in which something may fail: each row, and each test, is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.test_docs import rows_of

ROWS = list(rows_of((ROOT / "docs" / "reliability.md").read_text(), "Neighbours that misbehave"))
NAMED = sorted({name for row in ROWS for name in re.findall(r"`(tests/[^`]+)`", row[2])})


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_row_is_told_with_a_test():
    assert [int(row[0]) for row in ROWS] == list(range(1, 35))
    assert [row[0] for row in ROWS if "::" not in row[2]] == []


@pytest.mark.parametrize("name", NAMED)
def test_what_is_named_there_is_a_test(name):
    file, _, function = name.partition("::")
    assert function in functions_of(ROOT / file)
