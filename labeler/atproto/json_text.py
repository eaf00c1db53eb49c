"""JSON text as the protocol means it: one reading only (data model spec §JSON Representation; RFC 8259 §4, §8.2)."""

import json
from itertools import chain
from typing import Any, Final, NoReturn

from labeler.errors import BadInput

MAX_DEPTH: Final = 64  # as deep as our CBOR; the protocol's own messages need a handful


def parse_json(raw: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """Parse one JSON text; raises `BadInput` where parsers would disagree about its meaning.

    Refused: a key twice in one object, NaN and Infinity, bytes that are not UTF-8, lone surrogates, nesting deeper
    than `max_depth`. Numbers with a fraction come back as float; the data model has none, so whoever checks the value
    refuses them.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        if text.count("[") + text.count("{") > max_depth:
            _check_depth(value, max_depth)
        json.dumps(value, ensure_ascii=False).encode()  # fails on lone surrogates, wherever they hide
    except RecursionError:
        raise BadInput("JSON: nested too deep") from None
    except UnicodeError:
        raise BadInput("JSON: text is not Unicode") from None
    except ValueError:
        raise BadInput("JSON: not well-formed") from None
    return value


def _check_depth(value: Any, limit: int) -> None:
    """Go down level by level: how deep the parser can follow hangs on the interpreter and on how deep its caller is."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        inside = chain.from_iterable(item.values() if isinstance(item, dict) else item for item in level)
        level = [child for child in inside if isinstance(child, dict | list)]
        if not level:
            return
    raise BadInput("JSON: nested too deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadInput("JSON: a key occurs twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadInput(f"JSON: {name} is not a number")


def parse_data(raw: bytes | str) -> Any:
    """Parse JSON that goes by a lexicon: as `parse_json`, and no number with a fraction or exponent anywhere.

    The data model has no floats, not in fields nobody knows either (data model spec §Why No Floats?).
    """
    value = parse_json(raw)
    waiting = [value]
    while waiting:
        match waiting.pop():
            case float():
                raise BadInput("JSON: a number with a fraction; the data model has integers only")
            case dict() as members:
                waiting += members.values()
            case list() as items:
                waiting += items
    return value
