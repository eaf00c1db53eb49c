"""Checks values and query strings against lexicons (Lexicon spec; XRPC spec §Lexicon HTTP Endpoints).

The documents come in as parsed JSON; reading files is not done here. A value that breaks a schema raises
`BadInput` with the path of the culprit (`events/3/did must be a DID`). A document that makes no sense raises
`Misconfigured` when the collection is built, so that it cannot surface later. Records and blobs are not here:
none of our documents needs them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from labeler.atproto import syntax
from labeler.atproto.lexicon_types import (
    FORMATS,
    LEAVES,
    MAX_SAFE_INTEGER,
    Schema,
    bad,
    check_data,
    check_range,
    is_unicode,
    join,
)
from labeler.errors import BadInput, Misconfigured

ENDPOINTS: Final = frozenset({"query", "procedure", "subscription"})
PARAM_TYPES: Final = frozenset({"boolean", "integer", "string", "array"})

_INTEGER = re.compile(r"-?[0-9]{1,16}")  # 16 digits hold 2^53; Python would refuse, loudly, to read thousands


class Lexicons:
    """A closed set of lexicon documents: every reference in it resolves within it."""

    def __init__(self, documents: Iterable[Schema]) -> None:
        self._defs: dict[str, Schema] = {}
        for document in documents:
            self._take(document)
        for name, schema in self._defs.items():
            self._check_definition(name, schema)

    def kind(self, nsid: str) -> str | None:
        """Tell "query", "procedure" or "subscription"; None when `nsid` names no endpoint."""
        kind = self._defs.get(nsid, {}).get("type")
        return kind if kind in ENDPOINTS else None

    def check_params(self, nsid: str, params: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Read a query string, given as (name, value) pairs, into typed values with defaults filled in.

        An empty value counts as absent, an unknown name is ignored, arrays come by repetition and nothing
        else may be repeated (XRPC spec §Lexicon HTTP Endpoints; the reference server agrees).
        """
        given: dict[str, list[str]] = {}
        for name, text in params:
            if text:
                given.setdefault(name, []).append(text)
        schema = self._endpoint(nsid).get("parameters", {})
        values: dict[str, Any] = {}
        for name, field in schema.get("properties", {}).items():
            if name in given:
                values[name] = _parse_param(field, given[name], name)
                self._check(field, values[name], name)
            elif "default" in field:
                values[name] = field["default"]
        _check_required(schema, values, "")
        return values

    def check_input(self, nsid: str, value: Any) -> Any:
        """Check the body of a procedure and return it as it is; its defaults are the handler's to apply."""
        return self._check_body(nsid, "input", value)

    def check_output(self, nsid: str, value: Any) -> Any:
        """Check the answer of a query or procedure and return it as it is."""
        return self._check_body(nsid, "output", value)

    def check(self, ref: str, value: Any) -> Any:
        """Check a value against one definition (`nsid` or `nsid#name`) and return it as it is."""
        if ref not in self._defs:
            raise Misconfigured(f"lexicon {ref}: is not there")
        check_data(value, "")
        self._check(self._defs[ref], value, "")
        return value

    def _endpoint(self, nsid: str) -> Schema:
        if self.kind(nsid) is None:
            raise Misconfigured(f"lexicon {nsid}: is not there, or is no endpoint")
        return self._defs[nsid]

    def _check_body(self, nsid: str, side: str, value: Any) -> Any:
        schema = self._endpoint(nsid).get(side, {}).get("schema")
        if schema is None:
            raise BadInput(f"{nsid} has no {side}")
        check_data(value, "")
        self._check(schema, value, "")
        return value

    def _check(self, schema: Schema, value: Any, path: str) -> None:
        match schema["type"]:
            case "object":
                self._check_object(schema, value, path)
            case "array":
                self._check_array(schema, value, path)
            case "ref":
                self._check(self._defs[schema["ref"]], value, path)
            case "union":
                self._check_union(schema, value, path)
            case leaf:
                LEAVES[leaf](schema, value, path)

    def _check_object(self, schema: Schema, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise bad(path, "must be an object")
        _check_required(schema, value, path)
        nullable = schema.get("nullable", ())
        for name, field in schema.get("properties", {}).items():
            if name in value and not (value[name] is None and name in nullable):
                self._check(field, value[name], join(path, name))

    def _check_array(self, schema: Schema, value: Any, path: str) -> None:
        if not isinstance(value, list | tuple):
            raise bad(path, "must be an array")
        check_range(schema, len(value), path, "Length", "items")
        for index, item in enumerate(value):
            self._check(schema["items"], item, join(path, index))

    def _check_union(self, schema: Schema, value: Any, path: str) -> None:
        if not isinstance(value, dict) or not isinstance(value.get("$type"), str):
            raise bad(path, "must be an object with a $type")
        if value["$type"] in schema["refs"]:
            self._check(self._defs[value["$type"]], value, path)
        elif schema.get("closed"):
            raise bad(path, f"must have as its $type one of {', '.join(schema['refs'])}")

    def _take(self, document: Schema) -> None:
        nsid = document.get("id")
        if document.get("lexicon") != 1 or not isinstance(nsid, str) or not syntax.is_nsid(nsid):
            raise Misconfigured(f"lexicon {nsid!r}: needs `lexicon` 1 and an NSID as `id`")
        defs = document.get("defs")
        if not isinstance(defs, dict) or not defs:
            raise Misconfigured(f"lexicon {nsid}: `defs` is missing or empty")
        for name, schema in defs.items():
            ref = nsid if name == "main" else f"{nsid}#{name}"
            if ref in self._defs:
                raise Misconfigured(f"lexicon {ref}: is defined twice")
            if not isinstance(schema, dict):
                raise Misconfigured(f"lexicon {ref}: is not an object")
            self._defs[ref] = _absolute(nsid, schema)
            if self._defs[ref].get("type") == "token":
                self._defs[ref]["const"] = ref  # the value of a token is its own name

    def _check_definition(self, name: str, schema: Schema) -> None:
        if schema.get("type") in ENDPOINTS:
            for part, inner in _endpoint_schemas(schema):
                self._check_schema(f"{name} {part}", inner)
            for field, param in schema.get("parameters", {}).get("properties", {}).items():
                if param.get("type") not in PARAM_TYPES or param.get("items", {}).get("type") == "array":
                    raise Misconfigured(f"lexicon {name}: parameter {field} cannot stand in a query string")
        elif schema.get("type") in ("ref", "union"):
            raise Misconfigured(f"lexicon {name}: a definition cannot be a bare {schema['type']}")
        else:
            self._check_schema(name, schema)

    def _check_schema(self, name: str, schema: Schema) -> None:
        kind = schema.get("type")
        if kind not in LEAVES and kind not in ("object", "array", "ref", "union"):
            raise Misconfigured(f"lexicon {name}: type {kind!r} is not known here")
        if schema.get("format", "did") not in FORMATS:
            raise Misconfigured(f"lexicon {name}: format {schema['format']!r} is not known here")
        for ref in [schema["ref"]] if kind == "ref" else schema.get("refs", ()):
            if ref not in self._defs:
                raise Misconfigured(f"lexicon {name}: {ref} does not resolve")
        fields = schema.get("properties", {})
        for field in (*schema.get("required", ()), *schema.get("nullable", ())):
            if field not in fields:
                raise Misconfigured(f"lexicon {name}: {field} is required or nullable, and not a property")
        for field, inner in fields.items():
            self._check_schema(f"{name}/{field}", inner)
        if kind == "array":
            self._check_schema(f"{name}/items", schema.get("items", {}))


def _endpoint_schemas(endpoint: Schema) -> Iterator[tuple[str, Schema]]:
    if "parameters" in endpoint:
        yield "parameters", {**endpoint["parameters"], "type": "object"}
    for part in ("input", "output", "message"):
        if "schema" in endpoint.get(part, {}):
            yield part, endpoint[part]["schema"]


def _check_required(schema: Schema, value: dict[str, Any], path: str) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise bad(join(path, name), "is required")


def _parse_param(field: Schema, texts: list[str], name: str) -> Any:
    if field["type"] == "array":
        return [_parse_param(field["items"], [text], name) for text in texts]
    if len(texts) > 1:
        raise bad(name, "must be given once")
    text = texts[0]
    if field["type"] == "boolean":
        if text not in ("true", "false"):
            raise bad(name, "must be true or false")
        return text == "true"
    if field["type"] == "integer":
        if not _INTEGER.fullmatch(text) or abs(int(text)) > MAX_SAFE_INTEGER:
            raise bad(name, "must be an integer")
        return int(text)
    if not is_unicode(text):
        raise bad(name, "must be valid Unicode")
    return text


def _absolute(nsid: str, schema: Any) -> Any:
    """Copy a schema with its references in full: `#label` as `<nsid>#label`, `<nsid>#main` as `<nsid>`."""
    match schema:
        case {"type": "ref", "ref": str(ref)}:
            return {**schema, "ref": _full(nsid, ref)}
        case {"type": "union", "refs": list(refs)}:
            return {**schema, "refs": [_full(nsid, ref) for ref in refs]}
        case dict():
            return {name: _absolute(nsid, item) for name, item in schema.items()}
        case list():
            return [_absolute(nsid, item) for item in schema]
        case _:
            return schema


def _full(nsid: str, ref: str) -> str:
    return (nsid + ref if ref.startswith("#") else ref).removesuffix("#main")
