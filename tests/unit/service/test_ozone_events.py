"""queryEvents and getEvent: everything that was said and done, filtered as Ozone filters, page by page."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.inputs import Answer
from labeler.service.operator import query_events
from labeler.service.operator.resolutions import Resolution
from tests.unit.service.ozone_client import ALICE, BOB, DEFS, Ozone
from tests.unit.service.test_oversight import BUYER, bought, judged

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

OWN = "did:web:labeler.example.com"
RECORD = f"at://{ALICE}/app.bsky.feed.post/3jzfcijpj2z2a"
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"


def kinds(events: list[Any]) -> list[str]:
    return [event["event"]["$type"].removeprefix(f"{DEFS}modEvent") for event in events]


@pytest.fixture
async def told(ozone_tool: Ozone) -> Ozone:
    """One event of every kind, in this order."""
    await ozone_tool.label(["mail-throttled"], durationInHours=48, comment="too many bounces")
    await ozone_tool.emit("modEventComment", token="triage", comment="spoke to THEM", modTool={"name": "console/1"})
    await ozone_tool.emit("modEventTag", add=["bulk", "new"], remove=["old"])
    await ozone_tool.emit("modEventMute", durationInHours=24)
    await ozone_tool.emit("modEventUnmute")
    await ozone_tool.emit("modEventEscalate", externalId="ticket-7")
    await ozone_tool.report(text="it is spam")
    await ozone_tool.report(appeal=True)
    await ozone_tool.emit("modEventResolveAppeal", comment="stands")
    await ozone_tool.emit("modEventAcknowledge", did=BOB)
    return ozone_tool


@pytest.mark.row(266, 275, 276)
async def test_every_kind_of_event_is_there_the_newest_first(told: Ozone) -> None:
    events = await told.events()
    assert kinds(events) == [
        "Acknowledge", "ResolveAppeal", "Report", "Report", "Escalate", "Unmute", "Mute", "Tag", "Comment", "Label",
    ]  # fmt: skip
    by_id = [event["id"] for event in events]
    assert by_id == sorted(by_id, reverse=True)
    assert events[-1]["event"] == {
        "$type": f"{DEFS}modEventLabel", "createLabelVals": ["mail-throttled"], "negateLabelVals": [],
        "durationInHours": 48, "comment": "too many bounces",
    }  # fmt: skip
    assert events[-2]["modTool"] == {"name": "console/1"}
    assert (events[4]["externalId"], events[4]["createdBy"]) == ("ticket-7", "did:plc:moderator")
    assert (events[3]["createdBy"], events[3]["event"]["comment"]) == (BOB, "it is spam")
    assert events[2]["createdBy"] == ALICE, "an appeal is its subject's own"


@pytest.mark.row(266)
async def test_what_was_answered_is_what_is_found(ozone_tool: Ozone) -> None:
    answered = await ozone_tool.emit("modEventTag", add=["bulk"], remove=[], durationInHours=5, comment="for now")
    (found,) = await ozone_tool.events()
    assert found == answered


@pytest.mark.row(275)
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (f"types={DEFS}modEventMute&types={DEFS}modEventTag", ["Mute", "Tag"]),
        ("createdBy=did:plc:triage", ["Comment"]),
        (f"subject={BOB}", ["Acknowledge"]),
        ("subject=did:plc:nobody", []),
        (f"subject={RECORD}", []),
        (f"subject=at://{BOB}", ["Acknowledge"]),
        ("addedLabels=mail-throttled", ["Label"]),
        ("addedLabels=mail-throttled&addedLabels=mail-suspended", []),
        ("removedLabels=mail-throttled", []),
        ("addedTags=new&addedTags=bulk", ["Tag"]),
        ("removedTags=old", ["Tag"]),
        ("removedTags=bulk", []),
        ("comment=them", ["Comment"]),
        ("comment=stands%20||%20spam", ["ResolveAppeal", "Report"]),
        ("hasComment=true&sortDirection=asc", ["Label", "Comment", "Report", "ResolveAppeal"]),
        ("reportTypes=com.atproto.moderation.defs%23reasonAppeal", ["Report"]),
        ("modTool=console/1", ["Comment"]),
        ("modTool=other", []),
        ("policies=spam", []),
        ("batchId=1", []),
        ("withStrike=true", []),
        ("ageAssuranceState=pending", []),
        ("subjectType=record", []),
        ("subjectType=conversation", []),
        ("collections=app.bsky.feed.post", []),
        ("subjectType=account&collections=app.bsky.feed.post&limit=1", ["Acknowledge"]),
        ("createdBefore=2026-03-02T11:59:59Z", []),
        ("createdAfter=2026-03-02T13:00:00%2B02:00&limit=2", ["Acknowledge", "ResolveAppeal"]),
        ("createdAfter=2026-03-02T13:00:00Z", []),
    ],
)
async def test_filters(told: Ozone, params: str, expected: list[str]) -> None:
    assert kinds(await told.events(params.replace("#", "%23"))) == expected


@pytest.mark.row(275)
async def test_a_report_about_a_record_names_it(ozone_tool: Ozone) -> None:
    await ozone_tool.report()
    await ozone_tool.report(25, subject=RECORD, subject_cid=CID, tool="app/7")  # within a day it would be the same
    subject = {"$type": "com.atproto.repo.strongRef", "uri": RECORD, "cid": CID}
    for params in (f"subject={RECORD}", "subjectType=record", "collections=app.bsky.feed.post"):
        assert [event["subject"] for event in await ozone_tool.events(params)] == [subject]
    assert (await ozone_tool.events("modTool=app/7"))[0]["modTool"] == {"name": "app/7"}
    assert await ozone_tool.events("collections=app.bsky.graph.list") == []
    assert len(await ozone_tool.events(f"subject={ALICE}")) == 2
    assert len(await ozone_tool.events("subjectType=account")) == 1


@pytest.mark.row(275)
async def test_a_uri_that_names_no_record_is_of_no_collection(ozone_tool: Ozone) -> None:
    await ozone_tool.report(subject=f"at://{ALICE}", subject_cid=CID)
    assert await ozone_tool.events("collections=app.bsky.feed.post") == []


@pytest.mark.row(275)
@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_pages_end_where_they_say_and_stay_when_something_happens(told: Ozone, direction: str) -> None:
    whole = [event["id"] for event in await told.events(f"sortDirection={direction}")]
    seen: list[int] = []
    cursor = ""
    for _ in range(20):
        page = await told.found("moderation.queryEvents", f"sortDirection={direction}&limit=3{cursor}")
        seen += [event["id"] for event in page["events"]]
        if "cursor" not in page:
            break
        cursor = f"&cursor={page['cursor']}"
        if len(seen) == 3:
            await told.emit("modEventComment", comment="meanwhile")
    new = seen.pop() if direction == "asc" else None
    assert seen == whole
    assert new is None or new > max(whole)


@pytest.mark.row(275)
@pytest.mark.parametrize("limit", [1, 2])
async def test_the_last_page_has_no_cursor(ozone_tool: Ozone, limit: int) -> None:
    for _ in range(2):
        await ozone_tool.emit("modEventComment")
    page = await ozone_tool.found("moderation.queryEvents", f"limit={limit}")
    assert ("cursor" in page) == (limit == 1)


async def test_one_request_looks_at_so_many_and_says_where_to_go_on(
    told: Ozone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_events, "LOOKED_AT", 4)
    page = await told.found("moderation.queryEvents", "addedLabels=mail-throttled")
    assert page["events"] == []
    pages = 1
    while not page["events"]:
        page = await told.found("moderation.queryEvents", f"addedLabels=mail-throttled&cursor={page['cursor']}")
        pages += 1
    assert (kinds(page["events"]), pages, "cursor" in page) == (["Label"], 3, False)


@pytest.mark.row(275)
@pytest.mark.parametrize(
    "params",
    [
        *("limit=0", "limit=101", "limit=1&limit=2", "cursor=abc", "cursor=-1", "cursor=1:2", "sortDirection=up"),
        *("createdAfter=yesterday", "subject=alice", "createdBy=alice", "collections=x"),
    ],
)
async def test_what_cannot_be_asked_is_400(ozone_tool: Ozone, params: str) -> None:
    status, body = await ozone_tool.ask("moderation.queryEvents", params)
    assert (status, body["error"]) == (400, "InvalidRequest")


async def test_what_the_rules_do_is_the_labeler_s_own_event(service: "Service", ozone_tool: Ozone) -> None:
    """ADR 0092."""
    await judged(service, *bought())
    (event,) = await ozone_tool.events(f"subject={BUYER}")
    assert (event["createdBy"], event["event"]["createLabelVals"]) == (OWN, ["mail-throttled"])
    assert event["event"]["durationInHours"] > 0
    assert event["event"]["comment"].startswith("invalid-recipients: ")
    assert event["id"] < 2**53
    assert await ozone_tool.events(f"createdBy={OWN}") == [event]
    await ozone_tool.label([], ["mail-throttled"], did=BUYER, comment="our mistake")
    assert [found["createdBy"] for found in await ozone_tool.events(f"subject={BUYER}")] == ["did:plc:moderator", OWN]


async def test_what_ozone_has_no_word_for_is_said_in_a_comment(service: "Service", ozone_tool: Ozone) -> None:
    await service.tell("email.atmos.operator.askMember", "moderator", comment="who are these people?")
    await service.ingest.answer(lambda received: Answer(received, ALICE, "our customers"))
    await service.tell("email.atmos.operator.setOverride", "admin", hourlyCap=5, exempt=["invalid-recipients"])
    await service.tell("email.atmos.operator.setOverride", "admin")
    await service.pipeline.reached(service.ingest.position)
    events = await ozone_tool.events("sortDirection=asc")
    assert [(event["createdBy"], event["event"]["comment"]) for event in events] == [
        ("did:plc:moderator", "asked to explain: who are these people?"),
        (ALICE, "answer: our customers"),
        ("did:plc:admin", "override (exempt from invalid-recipients; hourly cap 5)"),
        ("did:plc:admin", "override taken back"),
    ]


PROPOSED = "removal proposed, nothing applied; another admin confirms it"


async def test_a_removal_is_shown_as_what_it_is_at_each_step(service: "Service", ozone_tool: Ozone) -> None:
    event = {"$type": f"{DEFS}modEventLabel", "createLabelVals": ["mail-removed"], "negateLabelVals": []}
    status, first = await service.emit(token="admin", event=event)
    assert (status, kinds([first]), first["event"]["comment"]) == (200, ["Comment"], PROPOSED)
    service.advance(hours=25)
    _, second = await service.emit(token="admin", event=event | {"comment": "as agreed"})
    assert second["event"] == event | {"comment": "as agreed"}
    assert (await ozone_tool.status())["takendown"] is True


@pytest.mark.row(271)
async def test_a_proposal_sent_again_confirms_nothing(service: "Service") -> None:
    """Not even long after, when the same admin might confirm alone."""
    event = {"$type": f"{DEFS}modEventLabel", "createLabelVals": ["mail-removed"], "negateLabelVals": []}
    assert (await service.emit(token="admin", event=event, externalId="ticket-7"))[0] == 200
    service.advance(hours=25)
    status, body = await service.emit(token="admin", event=event, externalId="ticket-7")
    assert (status, body["error"]) == (400, "DuplicateExternalId")
    status, body = await service.emit(token="admin", event=event, externalId="ticket-7, agreed")
    assert (status, body["event"]["createLabelVals"]) == (200, ["mail-removed"])


async def test_actions_on_cases_are_shown_by_what_they_came_to(service: "Service", ozone_tool: Ozone) -> None:
    await ozone_tool.label(["mail-suspended"], did=BUYER)
    await ozone_tool.report(did=BUYER, appeal=True)
    admin = service.team[0]
    (appeal, suspension) = service.cases.about(BUYER)
    await service.desk.act(admin, suspension.number, "claim")
    await service.desk.act(admin, suspension.number, "comment", comment="looking")
    await service.desk.resolve(admin, appeal.number, Resolution("uphold"))
    await service.desk.resolve(admin, suspension.number, Resolution("lift", "they cleaned up"))
    events = await ozone_tool.events(f"subject={BUYER}&createdBy={admin.did}&sortDirection=asc")
    assert kinds(events) == ["Comment", "Comment", "ResolveAppeal", "Label"]
    assert [event["event"]["comment"] for event in events] == [
        f"case {suspension.number}: claim",
        f"case {suspension.number}: comment: looking",
        f"case {appeal.number}: uphold",
        f"case {suspension.number}: lift: they cleaned up",
    ]
    assert events[-1]["event"]["negateLabelVals"] == ["mail-suspended"]


class TestGetEvent:
    async def test_an_event_comes_with_its_subject(self, told: Ozone) -> None:
        for event in await told.events():
            detail = await told.found("moderation.getEvent", f"id={event['id']}")
            assert {name: detail[name] for name in ("id", "event", "createdBy", "createdAt")}.items() <= event.items()
            assert detail["subject"]["$type"] == f"{DEFS}repoView"
            assert detail["subject"]["did"] == event["subject"]["did"]
            assert detail["subject"]["moderation"]["subjectStatus"]["subject"]["did"] == event["subject"]["did"]

    async def test_a_rule_s_event_is_found_as_well(self, service: "Service", ozone_tool: Ozone) -> None:
        await judged(service, *bought())
        (event,) = await ozone_tool.events()
        assert (await ozone_tool.found("moderation.getEvent", f"id={event['id']}"))["createdBy"] == OWN

    async def test_a_throttle_s_subject_has_no_status_yet(self, service: "Service", ozone_tool: Ozone) -> None:
        await judged(service, *bought(count=3))
        for event in await ozone_tool.events():
            detail = await ozone_tool.found("moderation.getEvent", f"id={event['id']}")
            assert detail["subject"]["indexedAt"]

    @pytest.mark.parametrize("number", [0, -1, 1, 10**15, 2**51, 2**53 - 1])
    async def test_there_is_no_such_event(self, ozone_tool: Ozone, number: int) -> None:
        status, body = await ozone_tool.ask("moderation.getEvent", f"id={number}")
        assert (status, body["error"]) == (400, "InvalidRequest")


async def test_events_that_come_at_once_are_all_there_once(ozone_tool: Ozone) -> None:
    await asyncio.gather(*(ozone_tool.emit("modEventComment", comment=str(number)) for number in range(20)))
    found = await ozone_tool.events("limit=100")
    assert sorted(int(event["event"]["comment"]) for event in found) == list(range(20))
    assert len({event["id"] for event in found}) == 20
