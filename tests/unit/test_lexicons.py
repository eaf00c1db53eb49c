"""The lexicon files themselves: every one parses, sits where its name says, resolves, and keeps the house style."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto.lexicon import Lexicons

FOLDER = Path(__file__).resolve().parents[2] / "lexicons"
FILES = sorted(FOLDER.rglob("*.json"))
OURS = [file for file in FILES if file.is_relative_to(FOLDER / "email")]
LOWER_CAMEL = re.compile(r"[a-z]+([A-Z][a-z0-9]*)*")
UPPER_CAMEL = re.compile(r"[A-Z][a-z0-9]+([A-Z][a-z0-9]*)*")


def load(file: Path) -> dict[str, Any]:
    document = json.loads(file.read_text())
    assert isinstance(document, dict)
    return document


def schemas(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with a `type`, however deep, with its path."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield path, schema
        for name, inner in schema.items():
            yield from schemas(inner, f"{path}/{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from schemas(inner, f"{path}/{index}")


def every(wanted: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "file", wanted, ids=lambda file: ".".join(file.relative_to(FOLDER).with_suffix("").parts)
    )


def test_there_are_lexicons_of_ours_and_of_others() -> None:
    assert len(OURS) >= 6
    assert len(FILES) > len(OURS)


def test_the_files_stand_together() -> None:
    """Every reference resolves within the folder."""
    Lexicons(load(file) for file in FILES)


@every(FILES)
@pytest.mark.row(290)
def test_the_path_is_the_name(file: Path) -> None:
    assert load(file)["id"] == ".".join(file.relative_to(FOLDER).with_suffix("").parts)


@every(OURS)
@pytest.mark.row(290, 291)
def test_authorities_are_domains_in_letters(file: Path) -> None:
    """The group of a name is a domain of ours in reverse, and its segments are letters and nothing else."""
    *group, name = load(file)["id"].split(".")
    assert group[:2] == ["email", "atmos"]
    assert len(group) == 3
    assert all(re.fullmatch(r"[a-z]+", segment) for segment in group)
    assert LOWER_CAMEL.fullmatch(name)


@every(FILES)
@pytest.mark.row(288, 289)
def test_a_file_has_one_main_of_a_primary_type_or_is_all_definitions(file: Path) -> None:
    """`lexicon` 1, an id, definitions; records and permission sets would be primary too, and there are none."""
    document = load(file)
    assert set(document) <= {"lexicon", "id", "description", "defs"}
    assert document["lexicon"] == 1
    assert document["defs"]
    kinds = {name: schema["type"] for name, schema in document["defs"].items()}
    primary = [name for name, kind in kinds.items() if kind in ("query", "procedure", "subscription", "record")]
    assert primary in ([], ["main"])
    assert (file.stem == "defs") == ("main" not in kinds) or kinds["main"] == "object"


@every(FILES)
@pytest.mark.row(300, 301, 302)
def test_definitions_parameters_and_messages_keep_to_the_language(file: Path) -> None:
    """No bare `ref` or `union`, plain parameters, messages that are unions, tokens named in full."""
    for name, schema in load(file)["defs"].items():
        assert schema["type"] not in ("ref", "union"), name
        for field, param in schema.get("parameters", {}).get("properties", {}).items():
            assert param.get("items", param)["type"] in ("boolean", "integer", "string"), field
        assert "nullable" not in schema.get("parameters", {})
        if schema["type"] == "subscription":
            assert schema["message"]["schema"]["type"] == "union"
    for path, schema in schemas(load(file)["defs"]):
        for value in schema.get("knownValues", ()):
            assert not value.startswith("#"), path


@every(OURS)
@pytest.mark.row(304)
def test_lists_of_any_length_come_in_pages(file: Path) -> None:
    """What takes a `limit` takes a `cursor`, and gives one."""
    main = load(file)["defs"].get("main", {})
    params = main.get("parameters", {}).get("properties", {})
    assert ("limit" in params) == ("cursor" in params)
    if "cursor" in params:
        assert main["output"]["schema"]["properties"]["cursor"]["type"] == "string"
        assert "cursor" not in main["output"]["schema"]["required"]


@pytest.mark.row(296, 297)
def test_what_we_promised_is_still_there() -> None:
    """The required fields and types of our methods as first published: fields may be added, as optional ones.

    A breaking change needs a new name; a method still in flux would say `.temp.` or `.unspecced.` in its own.
    """
    promised = {
        "email.atmos.telemetry.submitEvents": ({"events"}, {"accepted", "duplicates", "rejected"}),
        "email.atmos.reputation.getStanding": ({"did"}, {"did", "standing", "labels"}),
        "email.atmos.reputation.getPolicy": (set(), {"hash", "labels"}),
        "email.atmos.reputation.getEvidence": (set(), {"seq", "evidenceCid", "evidence"}),
        "email.atmos.reputation.getAuditHead": (set(), {"ver", "src", "n", "hash", "at", "sig"}),
        "email.atmos.operator.listAudit": (set(), {"entries"}),
        "email.atmos.reputation.answer": ({"text"}, {"id", "did", "answeredAt", "cases"}),
    }
    for nsid, (taken, given) in promised.items():
        main = load(FOLDER.joinpath(*nsid.split(".")).with_suffix(".json"))["defs"]["main"]
        asked = main.get("parameters") or main.get("input", {}).get("schema", {})
        assert set(asked.get("required", ())) == taken, nsid
        assert set(main["output"]["schema"]["required"]) == given, nsid
    assert not [file for file in OURS if {"temp", "unspecced"} & set(load(file)["id"].split("."))]


@every(FILES)
@pytest.mark.row(303, 307)
def test_every_main_is_described_and_endpoints_speak_of_auth(file: Path) -> None:
    """Row 307."""
    main = load(file)["defs"].get("main")
    if main is None:
        assert file.stem == "defs"
        return
    assert main["description"]
    if main["type"] in ("query", "procedure", "subscription"):
        assert re.search(r"\b(No auth is required|Requires auth)\b", main["description"])
    if main["type"] in ("query", "procedure"):
        assert main["output"]["encoding"] == "application/json"  # row 303


@every(FILES)
@pytest.mark.row(305)
def test_nothing_is_a_float(file: Path) -> None:
    """Row 305: the data model has none, so neither have limits and defaults."""
    text = file.read_text()
    assert json.loads(text, parse_float=lambda literal: pytest.fail(f"{literal} in {file.name}"))


@every(FILES)
@pytest.mark.row(298)
def test_enumerations_stay_open(file: Path) -> None:
    """Row 298: `knownValues` instead of `enum`, no closed unions."""
    for path, schema in schemas(load(file)["defs"]):
        assert "enum" not in schema, path
        assert not schema.get("closed"), path


@every(OURS)
@pytest.mark.row(295, 306)
def test_names_are_camels(file: Path) -> None:
    """Rows 295 and 306."""
    document = load(file)
    for name in document["defs"]:
        assert LOWER_CAMEL.fullmatch(name), name
    for path, schema in schemas(document["defs"]):
        for name in schema.get("properties", {}):
            assert LOWER_CAMEL.fullmatch(name), f"{path}/{name}"
            assert name not in ("default", "length"), f"{path}/{name}"
        for error in schema.get("errors", ()):
            assert UPPER_CAMEL.fullmatch(error["name"]), f"{path}/{error['name']}"


@every(OURS)
@pytest.mark.row(299)
def test_every_string_has_a_format_or_a_length_and_not_both(file: Path) -> None:
    """Row 299."""
    for path, schema in schemas(load(file)["defs"]):
        if schema["type"] == "string":
            assert ("format" in schema) != ("maxLength" in schema), path


@every(OURS)
def test_everything_that_can_grow_is_bounded(file: Path) -> None:
    for path, schema in schemas(load(file)["defs"]):
        if schema["type"] == "array":
            assert "maxLength" in schema, path


@every(OURS)
def test_every_field_says_what_it_means(file: Path) -> None:
    for path, schema in schemas(load(file)["defs"]):
        for name, field in schema.get("properties", {}).items():
            assert field.get("description"), f"{path}/{name}"


@every(OURS)
def test_rates_are_named_for_their_unit(file: Path) -> None:
    """A whole number that is a share must say of what: parts per million."""
    for path, schema in schemas(load(file)["defs"]):
        for name, field in schema.get("properties", {}).items():
            if re.search(r"(^|[a-z])([rR]ate|[sS]hare|[cC]onfidence|[eE]stimate|[tT]hreshold)([A-Z]|$)", name):
                assert field["type"] == "integer", f"{path}/{name}"
                assert name.endswith("Ppm"), f"{path}/{name}"


def test_the_readme_lists_every_file() -> None:
    text = (FOLDER / "README.md").read_text()
    for file in FILES:
        assert f"| `{load(file)['id']}` |" in text
