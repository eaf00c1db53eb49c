"""The list of members over a real socket, and what a page of it costs."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.clock import SystemClock
from labeler.moderation.cases import CaseBook
from labeler.moderation.roster import Roster
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Batch, PolicyActivated
from labeler.reputation.judge import Judge
from labeler.service.access import Operator, Role
from labeler.service.http import Call
from labeler.service.operator.list_standings import ListStandings
from labeler.service.operator.member_list import MemberList
from tests.unit.service.conftest import NOON, POLICY
from tests.unit.service.test_cases import ask, suspend

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

MANY = 5_000


async def dids(service: "Service", **params: Any) -> list[str]:
    """Every page, end to end."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        status, body = await ask(service, "listStandings", limit=2, **params, **cursor)
        assert status == 200, body
        found += [row["did"] for row in body["standings"]]
        if "cursor" not in body:
            return found
        cursor = {"cursor": body["cursor"]}


async def test_every_member_once_whatever_the_order(service: "Service", event: Any) -> None:
    names = [f"did:plc:{name}" for name in ("eve", "bob", "dan", "ann", "cleo")]
    await service.submit(*(event(number, did=did) for number, did in enumerate(names)))
    await suspend(service, "did:plc:dan")
    assert await dids(service) == sorted(names)
    assert (await dids(service, sort="standing"))[0] == "did:plc:dan"
    assert (await dids(service, sort="cases"))[0] == "did:plc:dan"
    for sort in ("accepted", "recent", "invalid", "complaints"):
        assert sorted(await dids(service, sort=sort)) == sorted(names)
    assert await dids(service, standing="suspended") == ["did:plc:dan"]
    assert await dids(service, q="o") == ["did:plc:bob", "did:plc:cleo"]
    assert await dids(service, q="DID:plc:e") == ["did:plc:eve"]
    _, body = await ask(service, "listStandings", q="dan")
    (row,) = body["standings"]
    assert (row["standing"], row["labels"], row["accepted"], row["openCases"]) == (
        "suspended",
        ["mail-suspended"],
        1,
        1,
    )
    assert row["newestHour"] == "2026-03-02T11:00:00.000Z"


@pytest.mark.parametrize(
    "params",
    [{"sort": "beauty"}, {"standing": "fine"}, {"limit": 0}, {"limit": 101}, {"q": "x" * 257}, {"cursor": "WzFd"}],
)
async def test_what_cannot_be_listed_is_400(service: "Service", params: dict[str, Any]) -> None:
    status, body = await ask(service, "listStandings", **params)
    assert (status, body["error"]) == (400, "InvalidRequest")


async def test_a_page_of_many_members_costs_little_and_measures_only_those_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Judge("did:web:labeler.example.com")
    judge.step(PolicyActivated(NOON, POLICY))
    for start in range(0, MANY, 1000):
        events = tuple(
            SendEvent(f"e{number}", Kind.ACCEPTED, f"did:plc:m{number:06}", NOON)
            for number in range(start, start + 1000)
        )
        judge.step(Batch(NOON, "did:web:relay.example", events))
    roster = Roster(judge, CaseBook(()))
    shown: list[str] = []
    measured = roster.row

    def row(did: str, now: datetime) -> dict[str, Any]:
        shown.append(did)
        return measured(did, now)

    monkeypatch.setattr(roster, "row", row)
    door = ListStandings(MemberList(roster, SystemClock()))
    params = {"sort": "accepted", "limit": 50, "standing": "warming", "q": "m0"}
    began = time.perf_counter()
    answer = await door.answer(Call(params, Operator("did:plc:op", Role.TRIAGE), None, None))  # type: ignore[arg-type]
    assert len(answer["standings"]) == len(shown) == 50
    assert time.perf_counter() - began < 2.0, f"{MANY} members, one page: 15 ms on an idle machine"
