"""The event has two descriptions, the struct of the hot path and the lexicon; here they must say the same.

What only one of the two can say has its own tests below: hashes are lower-case hex and a status has its dots (the
lexicon language has no patterns), no word is an address (the intake says so), lengths count characters (the lexicon:
bytes), and the looser spellings of a datetime in RFC 3339 are read (the lexicon: atproto's strict one).
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import msgspec.inspect
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labeler.atproto.lexicon import Lexicons
from labeler.errors import BadInput
from labeler.reputation.events import AUTH_MAIL, MAX_EVENTS_PER_BATCH, Kind, SendEvent
from labeler.reputation.intake import Intake
from labeler.service.schema import load_documents, load_lexicons

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
EVENT = "email.atmos.telemetry.defs#sendEvent"
VALID: dict[str, Any] = {"id": "e-1", "kind": "bounced", "did": "did:plc:abc", "at": "2026-03-04T11:00:00Z"}
PATTERNS = {
    "recipient": r"[0-9a-f]{32}",
    "recipientExact": r"[0-9a-f]{32}",
    "client": r"[0-9a-f]{32}",
    "status": r"[245]\.[0-9]{1,3}\.[0-9]{1,3}",
}
WITHOUT_AT = ("domain", "recipientDomain", "fromDomain", "provider", "kind", "category", "tier", "hashKey")


@pytest.fixture(scope="module")
def lexicons() -> Lexicons:
    return load_lexicons()


def properties() -> dict[str, dict[str, Any]]:
    document = next(document for document in load_documents() if document["id"] == "email.atmos.telemetry.defs")
    found: dict[str, dict[str, Any]] = document["defs"]["sendEvent"]["properties"]
    return found


def struct_fields() -> dict[str, msgspec.inspect.Field]:
    info = msgspec.inspect.type_info(SendEvent)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.encode_name: field for field in info.fields}


def plain(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type of a field without its `| None`."""
    if isinstance(kind, msgspec.inspect.UnionType):
        (kind,) = (one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
    return kind


def lexicon_takes(lexicons: Lexicons, event: dict[str, Any]) -> bool:
    try:
        lexicons.check(EVENT, event)
    except BadInput:
        return False
    return True


def service_takes(event: dict[str, Any]) -> bool:
    """What the hot path does: decode into the struct, then let the intake look at it."""
    try:
        decoded = msgspec.json.decode(json.dumps(event).encode(), type=SendEvent)
    except msgspec.DecodeError:
        return False
    rejected = Intake().admit("did:web:relay.example", [decoded], NOW).rejected
    return not any(rejection.error == "InvalidEvent" for rejection in rejected)


def narrower(event: dict[str, Any]) -> bool:
    """Whether an event breaks what the lexicon language has no word for."""
    broken = (
        isinstance(event.get(name), str) and not re.fullmatch(pattern, event[name])
        for name, pattern in PATTERNS.items()
    )
    return any(broken) or any("@" in str(event.get(name)) for name in WITHOUT_AT)


def test_the_names_are_the_same() -> None:
    assert list(struct_fields()) == list(properties())


def test_the_same_fields_are_required_and_null_means_absent_in_all_others(lexicons: Lexicons) -> None:
    document = next(document for document in load_documents() if document["id"] == "email.atmos.telemetry.defs")
    schema = document["defs"]["sendEvent"]
    assert schema["required"] == [name for name, field in struct_fields().items() if field.required]
    assert schema["nullable"] == [name for name, field in struct_fields().items() if not field.required]


def test_types_and_limits_are_the_same() -> None:
    for name, schema in properties().items():
        kind = plain(struct_fields()[name].type)
        if isinstance(kind, msgspec.inspect.IntType):
            assert schema["type"] == "integer", name
            assert (schema["minimum"], schema["maximum"]) == (kind.ge, kind.le), name
        elif isinstance(kind, msgspec.inspect.DateTimeType):
            assert (schema["type"], schema["format"]) == ("string", "datetime"), name
            assert kind.tz is True, name
        else:
            assert isinstance(kind, msgspec.inspect.StrType), name
            assert schema["type"] == "string", name
            assert (kind.pattern is not None) == (name in PATTERNS), name
            if name not in PATTERNS and "format" not in schema:
                assert (schema["minLength"], schema["maxLength"]) == (kind.min_length, kind.max_length), name


def test_the_known_kinds_and_categories_are_the_same() -> None:
    assert properties()["kind"]["knownValues"] == [str(kind) for kind in Kind]
    assert set(properties()["category"]["knownValues"]) == {"bulk", *AUTH_MAIL}


def test_a_batch_has_the_same_limit() -> None:
    document = next(document for document in load_documents() if document["id"] == "email.atmos.telemetry.submitEvents")
    events = document["defs"]["main"]["input"]["schema"]["properties"]["events"]
    assert events["maxLength"] == MAX_EVENTS_PER_BATCH


HEX = "0123456789abcdef" * 2
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)
WRONG_TYPE: list[Any] = [None, True, False, 0, -1, 1.5, [], {}, ""]


def text_near(low: int, high: int) -> st.SearchStrategy[str]:
    """ASCII text of a length at, just within or just outside the limits."""
    lengths = st.sampled_from([low - 1, low, low + 1, high - 1, high, high + 1]).filter(lambda size: size >= 0)
    return st.builds(lambda size, letter: letter * size, lengths, st.sampled_from("a1-."))


def number_near(low: int, high: int) -> st.SearchStrategy[int]:
    return st.sampled_from([low - 1, low, low + 1, high - 1, high, high + 1, 2**53, -(2**70)])


def near(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that are just right or just wrong for a field."""
    if schema["type"] == "integer":
        fitting: st.SearchStrategy[Any] = number_near(schema["minimum"], schema["maximum"])
    elif schema.get("format") == "did":
        dids = [
            "did:plc:abc",
            "did:web:a.example",
            "did:PLC:abc",
            "did:plc:",
            "plc:abc",
            "did:plc:a b",
            "did:plc:" + "a" * 2040,
        ]
        fitting = st.sampled_from([*dids, "did:plc:" + "a" * 2041, "did:plc:abc\n"])
    elif schema.get("format") == "datetime":
        right = ["2026-03-04T11:00:00Z", "2026-03-04T11:00:00.123+01:00", "2024-02-29T00:00:00Z"]
        wrong = [
            "2026-03-04",
            "2026-03-04T11:00:00",
            "2025-02-29T00:00:00Z",
            "2026-03-04T25:00:00Z",
            "now",
            "1772622000",
        ]
        fitting = st.sampled_from(right + wrong)
    elif name in PATTERNS:
        wrong = [
            HEX + "\n",
            HEX.upper(),
            HEX[:-1],
            HEX + "0",
            "é" * 16,
            "5.1.1\n",
            "3.1.1",
            "5.1",
            "5.1.1000",
            "5.\u0661.1",
        ]
        fitting = st.sampled_from([HEX, "5.1.1", "2.0.0", "4.999.999", "member@example.com", *wrong])
    else:
        fitting = st.one_of(text_near(schema["minLength"], schema["maxLength"]), ASCII)
    return st.one_of(fitting, st.sampled_from(WRONG_TYPE))


NEAR = {name: near(name, schema) for name, schema in properties().items()}


@st.composite
def near_misses(draw: st.DrawFn) -> dict[str, Any]:
    """A valid event with up to three fields set near their limits, and perhaps one missing."""
    event = dict(VALID)
    for name in draw(st.lists(st.sampled_from(sorted(NEAR)), min_size=1, max_size=3, unique=True)):
        event[name] = draw(NEAR[name])
    missing = draw(st.sampled_from([None, None, None, "id", "kind", "did", "at"]))
    if missing:
        del event[missing]
    if draw(st.booleans()):
        event["field of the future"] = draw(st.sampled_from(["", 1, None, [], {"a": {}}]))
    return event


@settings(max_examples=1_000)
@given(near_misses())
@example({**VALID, "recipient": HEX + "\n"})  # `$` in a pattern would let the newline in
@example({**VALID, "status": "5.1.1\n"})
@example({**VALID, "status": "5.\u0661.1"})  # a digit, but not one SMTP knows
@example({**VALID, "domain": None, "hourlyCap": None})
def test_an_event_is_valid_for_both_or_for_neither(lexicons: Lexicons, event: dict[str, Any]) -> None:
    if service_takes(event):
        assert lexicon_takes(lexicons, event), event
        assert not narrower(event), event
    else:
        assert narrower(event) or not lexicon_takes(lexicons, event), event


@pytest.mark.parametrize(("name", "value"), [("recipient", HEX), ("status", "5.1.1"), ("provider", "mx.example")])
def test_the_shapes_only_the_struct_can_name(lexicons: Lexicons, name: str, value: str) -> None:
    """An address in clear where a hash or a domain belongs fits the lexicon's lengths at times, and never gets in."""
    assert service_takes({**VALID, name: value})
    assert lexicon_takes(lexicons, {**VALID, name: value})
    address = ("a@b.example" + "e" * 32)[: len(value)]
    assert not service_takes({**VALID, name: address})


def test_the_struct_counts_characters_where_the_lexicon_counts_bytes(lexicons: Lexicons) -> None:
    assert service_takes({**VALID, "messageId": "é" * 256})
    assert not lexicon_takes(lexicons, {**VALID, "messageId": "é" * 256})


@pytest.mark.parametrize("at", ["2026-03-04t11:00:00z", "2026-03-04 11:00:00Z", "2026-03-04T11:00:00+0000"])
def test_the_struct_forgives_the_looser_spellings_of_a_datetime(lexicons: Lexicons, at: str) -> None:
    """The moment is unmistakable, so mail data is not thrown away over it; the lexicon keeps to the strict form."""
    assert service_takes({**VALID, "at": at})
    assert not lexicon_takes(lexicons, {**VALID, "at": at})
