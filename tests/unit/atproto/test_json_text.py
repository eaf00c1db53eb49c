"""JSON text: one reading or none."""

from typing import Any

import pytest

from labeler.atproto.json_text import parse_data, parse_json
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
    for deep in ("[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, "[" * 900 + "]" * 900):
        with pytest.raises(BadInput, match="deep"):
            parse_json(deep)
    with pytest.raises(BadInput, match="deep"):
        parse_json("[[1]]", max_depth=1)
    with pytest.raises(BadInput, match="not well-formed"):
        parse_json('"[[', max_depth=1)


@pytest.mark.row(190)
def test_data_has_integers_only() -> None:
    """Wherever the number stands, in a field nobody knows too; what looks like an integer to a parser is one."""
    text = '{"a": [1, -2, {"b": [true, null, "1.5"]}], "c": 9007199254740993}'
    assert parse_data(text) == parse_data(text.encode()) == parse_json(text)
    for bad in ("1.5", "1.0", "1e2", "[[[0.0]]]", '{"a": {"b": [1, -0.5]}}', '{"unknown": 1E400}'):
        with pytest.raises(BadInput, match="integers only"):
            parse_data(bad)
    with pytest.raises(BadInput, match="twice"):
        parse_data('{"a": 1, "a": 1}')


@pytest.mark.row(181)
@pytest.mark.parametrize("text", ["1.5", "[1, 2.0]", '{"a": {"b": [1e3]}}', '{"unknown": [[], {}, [0.1]]}', "-0.0"])
def test_data_holds_no_fraction_anywhere(text: str) -> None:
    """Not in fields nobody knows either."""
    with pytest.raises(BadInput, match="fraction"):
        parse_data(text)


def test_data_without_fractions_is_what_was_sent() -> None:
    text = '{"a": [1, -2, true, null, {"b": "1.5"}], "c": {}}'
    assert parse_data(text) == parse_json(text) == {"a": [1, -2, True, None, {"b": "1.5"}], "c": {}}
