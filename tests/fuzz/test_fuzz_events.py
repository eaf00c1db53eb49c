"""Batches of anything: every event gets its verdict, the verdicts add up, and the log holds what was accepted."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.adapters.sqlite import SqliteTelemetryLog
from labeler.reputation.inputs import Batch
from tests.fuzz import envelope
from tests.fuzz.budget import examples
from tests.fuzz.lexicon_values import DEFS, JSON, allowed, near_misses
from tests.service_process import SUBMIT, ServiceProcess

EVENT = DEFS["email.atmos.telemetry.defs#sendEvent"]
VERDICTS = {"InvalidEvent", "TooOld", "FutureEvent"}
NOW = datetime.now(UTC)
RECENT = st.integers(-8 * 86_400, 600).map(lambda seconds: (NOW + timedelta(seconds=seconds)).isoformat())
IDS = (st.integers(0, 9) | st.uuids()).map(str)  # some meet again
PATTERNED = ("recipient", "recipientExact", "client", "status", "domain", "recipientDomain", "fromDomain", "provider")
GOOD = st.builds(
    lambda event, name, at: {key: item for key, item in event.items() if key not in PATTERNED} | {"id": name, "at": at},
    allowed(EVENT),
    IDS,
    RECENT,
)
PIECES = st.one_of(GOOD, GOOD, allowed(EVENT), near_misses(EVENT).map(lambda pair: pair[1]), JSON)


def submit(service: ServiceProcess, events: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Hand in a batch; return the answer, checked against itself, and what was sent."""
    body = json.dumps({"events": events}).encode()
    answer = service.ask("POST", SUBMIT, token="relay", body=body)
    assert envelope.check(answer) is None, answer
    told = answer.json()
    rejected = told["rejected"]
    assert told["accepted"] + told["duplicates"] + len(rejected) == len(events), told
    places = [item["index"] for item in rejected]
    assert places == sorted(set(places)), "one verdict an event, in their order"
    assert all(0 <= place < len(events) for place in places)
    assert {item["error"] for item in rejected} <= VERDICTS
    return told, events


async def logged(service: ServiceProcess) -> list[str]:
    """Every event id in the input log, as often as it stands there."""
    found, position = list[str](), 0
    async with SqliteTelemetryLog(service.data_dir / "telemetry.sqlite") as log:
        while page := await log.read(position, 500):
            found += [event.id for _, record in page if isinstance(record, Batch) for event in record.events]
            position = page[-1][0]
    return found


@pytest.mark.row(308)
def test_verdicts_add_up_and_nothing_is_lost(service: ServiceProcess) -> None:
    """Invariant 1: what was answered `accepted` stands in the log, exactly once; good events survive any company."""
    accepted = turn = 0

    @examples(200)
    @given(st.lists(PIECES, max_size=12))
    def fuzz(events: list[Any]) -> None:
        nonlocal accepted, turn
        turn += 1
        good = {"id": f"good-{turn}", "kind": "delivered", "did": "did:plc:alice", "at": NOW.isoformat()}
        told, _ = submit(service, [*events, good])
        assert told["accepted"] >= 1, told
        assert len(events) not in [item["index"] for item in told["rejected"]], told
        accepted += told["accepted"]

    fuzz()
    ids = Counter(asyncio.run(logged(service)))
    assert ids.total() == accepted
    assert {f"good-{number}" for number in range(1, turn + 1)} <= ids.keys()
    assert set(ids.values()) == {1}, "no id twice"


@pytest.mark.row(308)
def test_one_fault_rejects_that_event_and_no_other(service: ServiceProcess) -> None:
    turn = 0

    @examples(150)
    @given(near_misses(EVENT), st.integers(0, 3))
    def fuzz(miss: tuple[Any, Any], place: int) -> None:
        nonlocal turn
        turn += 1
        fault, broken = miss
        good = {"kind": "delivered", "did": "did:plc:alice", "at": NOW.isoformat()}
        events: list[Any] = [{**good, "id": f"n{turn}-{number}"} for number in range(3)]
        events.insert(place, broken)
        told, _ = submit(service, events)
        assert [item["index"] for item in told["rejected"]] == [place], (fault, broken, told)
        assert told["accepted"] == 3

    fuzz()


@pytest.mark.row(308)
@examples(60)
@given(st.lists(st.sampled_from(["{}", "[]", "1e400", "NaN", '{"id":"x"', "\\", '"\\ud800"', "[" * 2000]), max_size=5))
def test_pieces_that_are_no_json_are_never_our_mistake(service: ServiceProcess, pieces: list[str]) -> None:
    body = ('{"events":[' + ",".join(pieces) + "]}").encode()
    envelope.check(service.ask("POST", SUBMIT, token="relay", body=body))


@pytest.mark.row(308)
def test_a_thousand_events_are_a_batch_and_one_more_is_not(service: ServiceProcess) -> None:
    events = [
        {"id": f"t{number}", "kind": "delivered", "did": "did:plc:alice", "at": NOW.isoformat()}
        for number in range(1001)
    ]
    refused = service.ask("POST", SUBMIT, token="relay", body=json.dumps({"events": events}).encode())
    assert refused.status == 400
    assert submit(service, events[:1000])[0]["accepted"] == 1000
    assert submit(service, events[:1000])[0]["duplicates"] == 1000
