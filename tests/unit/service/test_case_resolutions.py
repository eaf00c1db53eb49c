"""How cases end, over a real socket: what each resolution changes, what does not fit, and two who decide at once."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.inputs import CaseAction, Report
from labeler.service import pipeline
from labeler.service.operator import desk
from tests.unit.service.test_cases import ALICE, ask, labels, listed, suspend, tell

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service


class TestResolving:
    async def test_lifted_the_negation_is_out_before_the_answer(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await tell(
            service, "resolveCase", number=number, resolution="lift", revision=0, durationInHours=72, comment="heard"
        )
        assert status == 200, body
        assert (body["case"]["state"], body["case"]["resolution"]) == ("closed", "lift")
        assert body["case"]["closedBy"] == "did:plc:moderator"
        assert (await labels(service))["mail-suspended"]["neg"] is True
        ((_, record),) = await service.telemetry.read(body["id"] - 1, 1)
        assert isinstance(record, CaseAction)
        assert (record.negate, record.duration_h, record.comment) == (("mail-suspended",), 72, "heard")

    async def test_upheld_it_is_a_person_s_word_and_nothing_new_is_said(self, service: "Service") -> None:
        number = await suspend(service)
        head = (await service.labels.bounds()).head
        _, body = await tell(service, "resolveCase", number=number, resolution="uphold")
        assert body["case"]["resolution"] == "uphold"
        assert (await service.labels.bounds()).head == head

    async def test_shortened_it_ends_sooner(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await tell(service, "resolveCase", number=number, resolution="shorten")
        assert (status, body["message"]) == (400, "shorten needs durationInHours.")
        status, body = await tell(service, "resolveCase", number=number, resolution="shorten", durationInHours=999)
        assert (status, "uphold it for longer" in body["message"]) == (400, True)
        await tell(service, "resolveCase", number=number, resolution="shorten", durationInHours=24)
        assert (await labels(service))["mail-suspended"]["exp"][:16] == "2026-03-03T12:00"
        assert await listed(service) == [], "and no new case of its own"

    async def test_overridden_the_member_is_judged_by_other_terms(self, service: "Service") -> None:
        number = await suspend(service)
        fields = {"exempt": ["velocity", "velocity"], "hourlyCap": 50, "durationInHours": 72}
        status, body = await tell(service, "resolveCase", "admin", number=number, resolution="override", **fields)
        assert (status, body["case"]["resolution"]) == (200, "override")
        standing = await service.standing()
        assert standing["override"]["exempt"] == ["velocity"]
        assert standing["hourlyCap"] == 50
        assert (await labels(service))["mail-suspended"]["neg"] is True

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"resolution": "forgive"}, "InvalidRequest"),
            ({"resolution": "dismiss"}, "StillRestricted"),
            ({"resolution": "override"}, "InvalidRequest"),
            ({"resolution": "override", "exempt": ["no-such-rule"]}, "InvalidRequest"),
            ({"resolution": "override", "hourlyCap": 0}, "InvalidRequest"),
            ({"resolution": "lift", "hourlyCap": 5}, "InvalidRequest"),
            ({"resolution": "remove", "durationInHours": 5}, "InvalidRequest"),
            ({"resolution": "lift", "durationInHours": 10**9}, "InvalidRequest"),
            ({"resolution": "lift", "revision": 1}, "CaseChanged"),
            ({"resolution": "remove", "revision": 1}, "CaseChanged"),
            ({"resolution": "lift", "comment": "x" * 4001}, "InvalidRequest"),
        ],
    )
    async def test_what_does_not_fit_changes_nothing(
        self, service: "Service", fields: dict[str, Any], error: str
    ) -> None:
        number = await suspend(service)
        before = await service.telemetry.head()
        status, body = await tell(service, "resolveCase", "admin", number=number, **fields)
        assert (status, body["error"]) == (400, error), body
        assert await service.telemetry.head() == before
        assert await listed(service) == [number]

    async def test_two_moderators_at_once_one_decides_and_the_other_is_told(self, service: "Service") -> None:
        number = await suspend(service)
        ways: list[tuple[str, dict[str, Any]]] = [
            ("moderator", {"resolution": "lift"}),
            ("admin", {"resolution": "uphold", "durationInHours": 5}),
        ]
        answers = await asyncio.gather(
            *(tell(service, "resolveCase", token, number=number, revision=0, **way) for token, way in ways)
        )
        assert sorted(status for status, _ in answers) == [200, 400]
        (lost,) = (body for status, body in answers if status == 400)
        assert lost["error"] in {"CaseChanged", "CaseClosed"}
        (won,) = (body for status, body in answers if status == 200)
        assert ("neg" in (await labels(service))["mail-suspended"]) == (won["case"]["resolution"] == "lift")
        log = [record for _, record in await service.telemetry.read(0, 99) if isinstance(record, CaseAction)]
        assert len(log) == 1, "nothing half done"

    async def test_at_once_through_another_door_the_second_sees_what_the_first_did(self, service: "Service") -> None:
        """One lifts by emitEvent while another upholds the case: the suspension must not come back for good."""
        number = await suspend(service)
        lift = {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": [],
            "negateLabelVals": ["mail-suspended"],
        }
        async with service.busy_disk(1):
            lifting = asyncio.create_task(service.emit(event=lift))
            await service.until(lambda: service.ingest._jobs)
            upholding = asyncio.create_task(tell(service, "resolveCase", number=number, resolution="uphold"))
            await asyncio.sleep(0.05)
        (lifted, _), (upheld, body) = await lifting, await upholding
        assert (lifted, upheld, body["error"]) == (200, 400, "CaseClosed")
        assert (await labels(service))["mail-suspended"]["neg"] is True

    async def test_a_stale_form_is_told_so(self, service: "Service") -> None:
        number = await suspend(service)
        await tell(service, "commentCase", number=number, comment="wait for me")
        status, body = await tell(service, "resolveCase", number=number, resolution="lift", revision=0)
        assert (status, body["error"]) == (400, "CaseChanged")
        assert "revision 1" in body["message"]

    async def test_where_the_label_went_meanwhile_the_case_can_still_be_closed(self, service: "Service") -> None:
        event = {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": ["mail-suspended"],
            "negateLabelVals": [],
            "durationInHours": 1,
        }
        await service.emit(event=event)
        (number,) = await listed(service)
        service.advance(hours=2)
        for name in ("uphold", "lift", "shorten"):
            fields: dict[str, Any] = {"durationInHours": 5} if name == "shorten" else {}
            status, body = await tell(service, "resolveCase", number=number, resolution=name, **fields)
            assert (status, body["error"]) == (400, "NothingActive"), name
        status, body = await tell(service, "resolveCase", number=number, resolution="dismiss")
        assert (status, body["case"]["resolution"]) == (200, "dismiss")

    async def test_an_appeal_upheld_changes_no_label_and_lifted_it_does(self, service: "Service") -> None:
        await suspend(service)
        for resolution in ("uphold", "lift"):
            await service.ingest.report(
                lambda received: Report(received, ALICE, ALICE, "reasonAppeal", "appeal", appeal=True, text="please")
            )
            await service.pipeline.reached(service.ingest.position)
            (number,) = await listed(service, kind="appeal")
            _, body = await ask(service, "getCase", number=number)
            assert len(body["case"]["evidence"]) == 1
            status, body = await tell(service, "resolveCase", number=number, resolution=resolution)
            assert status == 200, body
            assert ((await labels(service))["mail-suspended"].get("neg") is True) == (resolution == "lift")

    async def test_a_disk_that_fails_leaves_the_case_as_it_was(self, service: "Service") -> None:
        number = await suspend(service)
        service.telemetry.broken = True
        status, body = await tell(service, "resolveCase", number=number, resolution="lift", revision=0)
        assert (status, body["error"]) == (503, "NotEnoughResources")
        service.telemetry.broken = False
        status, _ = await tell(service, "resolveCase", number=number, resolution="lift", revision=0)
        assert status == 200

    async def test_where_labels_must_wait_the_answer_says_so(
        self, service: "Service", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        number = await suspend(service)
        monkeypatch.setattr(desk, "PUBLISH_SECONDS", 0.05)
        monkeypatch.setattr(pipeline, "RETRY_SECONDS", 0.02)
        service.labels.broken = True
        status, body = await tell(service, "resolveCase", number=number, resolution="lift")
        assert (status, body["pending"]) == (200, True)
        service.labels.broken = False
        await service.pipeline.reached(service.ingest.position)
        assert (await labels(service))["mail-suspended"]["neg"] is True
