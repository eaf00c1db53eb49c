"""The leaves of the lexicon language: data model, scalar types, string formats (Lexicon spec §Field Types).

Graphemes are counted where code points alone would be too many (graphemes.py).
"""

import base64
import re
from collections.abc import Callable
from typing import Any, Final

from labeler.atproto import syntax
from labeler.atproto.graphemes import graphemes
from labeler.errors import BadInput

Schema = dict[str, Any]

MAX_SAFE_INTEGER: Final = 2**53 - 1  # what JSON carries everywhere (data model §Data Types)
MAX_DEPTH: Final = 64
MAX_PATH_SHOWN: Final = 200  # a path can hold field names of the sender's choosing

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_LANGUAGE = re.compile(r"(i|[a-z]{2,3})(-[a-zA-Z0-9]{1,8})*")
_TID = re.compile(r"[2-7a-j][2-7a-z]{12}")


def bad(path: str, complaint: str) -> BadInput:
    """Make the error that names the culprit; an empty path is the value itself."""
    return BadInput(f"{path[:MAX_PATH_SHOWN]} {complaint}" if path else f"The value {complaint}")


def join(path: str, step: str | int) -> str:
    """Extend a path by a field name or an index."""
    return f"{path}/{step}" if path else str(step)


def is_unicode(text: str) -> bool:
    """Tell whether a string can be written as UTF-8; JSON can smuggle in a lone surrogate as an escape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_data(value: Any, path: str, depth: int = 0) -> None:
    """Hold a whole value to the data model: no floats, safe integers, real Unicode, bounded depth."""
    if depth > MAX_DEPTH:
        raise bad(path, f"is nested deeper than {MAX_DEPTH}")
    match value:
        case dict():
            for name, item in value.items():
                check_data(name, path, depth + 1)
                check_data(item, join(path, name), depth + 1)
        case list() | tuple():
            for index, item in enumerate(value):
                check_data(item, join(path, index), depth + 1)
        case str():
            if not is_unicode(value):
                raise bad(path, "must be valid Unicode")
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                raise bad(path, "must be an integer of at most 53 bits, as JSON can carry it")
        case None | bytes():
            pass
        case _:
            raise bad(path, f"must not be a {type(value).__name__}: the data model has none")


def check_range(schema: Schema, size: int, path: str, what: str, unit: str) -> None:
    """Hold a size to `min<what>` and `max<what>` of the schema."""
    if size < schema.get(f"min{what}", 0):
        raise bad(path, f"must have at least {schema[f'min{what}']} {unit}")
    if size > schema.get(f"max{what}", size):
        raise bad(path, f"must have at most {schema[f'max{what}']} {unit}")


def _check_choice(schema: Schema, value: Any, path: str) -> None:
    if "enum" in schema and value not in schema["enum"]:
        raise bad(path, f"must be one of {', '.join(map(str, schema['enum']))}")
    if "const" in schema and value != schema["const"]:
        raise bad(path, f"must be {schema['const']}")


def _check_null(_schema: Schema, value: Any, path: str) -> None:
    if value is not None:
        raise bad(path, "must be null")


def _check_boolean(schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise bad(path, "must be a boolean")
    _check_choice(schema, value, path)


def _check_integer(schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(path, "must be an integer")
    if value < schema.get("minimum", value):
        raise bad(path, f"must be at least {schema['minimum']}")
    if value > schema.get("maximum", value):
        raise bad(path, f"must be at most {schema['maximum']}")
    _check_choice(schema, value, path)


def _check_string(schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise bad(path, "must be a string")
    check_range(schema, len(value.encode()), path, "Length", "bytes")
    seen = len(value) if len(value) <= schema.get("maxGraphemes", len(value)) else graphemes(value)
    check_range(schema, seen, path, "Graphemes", "characters")
    if "format" in schema:
        wanted, holds = FORMATS[schema["format"]]
        if not holds(value):
            raise bad(path, f"must be {wanted}")
    _check_choice(schema, value, path)


def _check_bytes(schema: Schema, value: Any, path: str) -> None:
    raw = value if isinstance(value, bytes) else _json_bytes(value)
    if raw is None:
        raise bad(path, 'must be bytes, in JSON {"$bytes": base64}')
    check_range(schema, len(raw), path, "Length", "bytes")


def _json_bytes(value: Any) -> bytes | None:
    text = value.get("$bytes") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str) or not _BASE64.fullmatch(text):
        return None
    digits = text.rstrip("=")
    padding = "=" * (-len(digits) % 4)
    if len(digits) % 4 == 1 or text not in (digits, digits + padding):
        return None
    return base64.b64decode(digits + padding)


def _check_link(_schema: Schema, value: Any, path: str) -> None:
    link = value.get("$link") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(link, str) or not syntax.is_cid(link):
        raise bad(path, 'must be a link, {"$link": CID}')


def _check_unknown(_schema: Schema, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise bad(path, "must be an object")


FORMATS: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    "at-identifier": ("a DID or a handle", lambda text: syntax.is_did(text) or syntax.is_handle(text)),
    "at-uri": ("an AT URI", syntax.is_at_uri),
    "cid": ("a CID", syntax.is_cid),
    "datetime": ("a datetime such as 2026-01-31T12:00:00.000Z", syntax.is_datetime),
    "did": ("a DID", syntax.is_did),
    "handle": ("a handle", syntax.is_handle),
    "language": ("a BCP 47 language tag", lambda text: _LANGUAGE.fullmatch(text) is not None),
    "nsid": ("an NSID", syntax.is_nsid),
    "record-key": ("a record key", syntax.is_record_key),
    "tid": ("a TID", lambda text: _TID.fullmatch(text) is not None),
    "uri": ("a URI", syntax.is_uri),
}

LEAVES: Final[dict[str, Callable[[Schema, Any, str], None]]] = {
    "null": _check_null,
    "boolean": _check_boolean,
    "integer": _check_integer,
    "string": _check_string,
    "token": _check_string,
    "bytes": _check_bytes,
    "cid-link": _check_link,
    "unknown": _check_unknown,
}
