import json

import pytest

from app.web.json_body import read_json_object
from tests.web.bodies import environ_of, refusal


def json_of(data, **given):
    return read_json_object(environ_of(data, "application/json", **given))


def test_an_object_is_read():
    assert json_of('{"action": "größe", "n": [1, 2.5, true, null]}'.encode()) == {
        "action": "größe",
        "n": [1, 2.5, True, None],
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b'{"a": 1',
        b'{"a": 1} x',
        b'{"a": 1, "a": 2}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-8-sig"),
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
)
def test_what_is_no_strict_json_is_malformed(data):
    assert refusal(json_of, data) == (400, "malformed_body", None)


@pytest.mark.parametrize("data", [b"[]", b"7", b'"x"', b"null"])
def test_json_that_is_no_object_is_an_invalid_field(data):
    assert refusal(json_of, data)[:2] == (422, "invalid_field")


def test_a_float_beyond_all_floats_is_left_to_the_view():
    assert json_of(b'{"daysOld": 1e309}') == {"daysOld": float("inf")}


def test_json_is_bounded():
    assert refusal(json_of, b"[" * 200_000)[1] == "too_large"
    assert refusal(json_of, json.dumps({"a": "x" * 70_000}).encode())[1] == "too_large"
    assert refusal(json_of, b"{}", CONTENT_LENGTH="20")[1] == "incomplete_body"
