"""JSON text as the protocol means it: one reading only (data model spec §JSON Representation; RFC 8259 §4, §8.2)."""

import json
from typing import Any, NoReturn

from labeler.errors import BadInput


def parse_json(raw: bytes | str) -> Any:
    """Parse one JSON text; raises `BadInput` where parsers would disagree about its meaning.

    Refused: a key twice in one object, NaN and Infinity, bytes that are not UTF-8, lone surrogates, nesting deeper
    than the interpreter can follow. Numbers with a fraction come back as float; the data model has none, so whoever
    checks the value refuses them.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # fails on lone surrogates, wherever they hide
    except RecursionError:
        raise BadInput("JSON: nested too deep") from None
    except UnicodeError:
        raise BadInput("JSON: text is not Unicode") from None
    except ValueError:
        raise BadInput("JSON: not well-formed") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadInput("JSON: a key occurs twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadInput(f"JSON: {name} is not a number")
