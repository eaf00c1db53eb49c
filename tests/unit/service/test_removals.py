"""A removal takes two admins, or one and a day, through whichever door; and the pause button, over a real socket."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.service.access import Operator, Role
from labeler.service.operator import desk
from tests.unit.service.test_cases import ALICE, ask, labels, listed, suspend, tell

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

REMOVE = {
    "$type": "tools.ozone.moderation.defs#modEventLabel",
    "createLabelVals": ["mail-removed"],
    "negateLabelVals": [],
}


class TestTwoSteps:
    async def test_proposed_nothing_is_applied_and_a_case_waits(self, service: "Service") -> None:
        status, body = await tell(service, "proposeRemoval", "admin", did=ALICE, comment="again")
        assert status == 200, body
        removal = body["removal"]
        assert (removal["state"], removal["by"], removal["did"]) == ("proposed", "did:plc:admin", ALICE)
        assert removal["aloneFrom"][:16] == "2026-03-03T12:00"
        assert await labels(service) == {}
        assert await listed(service, kind="removal") == [removal["case"]]
        status, body = await tell(service, "proposeRemoval", "admin", did=ALICE)
        assert (status, body["error"]) == (400, "AlreadyProposed")

    async def test_the_same_admin_must_wait_a_day(self, service: "Service") -> None:
        await tell(service, "proposeRemoval", "admin", did=ALICE)
        status, body = await tell(service, "confirmRemoval", "admin", did=ALICE)
        assert (status, body["error"], "2026-03-03T12:00Z" in body["message"]) == (403, "NeedsAnother", True)
        service.advance(hours=24, seconds=1)
        status, body = await tell(service, "confirmRemoval", "admin", did=ALICE)
        assert (status, body["removal"]["state"]) == (200, "removed")
        assert "mail-removed" in await labels(service)
        status, body = await tell(service, "confirmRemoval", "admin", did=ALICE)
        assert (status, body["error"]) == (400, "NotProposed")
        status, body = await tell(service, "proposeRemoval", "admin", did=ALICE)
        assert (status, body["error"]) == (400, "AlreadyRemoved")

    async def test_another_admin_may_at_once_and_two_at_once_are_one(self, service: "Service") -> None:
        await tell(service, "proposeRemoval", "admin", did=ALICE)
        others = [Operator(f"did:plc:admin{number}", Role.ADMIN) for number in range(3)]
        answers = await asyncio.gather(
            *(service.desk.confirm_removal(other, ALICE) for other in others), return_exceptions=True
        )
        assert sum(isinstance(answer, tuple) for answer in answers) == 1
        assert [getattr(answer, "name", "") for answer in answers if not isinstance(answer, tuple)] == [
            "NotProposed"
        ] * 2
        assert "mail-removed" in await labels(service)

    async def test_two_proposals_at_once_are_one(self, service: "Service") -> None:
        answers = await asyncio.gather(*(tell(service, "proposeRemoval", "admin", did=ALICE) for _ in range(3)))
        assert sorted(status for status, _ in answers) == [200, 400, 400]

    async def test_nobody_s_proposal_cannot_be_confirmed(self, service: "Service") -> None:
        status, body = await tell(service, "confirmRemoval", "admin", did=ALICE)
        assert (status, body["error"]) == (400, "NotProposed")

    async def test_dismissed_by_an_admin_it_is_over_and_does_not_open_again(self, service: "Service") -> None:
        """Else whoever proposed it could wait a day, open it again, and confirm it alone."""
        _, body = await tell(service, "proposeRemoval", "admin", did=ALICE)
        number = body["removal"]["case"]
        status, body = await tell(service, "resolveCase", "moderator", number=number, resolution="dismiss")
        assert (status, body["error"]) == (403, "Forbidden")
        status, _ = await tell(service, "resolveCase", "admin", number=number, resolution="dismiss")
        assert status == 200
        service.advance(hours=25)
        status, body = await tell(service, "reopenCase", "admin", number=number)
        assert (status, "proposed anew" in body["message"]) == (400, True)
        status, body = await tell(service, "confirmRemoval", "admin", did=ALICE)
        assert (status, body["error"]) == (400, "NotProposed")

    async def test_from_a_case_it_is_proposed_and_the_case_stays_open(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await tell(service, "resolveCase", "admin", number=number, resolution="remove", revision=0)
        assert status == 200, body
        assert (body["case"]["state"], body["removal"]["kind"]) == ("open", "removal")
        _, case = await ask(service, "getCase", number=number)
        assert case["entries"][-1]["what"] == "propose-removal"
        status, answer = await tell(service, "resolveCase", "admin", number=number, resolution="remove")
        assert (status, answer["error"]) == (400, "AlreadyProposed")
        await service.desk.confirm_removal(Operator("did:plc:second", Role.ADMIN), ALICE)
        _, case = await ask(service, "getCase", number=number)
        assert case["case"]["resolution"] == "removed"
        assert await listed(service) == []

    async def test_only_an_admin_lifts_a_removal_and_none_upholds_it_for_a_time(self, service: "Service") -> None:
        await tell(service, "proposeRemoval", "admin", did=ALICE)
        await service.desk.confirm_removal(Operator("did:plc:second", Role.ADMIN), ALICE)
        await service.tell("email.atmos.operator.askMember", "moderator")
        (number,) = await listed(service)
        for fields, status in (
            ({"resolution": "lift"}, 403),
            ({"resolution": "uphold", "durationInHours": 5}, 400),
            ({"resolution": "shorten", "durationInHours": 5}, 400),
        ):
            found, body = await tell(service, "resolveCase", "moderator", number=number, **fields)
            assert found == status, body
        status, body = await tell(service, "resolveCase", "admin", number=number, resolution="remove")
        assert (status, body["error"]) == (400, "AlreadyRemoved")
        head = (await service.labels.bounds()).head
        status, _ = await tell(service, "resolveCase", "moderator", number=number, resolution="uphold")
        assert (status, (await service.labels.bounds()).head) == (200, head)
        await tell(service, "reopenCase", number=number)
        await tell(service, "resolveCase", "admin", number=number, resolution="lift")
        assert (await labels(service))["mail-removed"]["neg"] is True


class TestThroughOzone:
    async def test_the_first_event_proposes_and_its_view_says_that_no_label_came_of_it(
        self, service: "Service"
    ) -> None:
        status, body = await service.emit(token="admin", event=REMOVE | {"comment": "third list"})
        assert status == 200
        assert "createLabelVals" not in body["event"]
        assert body["event"]["comment"].startswith("removal proposed, nothing applied; another admin")
        assert body["event"]["comment"].endswith(": third list")
        assert await labels(service) == {}
        status, body = await service.emit(token="admin", event=REMOVE)
        assert (status, body["error"]) == (403, "NeedsAnother")

    async def test_the_second_admin_s_applies_it(self, service: "Service") -> None:
        await tell(service, "proposeRemoval", "admin", did=ALICE)
        service.advance(hours=24, seconds=1)
        status, body = await service.emit(token="admin", event=REMOVE)
        assert (status, body["event"]["createLabelVals"]) == (200, ["mail-removed"])
        assert "mail-removed" in await labels(service)

    async def test_the_same_event_sent_again_confirms_nothing(self, service: "Service") -> None:
        """A tool that repeats its own event a day later is no second admin."""
        await service.emit(token="admin", event=REMOVE, externalId="ticket-1")
        for hours in (0, 25):
            service.advance(hours=hours)
            status, body = await service.emit(token="admin", event=REMOVE, externalId="ticket-1")
            assert (status, body["error"]) == (400, "DuplicateExternalId")
        assert await labels(service) == {}

    @pytest.mark.parametrize(
        "fields",
        [
            {"createLabelVals": ["mail-removed", "mail-suspended"]},
            {"negateLabelVals": ["mail-suspended"]},
            {"durationInHours": 5},
        ],
    )
    async def test_a_removal_stands_alone_and_has_no_end(self, service: "Service", fields: dict[str, Any]) -> None:
        status, body = await service.emit(token="admin", event=REMOVE | fields)
        assert (status, body["error"]) == (400, "InvalidRequest")

    async def test_it_needs_an_admin(self, service: "Service") -> None:
        status, body = await service.emit(token="moderator", event=REMOVE)
        assert (status, "admin" in body["message"]) == (403, True)


class TestAutomation:
    async def test_what_the_rules_do_and_who_said_so(self, service: "Service") -> None:
        _, body = await ask(service, "getAutomation")
        found = body["automation"]
        assert (found["mode"], found["policyMode"], found["breakerClosed"]) == ("enforce", "enforce", True)
        assert "setBy" not in found
        status, body = await tell(service, "setAutomation", "admin", mode="pause", comment="a relay talks nonsense")
        assert status == 200, body
        found = body["automation"]
        assert (found["mode"], found["setBy"], found["comment"]) == ("pause", "did:plc:admin", "a relay talks nonsense")
        assert service.metric("labeler_automation", mode="pause") == 1
        assert service.metric("labeler_automation", mode="enforce") == 0
        status, body = await tell(service, "setAutomation", "admin", mode="shadow")
        assert (body["automation"]["mode"], body["automation"]["policyMode"]) == ("shadow", "enforce")
        assert "comment" not in body["automation"]

    async def test_a_mode_that_is_none_changes_nothing(self, service: "Service") -> None:
        for fields in ({"mode": "stop"}, {"mode": ""}, {}, {"mode": "pause", "comment": "x" * 4001}):
            status, body = await tell(service, "setAutomation", "admin", **fields)
            assert (status, body["error"]) == (400, "InvalidRequest")
        assert service.judge.automation == "enforce"

    async def test_before_the_first_policy_there_is_none_to_name(self, service: "Service") -> None:
        service.judge.enacted = None
        _, body = await ask(service, "getAutomation")
        assert "policyMode" not in body["automation"]

    async def test_while_the_labels_wait_it_says_so(self, service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(desk, "PUBLISH_SECONDS", 0.05)
        service.pipeline.hold("test")
        for method, fields in (
            ("setAutomation", {"mode": "pause"}),
            ("proposeRemoval", {"did": ALICE}),
        ):
            status, body = await tell(service, method, "admin", **fields)
            assert status == 200
            assert body.get("removal", body)["pending"] is True
        service.pipeline.release()
