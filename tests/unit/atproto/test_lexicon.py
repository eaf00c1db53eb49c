"""The lexicon checker: what a schema allows passes unchanged, what it does not is named by its path."""

from typing import Any

import pytest

from labeler.atproto.lexicon import Lexicons
from labeler.errors import BadInput, Misconfigured

CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
DID = "did:plc:44ybard66vv44zksje25o7dz"


def document(nsid: str, **defs: Any) -> dict[str, Any]:
    return {"lexicon": 1, "id": nsid, "defs": defs}


def field(**schema: Any) -> Lexicons:
    """One definition, `x.y.z`, an object whose only field `f` has the given schema."""
    return Lexicons(
        [
            document(
                "x.y.z",
                main={"type": "object", "properties": {"f": schema}},
                thing={"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
                sign={"type": "token"},
            )
        ]
    )


def refusal(lexicons: Lexicons, value: Any, ref: str = "x.y.z") -> str:
    with pytest.raises(BadInput) as caught:
        lexicons.check(ref, value)
    assert caught.value.name == "InvalidRequest"
    return caught.value.message


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "null"}, None),
        ({"type": "boolean"}, False),
        ({"type": "boolean", "const": True}, True),
        ({"type": "integer"}, 2**53 - 1),
        ({"type": "integer", "minimum": -1, "maximum": 3}, -1),
        ({"type": "integer", "minimum": -1, "maximum": 3}, 3),
        ({"type": "integer", "enum": [1, 2]}, 2),
        ({"type": "string"}, ""),
        ({"type": "string", "maxLength": 2}, "é"),
        ({"type": "string", "maxGraphemes": 1}, "é"),
        ({"type": "string", "maxGraphemes": 1}, "e\u0301"),
        ({"type": "string", "knownValues": ["a"]}, "b"),
        ({"type": "string", "enum": ["a"]}, "a"),
        ({"type": "string", "const": "a"}, "a"),
        ({"type": "string", "format": "at-identifier"}, DID),
        ({"type": "string", "format": "at-identifier"}, "alice.example.com"),
        ({"type": "string", "format": "at-uri"}, f"at://{DID}/app.bsky.feed.post/3k5nobkf2w72g"),
        ({"type": "string", "format": "cid"}, CID),
        ({"type": "string", "format": "datetime"}, "2026-01-31T12:00:00.000Z"),
        ({"type": "string", "format": "did"}, DID),
        ({"type": "string", "format": "handle"}, "alice.example.com"),
        ({"type": "string", "format": "language"}, "pt-BR"),
        ({"type": "string", "format": "language"}, "i-navajo"),
        ({"type": "string", "format": "nsid"}, "com.atproto.label.defs"),
        ({"type": "string", "format": "record-key"}, "self"),
        ({"type": "string", "format": "tid"}, "3k5nobkf2w72g"),
        ({"type": "string", "format": "uri"}, "https://example.com/"),
        ({"type": "bytes"}, b"\x00"),
        ({"type": "bytes"}, {"$bytes": "AAE"}),
        ({"type": "bytes", "maxLength": 2}, {"$bytes": "AAE="}),
        ({"type": "cid-link"}, {"$link": CID}),
        ({"type": "unknown"}, {"any": [{"thing": None}, True, "x", -1]}),
        ({"type": "array", "items": {"type": "integer"}, "minLength": 1, "maxLength": 2}, [1, 2]),
        ({"type": "array", "items": {"type": "integer"}}, (1, 2)),
        ({"type": "ref", "ref": "#thing"}, {"n": 1}),
        ({"type": "ref", "ref": "x.y.z#thing"}, {"n": 1}),
        ({"type": "ref", "ref": "#sign"}, "x.y.z#sign"),
        ({"type": "ref", "ref": "x.y.z#main"}, {}),
        ({"type": "union", "refs": ["#thing"]}, {"$type": "x.y.z#thing", "n": 1}),
        ({"type": "union", "refs": ["#thing"]}, {"$type": "of.the.future#thing"}),
        ({"type": "union", "refs": ["#thing"], "closed": True}, {"$type": "x.y.z#thing", "n": 1}),
    ],
)
def test_what_the_schema_allows_comes_back_as_it_is(schema: dict[str, Any], value: Any) -> None:
    given = {"f": value, "extra": "fields are ignored (row 183)"}
    assert field(**schema).check("x.y.z", given) is given


@pytest.mark.parametrize(
    ("schema", "value", "complaint"),
    [
        ({"type": "null"}, False, "f must be null"),
        ({"type": "boolean"}, 1, "f must be a boolean"),
        ({"type": "boolean", "const": True}, False, "f must be True"),
        ({"type": "integer"}, True, "f must be an integer"),
        ({"type": "integer"}, "1", "f must be an integer"),
        ({"type": "integer"}, None, "f must be an integer"),
        ({"type": "integer"}, 1.0, "f must not be a float: the data model has none"),
        ({"type": "integer"}, 2**53, "f must be an integer of at most 53 bits, as JSON can carry it"),
        ({"type": "integer", "minimum": 0}, -1, "f must be at least 0"),
        ({"type": "integer", "maximum": 3}, 4, "f must be at most 3"),
        ({"type": "integer", "enum": [1, 2]}, 3, "f must be one of 1, 2"),
        ({"type": "string"}, 1, "f must be a string"),
        ({"type": "string"}, "\ud800", "f must be valid Unicode"),
        ({"type": "string", "minLength": 3}, "é", "f must have at least 3 bytes"),
        ({"type": "string", "maxLength": 1}, "é", "f must have at most 1 bytes"),
        ({"type": "string", "minGraphemes": 2}, "é", "f must have at least 2 characters"),
        ({"type": "string", "maxGraphemes": 1}, "ab", "f must have at most 1 characters"),
        ({"type": "string", "enum": ["a"]}, "b", "f must be one of a"),
        ({"type": "string", "const": "a"}, "b", "f must be a"),
        ({"type": "string", "format": "at-identifier"}, "alice", "f must be a DID or a handle"),
        ({"type": "string", "format": "at-uri"}, DID, "f must be an AT URI"),
        ({"type": "string", "format": "cid"}, "Qm", "f must be a CID"),
        (
            {"type": "string", "format": "datetime"},
            "2026-01-31",
            "f must be a datetime such as 2026-01-31T12:00:00.000Z",
        ),
        ({"type": "string", "format": "did"}, "did:PLC:x", "f must be a DID"),
        ({"type": "string", "format": "handle"}, DID, "f must be a handle"),
        ({"type": "string", "format": "language"}, "english, please", "f must be a BCP 47 language tag"),
        ({"type": "string", "format": "nsid"}, "com.atproto", "f must be an NSID"),
        ({"type": "string", "format": "record-key"}, "..", "f must be a record key"),
        ({"type": "string", "format": "tid"}, "0000000000000", "f must be a TID"),
        ({"type": "string", "format": "uri"}, "nothing", "f must be a URI"),
        ({"type": "bytes"}, "AAE", 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes"}, {"$bytes": 1}, 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes"}, {"$bytes": "AA E"}, 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes"}, {"$bytes": "AAAAA"}, 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes"}, {"$bytes": "AA="}, 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes"}, {"$bytes": "AAE", "more": 1}, 'f must be bytes, in JSON {"$bytes": base64}'),
        ({"type": "bytes", "minLength": 3}, {"$bytes": "AAE"}, "f must have at least 3 bytes"),
        ({"type": "bytes", "maxLength": 1}, b"\x00\x01", "f must have at most 1 bytes"),
        ({"type": "cid-link"}, CID, 'f must be a link, {"$link": CID}'),
        ({"type": "cid-link"}, {"$link": "Qm"}, 'f must be a link, {"$link": CID}'),
        ({"type": "unknown"}, [], "f must be an object"),
        ({"type": "unknown"}, {"deep": [{"in": 0.5}]}, "f/deep/0/in must not be a float: the data model has none"),
        ({"type": "unknown"}, {"\ud800": 1}, "f must be valid Unicode"),
        ({"type": "array", "items": {"type": "integer"}}, {}, "f must be an array"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "x"], "f/1 must be an integer"),
        ({"type": "array", "items": {"type": "integer"}, "minLength": 1}, [], "f must have at least 1 items"),
        ({"type": "array", "items": {"type": "integer"}, "maxLength": 1}, [1, 2], "f must have at most 1 items"),
        ({"type": "ref", "ref": "#thing"}, {}, "f/n is required"),
        ({"type": "ref", "ref": "#thing"}, 1, "f must be an object"),
        ({"type": "ref", "ref": "#sign"}, "#sign", "f must be x.y.z#sign"),
        ({"type": "union", "refs": ["#thing"]}, {"n": 1}, "f must be an object with a $type"),
        ({"type": "union", "refs": ["#thing"]}, "x.y.z#thing", "f must be an object with a $type"),
        ({"type": "union", "refs": ["#thing"]}, {"$type": "x.y.z#thing"}, "f/n is required"),
        (
            {"type": "union", "refs": ["#thing"], "closed": True},
            {"$type": "of.the.future#thing"},
            "f must have as its $type one of x.y.z#thing",
        ),
    ],
)
def test_what_it_does_not_allow_is_named_by_path(schema: dict[str, Any], value: Any, complaint: str) -> None:
    assert refusal(field(**schema), {"f": value}) == complaint


def test_the_value_itself_may_be_wrong() -> None:
    assert refusal(field(type="null"), []) == "The value must be an object"


def test_null_passes_only_where_the_schema_says_so() -> None:
    properties = {"a": {"type": "integer"}, "b": {"type": "integer"}}
    lexicons = Lexicons([document("x.y.z", main={"type": "object", "nullable": ["a"], "properties": properties})])
    assert lexicons.check("x.y.z", {"a": None}) == {"a": None}
    assert refusal(lexicons, {"b": None}) == "b must be an integer"


def test_a_required_field_may_be_null_but_not_missing() -> None:
    schema = {"type": "object", "required": ["a"], "nullable": ["a"], "properties": {"a": {"type": "integer"}}}
    lexicons = Lexicons([document("x.y.z", main=schema)])
    assert lexicons.check("x.y.z", {"a": None}) == {"a": None}
    assert refusal(lexicons, {}) == "a is required"


def test_a_float_in_a_field_nobody_asked_for_is_refused_too() -> None:
    """Row 181: the data model has no floats, whether or not the schema names the field."""
    assert refusal(field(type="null"), {"other": 1.0}) == "other must not be a float: the data model has none"


def test_endless_nesting_is_refused_before_python_gives_up() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"f": value}
    assert "is nested deeper than 64" in refusal(field(type="unknown"), value)


def test_a_path_made_of_somebodys_field_names_is_cut_short() -> None:
    assert len(refusal(field(type="unknown"), {"x" * 100_000: 1.5})) < 300


PING = {
    "type": "query",
    "parameters": {
        "type": "params",
        "required": ["patterns"],
        "properties": {
            "patterns": {"type": "array", "items": {"type": "string"}},
            "sources": {"type": "array", "items": {"type": "string", "format": "did"}},
            "limit": {"type": "integer", "minimum": 1, "maximum": 250, "default": 50},
            "seq": {"type": "integer"},
            "live": {"type": "boolean"},
            "cursor": {"type": "string"},
        },
    },
    "output": {"encoding": "application/json", "schema": {"type": "ref", "ref": "#answer"}},
}
PONG = {
    "type": "procedure",
    "input": {"encoding": "application/json", "schema": {"type": "ref", "ref": "a.b.ping#answer"}},
}
FLOW = {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["a.b.ping#answer"]}}}
ANSWER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
def endpoints() -> Lexicons:
    return Lexicons(
        [
            document("a.b.ping", main=PING, answer=ANSWER),
            document("a.b.pong", main=PONG),
            document("a.b.flow", main=FLOW),
        ]
    )


def test_parameters_get_their_types_and_defaults(endpoints: Lexicons) -> None:
    """Rows 175 and 176: strings unquoted, arrays by repetition, unknown names ignored."""
    params = [
        ("patterns", "a"),
        ("patterns", "b,c"),
        ("live", "true"),
        ("seq", "-7"),
        ("nobody", "x"),
        ("patterns[]", "d"),
    ]
    assert endpoints.check_params("a.b.ping", params) == {
        "patterns": ["a", "b,c"],
        "limit": 50,
        "seq": -7,
        "live": True,
    }


def test_an_empty_parameter_counts_as_absent(endpoints: Lexicons) -> None:
    """Rows 90 and 98."""
    params = [("patterns", ""), ("patterns", "*"), ("limit", ""), ("live", "")]
    assert endpoints.check_params("a.b.ping", params) == {"patterns": ["*"], "limit": 50}
    with pytest.raises(BadInput, match=r"^patterns is required$"):
        endpoints.check_params("a.b.ping", [("patterns", "")])


@pytest.mark.parametrize(
    "text", ["abc", "1.5", "1e2", "0x10", " 10", "+1", "٣", "1\n", "9" * 20, "9" * 5000, "9007199254740993"]
)
def test_what_is_no_integer_is_refused(endpoints: Lexicons, text: str) -> None:
    """Row 98: digits with an optional minus sign, within 53 bits."""
    with pytest.raises(BadInput, match=r"^limit must be an integer$"):
        endpoints.check_params("a.b.ping", [("patterns", "*"), ("limit", text)])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("limit", "0", "limit must be at least 1"),
        ("limit", "251", "limit must be at most 250"),
        ("limit", "-1", "limit must be at least 1"),
        ("live", "True", "live must be true or false"),
        ("live", "1", "live must be true or false"),
        ("sources", "notadid", "sources/0 must be a DID"),
        ("cursor", "\udcff", "cursor must be valid Unicode"),
    ],
)
def test_parameters_are_held_to_their_schema(endpoints: Lexicons, name: str, text: str, complaint: str) -> None:
    with pytest.raises(BadInput) as caught:
        endpoints.check_params("a.b.ping", [("patterns", "*"), (name, text)])
    assert caught.value.message == complaint


def test_a_scalar_given_twice_is_refused(endpoints: Lexicons) -> None:
    """Row 98: `limit` given twice."""
    with pytest.raises(BadInput, match=r"^limit must be given once$"):
        endpoints.check_params("a.b.ping", [("patterns", "*"), ("limit", "1"), ("limit", "1")])


def test_an_endpoint_without_parameters_ignores_them(endpoints: Lexicons) -> None:
    assert endpoints.check_params("a.b.pong", [("x", "1")]) == {}


def test_bodies_are_checked_by_side(endpoints: Lexicons) -> None:
    assert endpoints.check_output("a.b.ping", {"n": 1}) == {"n": 1}
    assert endpoints.check_input("a.b.pong", {"n": 1}) == {"n": 1}
    with pytest.raises(BadInput, match=r"^n must be an integer$"):
        endpoints.check_input("a.b.pong", {"n": "1"})
    with pytest.raises(BadInput, match=r"^a\.b\.ping has no input$"):
        endpoints.check_input("a.b.ping", {})


def test_it_knows_what_an_endpoint_is(endpoints: Lexicons) -> None:
    names = ["a.b.ping", "a.b.pong", "a.b.flow", "a.b.ping#answer", "a.b.nothing"]
    assert [endpoints.kind(name) for name in names] == ["query", "procedure", "subscription", None, None]


def test_asking_for_what_is_not_there_is_our_mistake(endpoints: Lexicons) -> None:
    with pytest.raises(Misconfigured, match=r"a\.b\.nothing"):
        endpoints.check("a.b.nothing", {})
    with pytest.raises(Misconfigured, match="no endpoint"):
        endpoints.check_input("a.b.ping#answer", {})


def with_param(**schema: Any) -> dict[str, Any]:
    return document("x.y.z", main={"type": "query", "parameters": {"type": "params", "properties": {"p": schema}}})


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        ([{"lexicon": 2, "id": "x.y.z", "defs": {"main": ANSWER}}], "needs `lexicon` 1"),
        ([{"lexicon": 1, "defs": {"main": ANSWER}}], "needs `lexicon` 1"),
        ([document("not an nsid", main=ANSWER)], "needs `lexicon` 1"),
        ([document("x.y.z")], "`defs` is missing or empty"),
        ([{"lexicon": 1, "id": "x.y.z", "defs": []}], "`defs` is missing or empty"),
        ([document("x.y.z", main=ANSWER)] * 2, "is defined twice"),
        ([document("x.y.z", main=[])], "is not an object"),
        ([document("x.y.z", main={})], "type None is not known here"),
        ([document("x.y.z", main={"type": "record"})], "type 'record' is not known here"),
        ([document("x.y.z", main={"type": "ref", "ref": "#main"})], "cannot be a bare ref"),
        ([document("x.y.z", main={"type": "array"})], "x.y.z/items: type None"),
        ([document("x.y.z", main={"type": "string", "format": "iban"})], "format 'iban' is not known here"),
        (
            [document("x.y.z", main={"type": "array", "items": {"type": "ref", "ref": "#a"}})],
            "x.y.z#a does not resolve",
        ),
        (
            [document("x.y.z", main={"type": "object", "required": ["a"]})],
            "a is required or nullable, and not a property",
        ),
        (
            [document("x.y.z", main={"type": "object", "nullable": ["a"]})],
            "a is required or nullable, and not a property",
        ),
        (
            [document("x.y.z", main={"type": "query", "output": {"schema": {"type": "ref", "ref": "#a"}}})],
            "x.y.z output: ",
        ),
        (
            [document("x.y.z", main={"type": "query", "parameters": {"required": ["p"]}})],
            "x.y.z parameters: p is required",
        ),
        ([with_param(type="object")], "parameter p cannot stand in a query string"),
        ([with_param(type="array", items={"type": "array", "items": {"type": "string"}})], "parameter p cannot stand"),
    ],
)
def test_a_document_that_makes_no_sense_stops_the_start(documents: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(Misconfigured, match=r"^lexicon ") as caught:
        Lexicons(documents)
    assert complaint in str(caught.value)
