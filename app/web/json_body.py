"""Reading a JSON object that a client sends, strictly: what readers of JSON disagree about is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from app.errors import ValidationFailed
from app.web.request_body import RequestBody

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LONGEST_JSON = 64 * 1024
_MOST_DIGITS = 100


def read_json_object(environ: WSGIEnvironment, *, limit: int = LONGEST_JSON) -> dict[str, Any]:
    """Read one JSON object in UTF-8 without doubled keys, NaN or lone surrogates.

    A float too large for one comes as infinity, for the view to refuse by its field.
    """
    with RequestBody(environ, limit=limit) as body:
        data = b"".join(body)
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_doubles, parse_constant=_refuse, parse_int=_int)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ValidationFailed("malformed_body") from error
    if not isinstance(value, dict):
        raise ValidationFailed("invalid_field", "The body of the request is not a JSON object.")
    return value


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is doubled")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)
