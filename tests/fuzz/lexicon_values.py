"""Values out of schemas: those a lexicon allows, and those that miss it by one fault."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from labeler.atproto.syntax import format_datetime
from labeler.service.schema import load_documents

Schema = dict[str, Any]
Values = st.SearchStrategy[Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
DIDS = st.from_regex(r"did:(plc|web|key):[a-zA-Z0-9._:-]{0,40}[a-zA-Z0-9_-]", fullmatch=True)
NSIDS = st.sampled_from(["com.example.thing", "app.bsky.feed.post"])
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
MOMENTS = st.integers(-(10**6), 10**9).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
FORMATS: dict[str, Values] = {
    "did": DIDS,
    "at-identifier": DIDS,
    "handle": st.sampled_from(["alice.example.com", "xn--bcher-kva.example"]),
    "at-uri": st.builds("at://{}/{}/{}".format, DIDS, NSIDS, st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True)),
    "uri": DIDS | st.sampled_from(["https://example.com/a?b#c", "at://did:plc:x/app.bsky.feed.post/3k"]),
    "cid": st.just(CID),
    "datetime": MOMENTS.map(format_datetime),
    "language": st.sampled_from(["en", "de-AT"]),
    "nsid": NSIDS,
    "record-key": st.sampled_from(["self", "3jzfcijpj2z2a"]),
    "tid": st.just("3jzfcijpj2z2a"),
}


class Gone:
    """Stands for a member that is left out."""


class Fault(NamedTuple):
    """One change that makes a value break its schema: where, and what stands there then."""

    path: tuple[str | int, ...]
    value: Any


def _absolute(nsid: str, schema: Any) -> Any:
    if isinstance(schema, list):
        return [_absolute(nsid, item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    full = {name: _absolute(nsid, item) for name, item in schema.items()}
    if full.get("type") == "ref":
        full["ref"] = _full(nsid, full["ref"])
    if full.get("type") == "union":
        full["refs"] = [_full(nsid, ref) for ref in full["refs"]]
    return full


def _full(nsid: str, ref: str) -> str:
    return (nsid + ref if ref.startswith("#") else ref).removesuffix("#main")


def definitions() -> dict[str, Schema]:
    """Read every definition by its full name, references made absolute."""
    return {
        document["id"] if name == "main" else f"{document['id']}#{name}": _absolute(document["id"], schema)
        for document in load_documents()
        for name, schema in document["defs"].items()
    }


DEFS = definitions()


def endpoints(kind: str) -> list[str]:
    """Name the methods of one kind our lexicons describe."""
    return sorted(name for name, schema in DEFS.items() if schema.get("type") == kind)


def allowed(schema: Schema) -> Values:
    """Make values the schema allows."""
    match schema["type"]:
        case "object" | "params":
            return _objects(schema)
        case "array":
            most = min(schema.get("maxLength", 4), 4)
            return st.lists(allowed(schema["items"]), min_size=schema.get("minLength", 0), max_size=most)
        case "ref":
            return allowed(DEFS[schema["ref"]])
        case "union":
            known = [allowed(DEFS[ref]).map(_typed(ref)) for ref in schema["refs"]]
            other = [] if schema.get("closed") else [st.just({"$type": "com.example.unheard#of"})]
            return st.one_of(*known, *other)
        case "string":
            return _strings(schema)
        case "integer":
            low, high = schema.get("minimum", -(2**53) + 1), schema.get("maximum", 2**53 - 1)
            return st.integers(low, high) | st.sampled_from([low, high])
        case "boolean":
            return st.booleans()
        case "unknown":
            return st.dictionaries(TEXT, TEXT | st.integers(0, 9), max_size=3)
        case "bytes":
            return st.just({"$bytes": "AAAA"})
        case other:
            raise AssertionError(f"no values for {other}")


def faults(schema: Schema, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Every single change we know of that makes an allowed value break its schema."""
    match schema["type"]:
        case "ref":
            yield from faults(DEFS[schema["ref"]], value, path)
            return
        case "object":
            yield from _object_faults(schema, value, path)
            wrong: list[Any] = [[], "object", 7, None]
        case "array":
            for index, item in enumerate(value[:3]):
                yield from faults(schema["items"], item, (*path, index))
            wrong = [{}, "array", 7, None]
            if 0 < schema.get("maxLength", 0) <= 50 and value:
                wrong.append(value * (schema["maxLength"] + 1))
        case "union":
            if value.get("$type") in schema["refs"]:
                yield from faults(DEFS[value["$type"]], value, path)
            wrong = [[], {}, "union", None, {**value, "$type": 7}]
        case "string":
            wrong = [7, True, None, [], {}, 1.5]
            wrong += ["x" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
            wrong += [""] if schema.get("minLength") else []
            wrong += ["no such format", "\x00", "did:", "2026-13-01T00:00:00Z"] if "format" in schema else []
        case "integer":
            wrong = ["7", 1.5, True, None, 2**53, [], {}]
            wrong += [schema["minimum"] - 1] if "minimum" in schema else []
            wrong += [schema["maximum"] + 1] if "maximum" in schema else []
        case "boolean":
            wrong = [0, "true", None, []]
        case "unknown":
            wrong = [[], "unknown", 7, {"float": 1.5}]
        case _:
            wrong = [7]
    for replacement in wrong:
        yield Fault(path, replacement)


def apply(fault: Fault, value: Any) -> Any:
    """Return the value with the fault in it."""
    if not fault.path:
        return fault.value
    broken = copy.deepcopy(value)
    place = broken
    for step in fault.path[:-1]:
        place = place[step]
    if fault.value is Gone:
        del place[fault.path[-1]]
    else:
        place[fault.path[-1]] = fault.value
    return broken


@st.composite
def near_misses(draw: st.DrawFn, schema: Schema) -> tuple[Fault, Any]:
    """Make a value that is allowed but for one fault; return the fault as well."""
    value = draw(allowed(schema))
    fault = draw(st.sampled_from(list(faults(schema, value))))
    return fault, apply(fault, value)


def _objects(schema: Schema) -> Values:
    fields = {name: allowed(inner) for name, inner in schema.get("properties", {}).items()}
    for name in schema.get("nullable", ()):
        fields[name] |= st.none()
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: values for name, values in fields.items() if name in required},
        optional={name: values for name, values in fields.items() if name not in required},
    )


def _object_faults(schema: Schema, value: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Fault]:
    for name in schema.get("required", ()):
        yield Fault((*path, name), Gone)
    for name, inner in schema.get("properties", {}).items():
        if name not in value or value[name] is None:
            continue
        for fault in faults(inner, value[name], (*path, name)):
            if not (fault.value is None and len(fault.path) == len(path) + 1 and name in schema.get("nullable", ())):
                yield fault


def _strings(schema: Schema) -> Values:
    if "format" in schema:
        return FORMATS[schema["format"]]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    low, high = schema.get("minLength", 0), schema.get("maxLength", 3000)
    texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=low, max_size=max(low, min(high // 4, 60)))
    edges = ["x" * low, "x" * min(high, 3000)]
    return st.one_of(texts, st.sampled_from([*schema.get("knownValues", ()), *edges]))


def _typed(ref: str) -> Any:
    return lambda value: {"$type": ref, **value}
