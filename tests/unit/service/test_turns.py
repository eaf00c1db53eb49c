"""Decisions about one member take turns, also while none of them can take effect yet."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.errors import Unavailable
from labeler.service.operator import desk
from tests.unit.service.test_cases import BOB, labels, listed, suspend, tell

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service
    from tests.unit.service.ozone_client import Ozone

DEFS = "tools.ozone.moderation.defs#"
LIFT = {"$type": f"{DEFS}modEventLabel", "createLabelVals": [], "negateLabelVals": ["mail-suspended"]}
ACKNOWLEDGE = {"$type": f"{DEFS}modEventAcknowledge"}
RESOLVE_APPEAL = {"$type": f"{DEFS}modEventResolveAppeal"}


class TestWhileNothingIsInEffect:
    @pytest.mark.parametrize("slow", [False, True])
    async def test_the_next_decision_about_the_member_waits_for_the_one_before(
        self, service: "Service", monkeypatch: pytest.MonkeyPatch, slow: bool
    ) -> None:
        """Else the case is upheld that the lift closes, and the member stays suspended without anybody's case."""
        number = await suspend(service)
        await suspend(service, BOB)
        if slow:
            monkeypatch.setattr(desk, "PUBLISH_SECONDS", 0.05)
            service.labels.broken = True
        else:
            service.pipeline.hold("test")
        status, _ = await service.emit(event=LIFT, externalId="ticket-1")
        assert status == 200
        head = await service.telemetry.head()
        decisions: list[dict[str, Any]] = [{"resolution": "uphold", "revision": 0}, {"resolution": "lift"}]
        for fields in decisions:
            status, body = await tell(service, "resolveCase", number=number, **fields)
            assert (status, "not yet in effect" in body["message"]) == (503, True), body
        for event in (LIFT, ACKNOWLEDGE):
            status, body = await service.emit(event=event)
            assert (status, "not yet in effect" in body["message"]) == (503, True), body
        status, body = await service.emit(event=LIFT, externalId="ticket-1")
        assert (status, body["error"]) == (400, "DuplicateExternalId"), "sent again it is told what it is"
        assert await service.telemetry.head() == head
        status, _ = await service.emit(event={"$type": f"{DEFS}modEventComment", "comment": "hm"})
        assert status == 200, "a comment decides nothing"
        status, _ = await service.emit(BOB, event=LIFT)
        assert status == 200, "and another member is another matter"
        service.labels.broken = False
        service.pipeline.release()
        await service.pipeline.reached(service.ingest.position)
        assert (await labels(service))["mail-suspended"]["neg"] is True
        status, body = await tell(service, "resolveCase", number=number, resolution="uphold", revision=0)
        assert (status, body["error"]) == (400, "CaseClosed")
        assert (await service.emit())[0] == 200

    async def test_a_resolution_counts_too(self, service: "Service") -> None:
        number = await suspend(service)
        service.pipeline.hold("test")
        status, _ = await tell(service, "resolveCase", number=number, resolution="lift")
        assert status == 200
        status, body = await service.emit(event=LIFT)
        assert (status, "not yet in effect" in body["message"]) == (503, True)
        service.pipeline.release()
        await service.pipeline.reached(service.ingest.position)
        status, body = await service.emit(event=LIFT)
        assert (status, "Not active" in body["message"]) == (400, True)


class TestAppeals:
    @pytest.mark.parametrize("held", [False, True])
    async def test_two_who_decide_one_at_once_through_two_doors(
        self, service: "Service", ozone_tool: "Ozone", held: bool
    ) -> None:
        await suspend(service)
        await ozone_tool.report(appeal=True)
        await service.pipeline.reached(service.ingest.position)
        (number,) = await listed(service, kind="appeal")
        head = await service.telemetry.head()
        if held:
            service.pipeline.hold("test")
        answers = await asyncio.gather(
            service.emit(event=RESOLVE_APPEAL),
            tell(service, "resolveCase", "admin", number=number, resolution="lift", revision=0),
            tell(service, "resolveCase", "moderator", number=number, resolution="uphold", revision=0),
        )
        assert sorted(status for status, _ in answers) == ([200, 503, 503] if held else [200, 400, 400])
        assert await service.telemetry.head() == head + 1
        service.pipeline.release()

    async def test_an_acknowledgement_and_a_resolution_at_once_are_one(self, service: "Service") -> None:
        await service.tell("email.atmos.operator.askMember", "moderator")
        (number,) = await listed(service, kind="abuse-report")
        answers = await asyncio.gather(
            service.emit(event=ACKNOWLEDGE),
            tell(service, "resolveCase", number=number, resolution="dismiss", revision=0),
        )
        assert (answers[0][0], [body["error"] for status, body in answers if status == 400]) in (
            (200, ["CaseClosed"]),
            (200, []),  # the resolution came first, and there is no case left that would be closed twice
        )

    async def test_an_old_one_is_not_taken_up_beside_a_new_one(self, service: "Service", ozone_tool: "Ozone") -> None:
        """Also before the new one has a case."""
        await ozone_tool.report(appeal=True)
        await service.pipeline.reached(service.ingest.position)
        (number,) = await listed(service, kind="appeal")
        await service.emit(event=RESOLVE_APPEAL)
        service.pipeline.hold("test")
        with pytest.raises(Unavailable):  # it is written, and waits to be judged
            await ozone_tool.report(hours=1, appeal=True)
        status, body = await tell(service, "reopenCase", number=number)
        assert (status, body["error"]) == (400, "CaseOpen")
        service.pipeline.release()
