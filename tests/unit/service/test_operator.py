"""emitEvent over a real socket: who may decide what, and what a decision leads to."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from labeler.service import pipeline
from labeler.service.operator import desk
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service
    from tests.unit.service.ozone_client import Ozone

DEFS = "tools.ozone.moderation.defs#"
REPO = {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:alice"}


def label_event(create: list[str], negate: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    kind = f"{DEFS}modEventLabel"
    return {"$type": kind, "createLabelVals": create, "negateLabelVals": negate or []} | fields


async def labels(service: "Service", did: str = "did:plc:alice") -> list[tuple[str, bool]]:
    _, body = await service.query(uriPatterns=did)
    return [(label["val"], label.get("neg", False)) for label in body["labels"]]


@pytest.mark.row(266, 269)
async def test_a_label_is_published_before_the_answer(service: "Service") -> None:
    status, body = await service.emit()
    assert status == 200
    assert ("mail-throttled", False) in await labels(service)
    assert body["createdBy"] == "did:plc:moderator", "row 269: from the token, not from the body"
    assert body["subject"] == REPO
    assert body["event"]["$type"] == f"{DEFS}modEventLabel"
    assert body["createdAt"].startswith("2026-03-02T12:00:00.")
    assert (body["subjectBlobCids"], isinstance(body["id"], int)) == ([], True)


async def test_the_answer_goes_by_its_lexicon(service: "Service") -> None:
    _, body = await service.emit(externalId="case-1", modTool={"name": "console"})
    load_lexicons().check_output("tools.ozone.moderation.emitEvent", body)
    assert body["modTool"] == {"name": "console"}


@pytest.mark.parametrize("did", ["did:plc:nobody_enrolled", "did:web:unreachable.invalid", "did:example:a_b%3Ac"])
async def test_any_valid_did_can_be_labelled(service: "Service", did: str) -> None:
    status, _ = await service.emit(did)
    assert status == 200
    assert await labels(service, did) == [("mail-throttled", False)]


@pytest.mark.parametrize("did", ["alice.example.com", "did:PLC:alice", "did:plc:", "at://did:plc:alice", ""])
@pytest.mark.row(3, 10)
async def test_what_is_no_did_cannot(service: "Service", did: str) -> None:
    status, body = await service.emit(did)
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("token", "kind", "status"),
    [
        ("relay", "modEventComment", 403),
        ("triage", "modEventComment", 200),
        ("triage", "modEventAcknowledge", 200),
        ("triage", "modEventLabel", 403),
        ("moderator", "modEventLabel", 200),
        ("moderator", "modEventComment", 200),
        ("admin", "modEventLabel", 200),
        ("nobody", "modEventLabel", 401),
    ],
)
@pytest.mark.row(270, 336)
async def test_roles(service: "Service", token: str, kind: str, status: int) -> None:
    """Row 270, with 403 where the specification wants it (row 336)."""
    event = label_event(["mail-throttled"]) if kind == "modEventLabel" else {"$type": DEFS + kind, "comment": "seen"}
    found, body = await service.emit(token=token, event=event)
    assert found == status, body
    if status == 403:
        assert body["error"] == "Forbidden"
        assert "moderator" in body["message"] or "triage" in body["message"], "the role that is needed is named"


@pytest.mark.parametrize(
    "body",
    [
        {"event": label_event([])},
        {"event": label_event(["mail-bounced"])},
        {"event": label_event(["!takedown"])},
        {"event": label_event(["mail-throttled"], ["mail-throttled"])},
        {"event": label_event(["mail-throttled"], durationInHours=-1)},
        {"event": label_event(["mail-throttled"], durationInHours=10**9)},
        {"event": label_event(["mail-throttled"], durationInHours=1.5)},
        {"event": label_event(["mail-throttled"], comment="x" * 5000)},
        {"event": {"$type": f"{DEFS}modEventTakedown"}},
        {"event": {"$type": f"{DEFS}modEventEmail", "subjectLine": "hello"}},
        {"event": {"$type": f"{DEFS}modEventReport", "reportType": "com.atproto.moderation.defs#reasonSpam"}},
        {"event": {"$type": f"{DEFS}modEventMute", "durationInHours": 0}},
        {"event": {"$type": f"{DEFS}modEventMute"}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": [], "remove": []}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": ["a"], "remove": ["a"]}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": ["x" * 65], "remove": []}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": [""], "remove": []}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": [f"t{number}" for number in range(21)], "remove": []}},
        {"event": {"$type": f"{DEFS}modEventTag", "add": ["a"]}},
        {"event": {"$type": f"{DEFS}modEventResolveAppeal", "comment": "there was none"}},
        {"event": label_event([], ["mail-throttled"])},
        {"event": label_event(["mail-throttled"], ["mail-suspended"])},
        {"modTool": {"name": "x" * 257}},
        {"event": {"createLabelVals": ["mail-throttled"], "negateLabelVals": []}},
        {"event": {"$type": f"{DEFS}modEventLabel", "createLabelVals": ["mail-throttled"]}},
        {"externalId": "x" * 513},
        {
            "subject": {
                "$type": "com.atproto.repo.strongRef",
                "uri": "at://did:plc:a/a.b.c/1",
                "cid": "bafyrei" + "a" * 52,
            }
        },
        {"subject": {"$type": "chat.bsky.convo.defs#messageRef", "did": "did:plc:alice"}},
        {"subject": {"did": "did:plc:alice"}},
        {"createdBy": "me"},
    ],
)
@pytest.mark.row(267, 268, 276, 277, 278)
async def test_what_cannot_be_decided_is_400_and_leaves_no_trace(service: "Service", body: dict[str, Any]) -> None:
    before = await service.telemetry.head()
    status, answer = await service.emit(**body)
    assert (status, answer["error"]) == (400, "InvalidRequest"), answer
    assert await service.telemetry.head() == before


@pytest.mark.parametrize(("size", "expected"), [(4_000, 200), (4_001, 400), (200 * 1024, 413), (10 * 1024 * 1024, 413)])
async def test_a_comment_has_a_size(service: "Service", size: int, expected: int) -> None:
    before = await service.telemetry.head()
    body = {
        "event": {"$type": f"{DEFS}modEventComment", "comment": "x" * size},
        "subject": REPO,
        "createdBy": "did:a:b",
    }
    path = "/xrpc/tools.ozone.moderation.emitEvent"
    status, _, _ = await service.call("POST", path, data=json.dumps(body).encode(), token="moderator")
    assert status == expected
    assert await service.telemetry.head() - before == (expected == 200)


async def test_several_values_stand_or_fall_together(service: "Service") -> None:
    """One value that cannot be, and none of the others is written."""
    status, _ = await service.emit(event=label_event(["clean-sender", "mail-bounced"]))
    assert (status, await labels(service)) == (400, [])
    status, _ = await service.emit(event=label_event(["clean-sender"], ["mail-suspended"]))
    assert (status, await labels(service)) == (400, [])
    await service.emit(event=label_event(["mail-throttled"]))
    status, _ = await service.emit(event=label_event(["clean-sender"], ["mail-throttled"]))
    assert (status, sorted(await labels(service))) == (200, [("clean-sender", False), ("mail-throttled", True)])


async def test_zero_hours_mean_without_an_end(service: "Service") -> None:
    await service.emit(event=label_event(["mail-suspended"], durationInHours=0))
    _, body = await service.query(uriPatterns="did:plc:alice")
    assert "exp" not in next(label for label in body["labels"] if label["val"] == "mail-suspended")


@pytest.mark.row(74)
async def test_a_duration_becomes_exp(service: "Service") -> None:
    """Row 74."""
    await service.emit(event=label_event(["mail-throttled"], durationInHours=48))
    _, body = await service.query(uriPatterns="did:plc:alice")
    (found,) = body["labels"]
    assert found["exp"][:16] == "2026-03-04T12:00"


@pytest.mark.row(71)
async def test_applying_again_without_a_new_duration_emits_nothing(service: "Service") -> None:
    """Row 71."""
    await service.emit(event=label_event(["mail-throttled"], durationInHours=48))
    seq = (await service.labels.bounds()).head
    status, _ = await service.emit(event=label_event(["mail-throttled"]))
    assert (status, (await service.labels.bounds()).head) == (200, seq)


@pytest.mark.row(271)
async def test_a_repeated_external_id_has_one_winner(service: "Service") -> None:
    """Row 271."""
    answers = await asyncio.gather(*(service.emit(externalId="case-1") for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 7
    assert {body["error"] for status, body in answers if status == 400} == {"DuplicateExternalId"}
    status, _ = await service.emit("did:plc:bob", externalId="case-1")
    assert status == 200, "another subject, another event"


@pytest.mark.row(271)
@pytest.mark.parametrize("kind", ["label", "appeal"])
async def test_a_repetition_is_told_so_and_not_that_there_is_nothing_left_to_do(
    service: "Service", ozone_tool: "Ozone", kind: str
) -> None:
    """A tool that sends its negation again must learn that it arrived."""
    await service.emit()
    await ozone_tool.report(appeal=True)
    event = {"$type": f"{DEFS}modEventResolveAppeal"} if kind == "appeal" else label_event([], ["mail-throttled"])
    answers = await asyncio.gather(*(service.emit(event=event, externalId="case-1") for _ in range(3)))
    assert sorted(body.get("error", "") for _, body in answers) == ["", "DuplicateExternalId", "DuplicateExternalId"]
    status, body = await service.emit(event=event, externalId="case-2")
    assert (status, body["error"]) == (400, "InvalidRequest")


async def test_a_failed_disk_gives_the_external_id_back(service: "Service") -> None:
    service.telemetry.broken = True
    status, body = await service.emit(externalId="case-1")
    assert (status, body["error"]) == (503, "NotEnoughResources")
    service.telemetry.broken = False
    status, _ = await service.emit(externalId="case-1")
    assert status == 200


async def test_a_decision_is_answered_even_when_its_labels_must_wait(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is durable: a 503 would make the operator send it again."""
    monkeypatch.setattr(desk, "PUBLISH_SECONDS", 0.05)
    monkeypatch.setattr(pipeline, "RETRY_SECONDS", 0.02)
    service.labels.broken = True
    status, _ = await service.emit()
    assert status == 200
    service.labels.broken = False
    await service.pipeline.reached(service.ingest.position)
    assert await labels(service) == [("mail-throttled", False)]
