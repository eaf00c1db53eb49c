"""`labeler explain`: the evidence behind a label, for people and for machines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import respx

from labeler.adapters.lock import FileLock
from labeler.settings import load_settings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

EVIDENCE = "http://127.0.0.1:1/xrpc/email.atmos.reputation.getEvidence"
SUBJECT = "did:plc:bob"
FINDING = {
    "rule": "invalid-recipients",
    "metric": "invalid-recipient-rate",
    "severity": "throttle",
    "windowSeconds": 604800,
    "since": "2026-02-23T12:00:00.000Z",
    "k": 3,
    "n": 13,
    "minEvents": 3,
    "estimatePpm": 230769,
    "comparedPpm": 58123,
    "thresholdPpm": 50000,
    "confidencePpm": 990000,
    "conditions": [{"name": "elsewhere", "leastPpm": 2000000, "valuePpm": 41500, "met": False}],
    "excused": 2,
    "events": 26,
    "eventsRoot": "ab" * 32,
    "firstHour": 492180,
    "lastHour": 492348,
    "text": "3 of 13 do not exist",
}
ANSWER: dict[str, Any] = {
    "seq": 12,
    "evidenceCid": "bafyrei" + "a" * 52,
    "label": {"uri": SUBJECT, "val": "mail-throttled", "exp": "2026-03-03T12:00:00.000Z"},
    "evidence": {
        "did": SUBJECT,
        "val": "mail-throttled",
        "change": "apply",
        "at": "2026-03-02T12:00:00.000Z",
        "actor": "invalid-recipients",
        "reason": "too many recipients do not exist",
        "policy": "cd" * 32,
        "findings": [FINDING],
    },
}


@pytest.fixture
def service(config: Path) -> Iterator[respx.MockRouter]:
    data = load_settings(config, {}).service.data_dir
    data.mkdir()
    with FileLock(data / "lock").hold(), respx.mock() as router:
        yield router


def rows(out: str) -> dict[str, str]:
    """The lines of a table of two columns."""
    parted = [line.partition("  ") for line in out.splitlines()]
    return {name.strip(): value.strip() for name, gap, value in parted if gap}


def test_people_read_the_finding_its_numbers_and_what_proves_them(
    run: "Run", config: Path, service: respx.MockRouter
) -> None:
    route = service.get(EVIDENCE).respond(json=ANSWER)
    said = run("explain", "--seq", 12, "--config", config)
    assert said.code == 0
    assert route.calls.last.request.url.params.multi_items() == [("seq", "12")]
    assert said.out.startswith(f"{SUBJECT}: mail-throttled (apply), seq 12, 2026-03-02T12:00:00.000Z\n")
    assert "By invalid-recipients: too many recipients do not exist.\nIt ends 2026-03-03T12:00:00.000Z.\n" in said.out
    assert "Rule invalid-recipients (throttle): 3 of 13 do not exist.\n" in said.out
    shown = rows(said.out)
    assert (shown["k"], shown["n"], shown["at least"]) == ("3", "13", "3 events")
    assert (shown["measured"], shown["compared"], shown["limit"]) == ("0.230769", "0.058123", "0.05")
    assert shown["confidence"] == "0.99"
    assert shown["condition elsewhere"] == "0.0415, asked 2: not met"
    assert shown["left out"] == "2, the provider was to blame"
    assert shown["events"] == "26, hours 492180 to 492348 since the epoch"
    assert shown["Merkle root"] == "ab" * 32
    assert f"Policy   sha256 {'cd' * 32}\nEvidence {ANSWER['evidenceCid']}\n" in said.out


def test_what_only_some_rules_have_is_shown_too(run: "Run", config: Path, service: respx.MockRouter) -> None:
    special: dict[str, Any] = {"poolK": 1, "poolN": 900, "provider": "mx.example"}
    special |= {"usualPpm": 2_500_000, "variancePpm": 4_000_000}
    finding = {name: value for name, value in FINDING.items() if name not in ("minEvents", "excused", "eventsRoot")}
    record = {name: value for name, value in ANSWER["evidence"].items() if name != "policy"}
    answer = ANSWER | {"evidence": record | {"findings": [finding | special | {"comparedPpm": -1500}]}}
    del answer["label"]
    service.get(EVIDENCE).respond(json=answer)
    out = run("explain", SUBJECT, "mail-throttled", "--config", config).out
    shown = rows(out)
    assert (shown["everybody else"], shown["at"], shown["usual"]) == ("1 of 900", "mx.example", "2.5, variance 4")
    assert shown["compared"] == "-0.0015"
    assert "A newer label has taken its place.\n" in out
    assert "No policy was in force.\n" in out
    assert not {"at least", "left out", "Merkle root"} & shown.keys()


@pytest.mark.parametrize("words", [["mail-throttled"], ["--val", "mail-throttled"]])
def test_machines_get_the_answer_as_it_is(
    run: "Run", config: Path, service: respx.MockRouter, words: list[str]
) -> None:
    route = service.get(EVIDENCE).respond(json=ANSWER)
    assert run("explain", SUBJECT, *words, "--json", "--config", config).lines == [ANSWER]
    assert route.calls.last.request.url.params.multi_items() == [("uri", SUBJECT), ("val", "mail-throttled")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a member, or a label by --seq"),
        ([SUBJECT, "--seq", "3"], "names a label by itself"),
        ([SUBJECT, "mail-throttled", "--val", "clean-sender"], "names another label than mail-throttled"),
        (["--seq", "0"], "--seq"),
    ],
)
def test_what_names_no_label_is_2(run: "Run", config: Path, words: list[str], message: str) -> None:
    said = run("explain", *words, "--config", config)
    assert said.code == 2
    assert message in " ".join(said.err.split())


def test_a_label_by_hand_is_explained_where_no_service_runs(run: "Run", config: Path) -> None:
    run("label", "apply", SUBJECT, "mail-throttled", "--reason", "list import", "--config", config)
    (answer,) = run("explain", SUBJECT, "mail-throttled", "--json", "--config", config).lines
    assert answer["evidence"]["reason"] == "list import"
    assert answer["evidence"]["findings"] == []
    out = run("explain", "--seq", 1, "--config", config).out
    assert "By did:web:localhost%3A1: list import.\n" in out
    assert answer["evidenceCid"] in out
    said = run("explain", SUBJECT, "clean-sender", "--config", config)
    assert said.code == 2
    assert "There is no such label" in said.err
    assert json.loads(run("explain", SUBJECT, "--json", "--config", config).out)["standing"] == "throttled"
