"""JSON text: one reading or none."""

from typing import Any

import pytest

from labeler.atproto.json_text import parse_json
from labeler.errors import BadInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (' {"a": [1, -2, true, "\\u00e9"], "b": {"a": null}} ', {"a": [1, -2, True, "é"], "b": {"a": None}}),
        ('"\\ud83d\\ude00"', "😀"),
        ("1.5", 1.5),
    ],
)
def test_json_is_parsed_from_text_and_bytes(text: str, value: Any) -> None:
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not well-formed"),
        ("{", "not well-formed"),
        ("{} {}", "not well-formed"),
        ("{'a': 1}", "not well-formed"),
        ("01", "not well-formed"),
        ("9" * 5000, "not well-formed"),
        ('{"a": 1, "a": 1}', "twice"),
        ('[{"b": {"a": 1, "\\u0061": 2}}]', "twice"),
        ("NaN", "not a number"),
        ('{"exp": Infinity}', "not a number"),
        ("[-Infinity]", "not a number"),
        ('"\\ud800"', "not Unicode"),
        ('{"\\udc00": 1}', "not Unicode"),
        ("[" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
    ],
    ids=lambda text: ascii(text[:20]),
)
@pytest.mark.row(190)
def test_ambiguous_json_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        parse_json(text)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(BadInput, match="not Unicode"):
        parse_json(b'"\xff"')
    with pytest.raises(BadInput, match="not well-formed"):
        parse_json("\ufeff{}".encode())


@pytest.mark.row(190)
def test_depth_is_counted_in_brackets_that_are_open() -> None:
    """Not in brackets written, and not in those inside strings."""
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json("[" + ",".join(["[]"] * 1000) + "]") == [[]] * 1000
    text = '{"[[[\\"[[[[": "{{{{\\\\"}'
    assert parse_json(text, max_depth=1) == {'[[["[[[[': "{{{{\\"}
    for deep in ("[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, '[{"a":' * 33):
        with pytest.raises(BadInput, match="deep"):
            parse_json(deep)
    with pytest.raises(BadInput, match="deep"):
        parse_json("[[1]]", max_depth=1)
    with pytest.raises(BadInput, match="not well-formed"):
        parse_json('"[[', max_depth=1)
