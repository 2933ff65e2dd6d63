"""How docs/api.md writes JSON, tables and the forms of members."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 120


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON that breaks its lines where they grow longer than WIDTH, members side by side as far as they fit."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not isinstance(value, (dict, list)):
        return flat
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {laid_out(each, indent + 1)}" for name, each in value.items()]
    else:
        parts = [laid_out(each, indent + 1) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + f",\n{' ' * (indent + 1)}".join(_filled(parts, WIDTH - indent - 1)) + closing


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """Neighbours share a line while it has room and neither has lines of its own."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}, {part}" if lines else part
        if lines and "\n" not in joined and len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruled = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in ruled)


def type_of(schema: dict[str, Any]) -> str:
    """A member's form in words: its type, its bounds, the document that it is."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(type_of(choice) for choice in choices)
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else None):
        return ", ".join(f"`{json.dumps(value)}`" for value in values)
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}{_bounds(schema, 'minItems', 'maxItems')}"
    kind = schema.get("format") or schema.get("type", "any JSON")
    bounds = _bounds(schema, "minimum", "maximum") + _bounds(schema, "minLength", "maxLength", of=" characters")
    return f"{kind}{bounds}"


def _bounds(schema: dict[str, Any], least: str, most: str, *, of: str = "") -> str:
    if least in schema and most in schema:
        return f", {schema[least]} to {schema[most]:,}{of}"
    if most in schema:
        return f", at most {schema[most]:,}{of}"
    return f", at least {schema[least]}{of}" if schema.get(least) else ""
