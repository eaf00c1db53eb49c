"""queryStatuses: who waits for whom, filtered and sorted as Ozone does, page by page."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.service.ozone_client import ALICE, BOB, DEFS, Ozone

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

CAROL, DAVE, ERIN = "did:plc:carol", "did:plc:dave", "did:plc:erin"
RECORD = f"at://{ALICE}/app.bsky.feed.post/3jzfcijpj2z2a"


@pytest.fixture
async def queue(ozone_tool: Ozone) -> Ozone:
    """Five members an hour apart: reported, appealing, acknowledged, muted, suspended by hand."""
    await ozone_tool.report(did=ALICE)
    await ozone_tool.emit("modEventTag", add=["bulk", "vip"], remove=[])
    await ozone_tool.report(1, did=BOB)
    await ozone_tool.report(did=BOB, appeal=True)
    await ozone_tool.report(1, did=CAROL)
    await ozone_tool.emit("modEventAcknowledge", did=CAROL, token="triage")
    await ozone_tool.report(1, did=DAVE)
    await ozone_tool.emit("modEventMute", did=DAVE, durationInHours=24)
    ozone_tool.service.advance(hours=1)
    await ozone_tool.label(["mail-suspended"], did=ERIN, durationInHours=48)
    await ozone_tool.emit("modEventComment", did=ERIN, comment="Pays on time", sticky=True)
    await ozone_tool.emit("modEventTag", did=ERIN, add=["vip"], remove=[])
    return ozone_tool


@pytest.mark.row(274)
async def test_a_status_says_everything_there_is(queue: Ozone) -> None:
    status = await queue.status(BOB)
    assert isinstance(status.pop("id"), int)
    assert status.pop("createdAt") < status.pop("updatedAt")
    assert status.pop("lastAppealedAt") > status.pop("lastReportedAt")
    assert status == {
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": BOB},
        "reviewState": f"{DEFS}reviewEscalated",
        "appealed": True,
        "tags": [],
        "takendown": False,
        "accountStats": {
            "reportCount": 1, "appealCount": 1, "suspendCount": 0, "escalateCount": 1, "takedownCount": 0,
        },
    }  # fmt: skip
    erin = await queue.status(ERIN)
    assert (erin["comment"], erin["takendown"], erin["suspendUntil"][:16]) == ("Pays on time", True, "2026-03-04T16:00")
    assert (erin["lastReviewedBy"], erin["reviewState"]) == ("did:plc:moderator", f"{DEFS}reviewNone")
    assert (await queue.status(DAVE))["muteUntil"][:16] == "2026-03-03T15:00"


@pytest.mark.row(274)
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("", [CAROL, BOB, ALICE, ERIN]),
        ("sortDirection=asc", [ALICE, BOB, CAROL, ERIN]),
        ("sortField=lastReviewedAt", [ERIN, CAROL, ALICE, BOB]),
        ("sortField=lastReviewedAt&sortDirection=asc", [CAROL, ERIN, ALICE, BOB]),
        ("includeMuted=true", [DAVE, CAROL, BOB, ALICE, ERIN]),
        ("onlyMuted=true", [DAVE]),
        (f"subject={DAVE}", [DAVE]),
        ("subject=did:plc:nobody", []),
        (f"subject={RECORD}", []),
        (f"reviewState={DEFS}reviewOpen", [ALICE]),
        (f"reviewState={DEFS}reviewEscalated", [BOB]),
        (f"reviewState={DEFS}reviewClosed", [CAROL]),
        (f"reviewState={DEFS}reviewNone", [ERIN]),
        ("reviewState=reviewOpen", []),
        ("appealed=true", [BOB]),
        ("appealed=false", [CAROL, ALICE, ERIN]),
        ("takendown=true", [ERIN]),
        ("takendown=false", [CAROL, BOB, ALICE]),
        ("minAccountSuspendCount=1", [ERIN]),
        ("tags=vip", [ALICE, ERIN]),
        ("tags=bulk%26%26vip", [ALICE]),
        ("tags=bulk&tags=vip", [ALICE, ERIN]),
        ("tags=nothing", []),
        ("excludeTags=vip&excludeTags=x", [CAROL, BOB]),
        ("tags=vip&excludeTags=bulk", [ERIN]),
        ("lastReviewedBy=did:plc:triage", [CAROL]),
        ("comment=pays", [ERIN]),
        ("reportedAfter=2026-03-02T12:30:00Z", [CAROL, BOB]),
        ("reportedBefore=2026-03-02T13:30:00Z", [BOB, ALICE]),
        ("reviewedAfter=2026-03-02T15:00:00Z", [ERIN]),
        ("reviewedBefore=2026-03-02T15:00:00Z", [CAROL]),
        (f"ignoreSubjects={BOB}&ignoreSubjects={ALICE}", [CAROL, ERIN]),
        ("subjectType=account&collections=app.bsky.feed.post", [CAROL, BOB, ALICE, ERIN]),
        ("subjectType=record", []),
        ("collections=app.bsky.feed.post", []),
        ("hostingStatuses=deleted", []),
        ("minPriorityScore=1", []),
        ("minStrikeCount=1", []),
        ("ageAssuranceState=pending", []),
    ],
)
async def test_filters(queue: Ozone, params: str, expected: list[str]) -> None:
    assert await queue.statuses(params.replace("#", "%23")) == expected


@pytest.mark.row(274)
async def test_queues_share_the_members_without_leaving_anybody_out(queue: Ozone) -> None:
    shares = [await queue.statuses(f"queueCount=3&queueIndex={index}&queueSeed=monday") for index in range(3)]
    assert sorted(did for share in shares for did in share) == [ALICE, BOB, CAROL, ERIN]


@pytest.mark.row(274)
@pytest.mark.parametrize("params", ["", "&sortDirection=asc", "&sortField=lastReviewedAt"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_pages_repeat_and_hide_nobody_who_stays_as_it_is(queue: Ozone, params: str, limit: int) -> None:
    whole = await queue.statuses(params)
    seen: list[str] = []
    cursor = ""
    for number in range(10):
        page = await queue.found("moderation.queryStatuses", f"limit={limit}{params}{cursor}")
        seen += [status["subject"]["did"] for status in page["subjectStatuses"]]
        if "cursor" not in page:
            break
        cursor = f"&cursor={page['cursor']}"
        if number < 2:
            await queue.report(did=f"did:plc:new{number}")
    assert [did for did in seen if did in whole] == whole


@pytest.mark.row(274)
@pytest.mark.parametrize(
    "params",
    [
        *("limit=0", "limit=101", "cursor=7", "cursor=2:1:1", "cursor=0:x:1", "sortDirection=up", "sortField=name"),
        *(
            "sortField=priorityScore",
            "reportedAfter=yesterday",
            "subject=alice",
            "appealed=maybe",
            "minPriorityScore=101",
        ),
    ],
)
async def test_what_cannot_be_asked_is_400(ozone_tool: Ozone, params: str) -> None:
    status, body = await ozone_tool.ask("moderation.queryStatuses", params)
    assert (status, body["error"]) == (400, "InvalidRequest")


async def test_what_has_a_term_ends_with_it(queue: Ozone) -> None:
    queue.service.advance(hours=60)
    assert DAVE in await queue.statuses()
    erin = await queue.status(ERIN)
    assert (erin["takendown"], "suspendUntil" in erin) == (False, False)


@pytest.mark.row(276)
async def test_an_event_changes_the_status_and_the_open_cases(service: "Service", ozone_tool: Ozone) -> None:
    await ozone_tool.report()
    (case,) = service.cases.about(ALICE)
    await ozone_tool.emit("modEventEscalate", token="triage", comment="above me")
    assert ((await ozone_tool.status())["reviewState"], case.escalated) == (f"{DEFS}reviewEscalated", True)
    await ozone_tool.emit("modEventAcknowledge", token="triage")
    assert (await ozone_tool.status())["reviewState"] == f"{DEFS}reviewClosed"
    assert (case.resolution, case.closed_by) == ("acknowledged", "did:plc:triage")


@pytest.mark.row(262, 276)
async def test_an_appeal_is_resolved_once(service: "Service", ozone_tool: Ozone) -> None:
    await ozone_tool.report(appeal=True)
    (case,) = service.cases.about(ALICE)
    event: dict[str, Any] = {"$type": f"{DEFS}modEventResolveAppeal", "comment": "it stands"}
    assert (await service.emit(token="triage", event=event))[0] == 403
    await ozone_tool.emit("modEventResolveAppeal", comment="it stands")
    assert ((await ozone_tool.status())["appealed"], case.resolution) == (False, "resolved")
    status, body = await service.emit(event=event)
    assert (status, body["message"]) == (400, "No appeal of this account is waiting to be resolved.")


async def test_statuses_survive_a_restart(service: "Service", queue: Ozone) -> None:
    before = await queue.found("moderation.queryStatuses", "includeMuted=true")
    again = type(service)(clock=service.clock, telemetry=service.telemetry, labels=service.labels)
    await again.start()
    try:
        assert await Ozone(again).found("moderation.queryStatuses", "includeMuted=true") == before
        assert await Ozone(again).events() == await queue.events()
    finally:
        await again.stop()
