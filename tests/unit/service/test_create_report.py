"""createReport over a real socket, by real service-auth tokens: who may say what about whom, and what becomes of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.atproto.keys import PrivateKey
from labeler.moderation.cases import CaseKind
from labeler.reputation.inputs import Report
from labeler.service import hearing
from labeler.service.access import Operator, Relay, Role
from labeler.service.operator.desk import Event
from labeler.service.operator.resolutions import Resolution
from labeler.service.schema import load_lexicons
from tests.did_host import account, token

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

OWN = "did:web:labeler.example.com"
REPORT = "com.atproto.moderation.createReport"
OLD, NEW = "com.atproto.moderation.defs#", "tools.ozone.report.defs#"
SPAM, APPEAL, NEW_APPEAL = f"{OLD}reasonSpam", f"{OLD}reasonAppeal", f"{NEW}reasonAppeal"
REPO, RECORD = "com.atproto.admin.defs#repoRef", "com.atproto.repo.strongRef"
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
ALICE, BOB, CAROL = "did:plc:alice", "did:plc:bob", "did:plc:carol"
MODERATOR, RELAY = "did:plc:moderatoraaaaaaaaaaaaaaa", "did:web:smtp.example.com"
KEYS = {
    did: PrivateKey.from_hex(f"{number}" * 32) for number, did in enumerate((ALICE, BOB, CAROL, MODERATOR, RELAY), 51)
}


def world(**fields: Any) -> dict[str, Any]:
    return {
        "dids": StaticDids({did: account(did, key) for did, key in KEYS.items()}),
        "members": [Operator(MODERATOR, Role.MODERATOR), Relay(RELAY)],
    } | fields


@pytest.fixture
async def known(service: "Service") -> AsyncIterator["Service"]:
    """A service in a world of five DIDs, whose configuration names a moderator and a relay."""
    running = type(service)(**world())
    await running.start()
    yield running
    await running.stop()


def made(service: "Service", iss: str, lxm: str = REPORT, **claims: Any) -> str:
    claims = {"iss": iss, "aud": f"{OWN}#atproto_labeler", "lxm": lxm} | claims
    return token(KEYS[iss], now=service.clock.now(), **claims)


def said(did: str = ALICE, reason_type: str = SPAM, **more: Any) -> dict[str, Any]:
    return {"reasonType": reason_type, "subject": {"$type": REPO, "did": did}} | more


async def send(service: "Service", iss: str, body: Any, **claims: Any) -> tuple[int, Any, Any]:
    return await service.call("POST", f"/xrpc/{REPORT}", json=body, token=made(service, iss, **claims))


async def report(service: "Service", iss: str = BOB, did: str = ALICE, reason_type: str = SPAM, **more: Any) -> Any:
    status, body, _ = await send(service, iss, said(did, reason_type, **more))
    return status, body


async def restarted(service: "Service") -> "Service":
    """The same logs under another process."""
    again = type(service)(**world(telemetry=service.telemetry, labels=service.labels, clock=service.clock))
    await again.start()
    return again


class TestReports:
    @pytest.mark.row(255, 257, 258)
    async def test_a_report_is_answered_as_its_lexicon_says_and_stands_in_the_log(self, known: "Service") -> None:
        status, body = await report(known, reason="A list I never joined.", modTool={"name": "app", "meta": {"v": 1}})
        assert status == 200
        load_lexicons().check_output(REPORT, body)
        assert body | {"createdAt": body["createdAt"][:16]} == {
            "id": 2,
            "reasonType": SPAM,
            "reason": "A list I never joined.",
            "subject": {"$type": REPO, "did": ALICE},
            "reportedBy": BOB,
            "createdAt": "2026-03-02T12:00",
        }
        ((position, record),) = await known.telemetry.read(body["id"] - 1, 1)
        assert isinstance(record, Report)
        assert (position, record.reporter, record.did, record.category, record.tool) == (2, BOB, ALICE, "spam", "app")

    @pytest.mark.row(255)
    async def test_it_opens_a_case_and_labels_nobody(self, known: "Service") -> None:
        _, body = await report(known, reason_type=f"{NEW}reasonViolenceThreats")
        case = known.cases.find_open(CaseKind.ABUSE_REPORT, ALICE)
        assert case is not None
        assert (case.urgency, [entry.actor for entry in case.entries]) == ("immediate", ["labeler", BOB])
        assert [(notice.kind, notice.case) for notice in known.told] == [("abuse-report", case.number)]
        assert (await known.labels.bounds()).head == 0
        assert body["id"] == case.entries[1].position

    async def test_people_are_sent_word_once_and_again_when_it_becomes_urgent(self, known: "Service") -> None:
        """Whoever has many accounts may fill a case, and nobody's inbox."""
        for iss in (BOB, CAROL, RELAY):
            assert (await report(known, iss))[0] == 200
        assert len(known.told) == 1
        await report(known, BOB, reason_type=f"{NEW}reasonMisleadingScam")
        await report(known, CAROL, reason_type=f"{NEW}reasonMisleadingScam")
        assert [notice.text.partition(":")[0] for notice in known.told] == ["routine", "urgent"]
        assert known.metric("labeler_notices_total", kind="abuse-report") == 5, "each is counted and logged"

    @pytest.mark.parametrize("iss", [MODERATOR, RELAY, ALICE])
    @pytest.mark.row(255, 258)
    async def test_operators_relays_and_the_account_itself_may_report_too(self, known: "Service", iss: str) -> None:
        assert (await report(known, iss))[1]["reportedBy"] == iss

    @pytest.mark.row(258)
    async def test_a_bearer_token_speaks_for_its_did(self, known: "Service") -> None:
        _, body, _ = await known.call("POST", f"/xrpc/{REPORT}", json=said(), token="relay")
        assert body["reportedBy"] == RELAY

    @pytest.mark.row(258)
    async def test_the_body_says_nothing_about_who_reports(self, known: "Service") -> None:
        assert (await report(known, BOB, reportedBy=CAROL, createdBy=CAROL))[1]["reportedBy"] == BOB

    @pytest.mark.row(255)
    async def test_without_a_token_it_is_401(self, known: "Service") -> None:
        status, body, headers = await known.call("POST", f"/xrpc/{REPORT}", json=said())
        assert (status, body["error"], headers["WWW-Authenticate"]) == (401, "MissingJwt", "Bearer")

    @pytest.mark.parametrize("aud", [OWN, f"{OWN}#atproto_labeler"])
    @pytest.mark.row(258)
    async def test_account_hosts_name_us_in_two_ways(self, known: "Service", aud: str) -> None:
        assert (await send(known, BOB, said(), aud=aud))[0] == 200

    async def test_a_token_of_another_method_or_for_another_service_is_401(self, known: "Service") -> None:
        status, body, _ = await send(known, BOB, said(), lxm="tools.ozone.moderation.emitEvent")
        assert (status, body["error"]) == (401, "BadJwtLexiconMethod")
        status, body, _ = await send(known, BOB, said(), aud="did:web:elsewhere.example.com")
        assert (status, body["error"]) == (401, "BadJwtAudience")

    @pytest.mark.row(258)
    async def test_a_token_works_once(self, known: "Service") -> None:
        once = made(known, BOB)
        found = [(await known.call("POST", f"/xrpc/{REPORT}", json=said(), token=once))[:2] for _ in range(2)]
        assert [(status, body.get("error")) for status, body in found] == [(200, None), (401, "BadJwt")]
        assert await known.telemetry.head() == 2

    @pytest.mark.row(255)
    async def test_it_is_a_procedure(self, known: "Service") -> None:
        status, body, _ = await known.call("GET", f"/xrpc/{REPORT}")
        assert (status, body["error"]) == (400, "InvalidRequest")

    async def test_a_disk_that_fails_is_503_and_a_second_try_a_first_one(self, known: "Service") -> None:
        known.telemetry.broken = True
        assert (await report(known))[0] == 503
        known.telemetry.broken = False
        status, body = await report(known)
        assert (status, body["id"]) == (200, 2)

    async def test_it_is_answered_even_where_nobody_can_look_yet(
        self, known: "Service", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hearing, "JUDGED_SECONDS", 0.05)
        known.tasks[1].cancel()
        first, again = await report(known, reason="once"), await report(known, reason="twice")
        assert (first[0], again[0], again[1]["id"]) == (200, 200, first[1]["id"])
        assert "reason" not in again[1], "nobody has read the first one back yet"


class TestSubjects:
    @pytest.mark.row(256)
    async def test_a_record_is_its_repo_s(self, known: "Service") -> None:
        subject = {"$type": RECORD, "uri": f"at://{ALICE}/app.bsky.feed.post/3k5", "cid": CID}
        status, body = await report(known, subject=subject)
        assert (status, body["subject"]) == (200, subject)
        ((_, record),) = await known.telemetry.read(body["id"] - 1, 1)
        assert isinstance(record, Report)
        assert (record.did, record.subject, record.subject_cid) == (ALICE, subject["uri"], CID)

    @pytest.mark.parametrize(
        ("subject", "message"),
        [
            ({"$type": "chat.bsky.convo.defs#messageRef", "did": ALICE, "messageId": "3k5"}, "Invalid subject"),
            ({"$type": RECORD, "uri": "at://alice.example.com/app.bsky.feed.post/3k5", "cid": CID}, "Invalid subject"),
            ({"$type": RECORD, "uri": f"at://{ALICE}", "cid": CID}, "Invalid subject: not the at-uri of a record"),
            ({"$type": RECORD, "uri": f"at://{ALICE}/app.bsky.feed.post", "cid": CID}, "Invalid subject: not the"),
            ({"did": ALICE}, "subject must be an object with a $type"),
            ({"$type": REPO}, "subject/did is required"),
            ({"$type": REPO, "did": "alice"}, "subject/did must be a DID"),
            ({"$type": RECORD, "uri": f"at://{ALICE}/app.bsky.feed.post/3k5"}, "subject/cid is required"),
            (ALICE, "subject must be an object with a $type"),
        ],
    )
    @pytest.mark.row(256)
    async def test_what_is_no_subject_is_400_and_leaves_no_trace(
        self, known: "Service", subject: Any, message: str
    ) -> None:
        status, body = await report(known, subject=subject)
        assert (status, body["error"], body["message"][: len(message)]) == (400, "InvalidRequest", message)
        assert await known.telemetry.head() == 1


class TestReasons:
    @pytest.mark.parametrize(
        ("reason", "status"),
        [
            ("é" * 2_000, 200),
            ("é" * 2_001, 400),
            ("👩‍👩‍👧‍👦" * 790, 200),
            ("👩‍👩‍👧‍👦" * 801, 400),
            ("", 200),
            (None, 400),
            (7, 400),
        ],
        ids=["2000 letters", "2001 letters", "790 families", "20025 bytes", "empty", "null", "number"],
    )
    @pytest.mark.row(257)
    async def test_a_comment_has_2000_characters_and_20000_bytes(
        self, known: "Service", reason: Any, status: int
    ) -> None:
        found, body = await report(known, reason=reason)
        assert found == status, body
        if status == 400:
            assert body["message"].startswith("reason must")

    @pytest.mark.row(257)
    async def test_ten_megabytes_are_413_and_nothing_else_happens(self, known: "Service") -> None:
        raw = json.dumps(said(reason="x" * 10_000_000)).encode()
        status, body, _ = await known.call("POST", f"/xrpc/{REPORT}", data=raw, token=made(known, BOB))
        assert (status, body["error"]) == (413, "PayloadTooLarge")
        assert await known.telemetry.head() == 1

    @pytest.mark.parametrize("tool", [{}, "app", {"name": 7}, {"name": "app", "meta": "text"}, None])
    @pytest.mark.row(257)
    async def test_a_tool_has_a_name(self, known: "Service", tool: Any) -> None:
        assert (await report(known, modTool=tool))[0] == 400

    @pytest.mark.row(259)
    @pytest.mark.parametrize(
        "reason_type",
        [f"{OLD}reasonSexual", f"{NEW}reasonSexualNCII", f"{OLD}reasonUnheardOf", "com.example.mail#rude", "spam", ""],
    )
    async def test_what_is_not_taken_here_is_named(self, known: "Service", reason_type: str) -> None:
        status, body = await report(known, reason_type=reason_type)
        assert (status, body["error"]) == (400, "InvalidRequest")
        assert body["message"] == f"Invalid reason type: {reason_type}"
        assert await known.telemetry.head() == 1

    @pytest.mark.row(259)
    async def test_newer_names_are_kept_as_they_were_said(self, known: "Service") -> None:
        status, body = await report(known, reason_type=f"{NEW}reasonMisleadingImpersonation")
        assert (status, body["reasonType"]) == (200, f"{NEW}reasonMisleadingImpersonation")
        assert known.told[0].text.startswith("urgent: ")


class TestAppeals:
    @pytest.mark.parametrize("reason_type", [APPEAL, NEW_APPEAL])
    @pytest.mark.row(260, 262)
    async def test_the_account_itself_appeals_and_a_case_opens(self, known: "Service", reason_type: str) -> None:
        await known.emit()
        status, body = await report(known, ALICE, reason_type=reason_type, reason="It was my brother.")
        assert (status, body["reasonType"]) == (200, reason_type)
        case = known.cases.find_open(CaseKind.APPEAL, ALICE)
        assert case is not None
        assert (case.escalated, case.entries[-1].text) == (True, "It was my brother.")
        assert [(notice.kind, notice.about, notice.case) for notice in known.told] == [("appeal", ALICE, case.number)]
        assert (await known.standing())["standing"] == "throttled", "an appeal changes nothing by itself"

    @pytest.mark.parametrize("iss", [BOB, MODERATOR, RELAY])
    @pytest.mark.parametrize("reason_type", [APPEAL, NEW_APPEAL])
    @pytest.mark.row(260)
    async def test_nobody_else_may(self, known: "Service", iss: str, reason_type: str) -> None:
        await known.emit()
        head = await known.telemetry.head()
        status, body = await report(known, iss, reason_type=reason_type)
        assert (status, body) == (403, {"error": "Forbidden", "message": "You cannot appeal this report"})
        assert (await known.telemetry.head(), known.cases.cases) == (head, {})

    @pytest.mark.row(261)
    async def test_one_at_a_time_and_a_restart_forgets_none(self, known: "Service") -> None:
        await known.emit()
        assert (await report(known, ALICE, reason_type=APPEAL))[0] == 200
        again = await restarted(known)
        for service, reason_type in ((known, NEW_APPEAL), (again, APPEAL)):
            status, body = await report(service, ALICE, reason_type=reason_type)
            assert (status, body["error"]) == (403, "AlreadyAppealed")
        await again.stop()

    @pytest.mark.row(261)
    async def test_one_of_two_at_once_wins(self, known: "Service") -> None:
        await known.emit()
        async with known.busy_disk(jobs=4):
            racing = [asyncio.create_task(report(known, ALICE, reason_type=APPEAL)) for _ in range(4)]
        assert sorted(status for status, _ in await asyncio.gather(*racing)) == [200, 403, 403, 403]

    @pytest.mark.row(261, 262)
    async def test_once_it_is_decided_there_may_be_another(self, known: "Service") -> None:
        await known.emit()
        await report(known, ALICE, reason_type=APPEAL)
        case = known.cases.find_open(CaseKind.APPEAL, ALICE)
        assert case is not None
        moderator = Operator(MODERATOR, Role.MODERATOR)
        await known.desk.resolve(moderator, case.number, Resolution("uphold"), revision=0)
        assert known.cases.find_open(CaseKind.APPEAL, ALICE) is None
        assert (await report(known, ALICE, reason_type=APPEAL))[0] == 200

    @pytest.mark.row(263)
    async def test_it_needs_a_label_to_be_about(self, known: "Service", event: Any) -> None:
        """Clients offer it on every label of ours, and DIDs cost nothing: strangers must not fill the queue."""
        status, body = await report(known, ALICE, ALICE, APPEAL)
        assert (status, body["error"]) == (400, "NothingToAppeal")
        await known.emit(event=throttled(hours=1))
        known.advance(hours=1, seconds=1)
        assert (await report(known, ALICE, ALICE, APPEAL))[1]["error"] == "NothingToAppeal"
        await known.submit(event(1, kind="enrolled", at="2026-03-02T12:30:00.000Z"))
        await known.pipeline.reached(known.ingest.position)
        assert (await report(known, ALICE, ALICE, APPEAL))[0] == 200, "relay-member is a label, too"

    @pytest.mark.row(261)
    async def test_a_removed_account_appeals_and_reports_nobody(self, known: "Service") -> None:
        for admin in ("did:plc:first", "did:plc:second"):
            await known.desk.decide(Operator(admin, Role.ADMIN), Event("label", ALICE, ("mail-removed",)))
        assert (await known.standing())["standing"] == "removed"
        status, body = await report(known, ALICE, BOB)
        assert (status, body["error"]) == (403, "AccountTakedown")
        assert (await report(known, ALICE, ALICE, APPEAL))[0] == 200
        assert (await report(known, BOB, ALICE))[0] == 200, "others may still report it"


class TestOnceIsEnough:
    async def test_the_same_said_again_within_a_day_is_the_same_report(self, known: "Service") -> None:
        _, first = await report(known, reason="the first words")
        known.advance(hours=23, minutes=59)
        _, again = await report(known, reason="other words")
        assert again == first
        assert await known.telemetry.head() == first["id"]
        assert len(known.told) == 1

    async def test_after_a_day_it_is_another(self, known: "Service") -> None:
        _, first = await report(known)
        known.advance(days=1, seconds=1)
        _, again = await report(known)
        assert again["id"] > first["id"]

    async def test_another_reporter_member_reason_or_record_is_another(self, known: "Service") -> None:
        record = {"$type": RECORD, "uri": f"at://{ALICE}/app.bsky.feed.post/3k5", "cid": CID}
        bodies = [
            await report(known),
            await report(known, CAROL),
            await report(known, did=CAROL),
            await report(known, reason_type=f"{OLD}reasonRude"),
            await report(known, subject=record),
        ]
        assert len({body["id"] for _, body in bodies}) == len(bodies)

    async def test_it_survives_a_restart(self, known: "Service") -> None:
        _, first = await report(known, reason="words")
        again = await restarted(known)
        assert (await report(again))[1] == first
        await again.stop()

    async def test_all_of_a_burst_get_the_one_id(self, known: "Service") -> None:
        async with known.busy_disk(jobs=8):
            racing = [asyncio.create_task(report(known, reason=str(number))) for number in range(8)]
        found = await asyncio.gather(*racing)
        assert {status for status, _ in found} == {200}
        assert {body["id"] for _, body in found} == {3}, "one record, after the tick"
        assert await known.telemetry.head() == 3

    async def test_a_burst_that_cannot_be_written_leaves_nothing(self, known: "Service") -> None:
        async with known.busy_disk(jobs=3):
            known.telemetry.broken = True
            racing = [asyncio.create_task(report(known)) for _ in range(3)]
        assert {status for status, _ in await asyncio.gather(*racing)} == {503}
        known.telemetry.broken = False
        assert (await report(known))[0] == 200


class TestPrivacy:
    @pytest.mark.row(264)
    async def test_neither_the_public_nor_the_member_learns_who_reported_or_what(
        self, known: "Service", caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = "he lives at 12 Elm Street"
        with caplog.at_level("DEBUG"):
            await report(known, CAROL, reason=secret)
            await known.emit()
            await report(known, ALICE, ALICE, APPEAL, reason=secret)
            assert (await known.tell("email.atmos.operator.askMember", "moderator", did=ALICE))[0] == 200
            known.advance(hours=72, seconds=1)
            await known.until(lambda: known.metric("labeler_notices_total", kind="case-reminder") == 6)
            await report(known, BOB, ALICE, reason=secret)
        own = await known.call(
            "GET",
            f"/xrpc/email.atmos.reputation.getStanding?did={ALICE}",
            token=made(known, ALICE, "email.atmos.reputation.getStanding"),
        )
        assert own[1]["reports"], "it sees that there are reports, and of which kind"
        public = await known.standing(None)
        evidence = [await known.labels.evidence(seq + 1) for seq in range((await known.labels.bounds()).head)]
        metrics = known.metrics.registry.collect()
        told = [f"{record.getMessage()} {vars(record).get('fields')}" for record in caplog.records]
        assert {"abuse-report", "appeal", "unanswered", "case-reminder"} == {notice.kind for notice in known.told}
        for place in (
            json.dumps(own[1]),
            json.dumps(public),
            repr(evidence),
            repr(list(metrics)),
            repr(told),
            repr(known.told),
        ):
            assert CAROL not in place
            assert secret not in place

    @pytest.mark.row(264)
    async def test_the_public_cannot_tell_whether_somebody_was_reported(self, known: "Service", event: Any) -> None:
        await known.submit(event(1, did=CAROL, kind="enrolled"))
        await known.pipeline.reached(known.ingest.position)
        before = [await known.standing(None, did) for did in (ALICE, CAROL)]
        for did in (ALICE, CAROL):
            assert (await report(known, did=did))[0] == 200
        assert [await known.standing(None, did) for did in (ALICE, CAROL)] == before

    @pytest.mark.row(264)
    async def test_the_words_go_after_their_term_and_the_report_stays(self, service: "Service") -> None:
        known = type(service)(**world(report_days=30))
        await known.start()
        await known.emit()
        ids = [
            (await report(known, BOB, reason="words"))[1]["id"],
            (await report(known, ALICE, ALICE, APPEAL, reason="words"))[1]["id"],
        ]
        assert [known.history.words[number].text for number in ids] == ["words", "words"]  # type: ignore[union-attr]
        known.advance(days=29, hours=23)
        _, kept = await report(known, CAROL)
        assert known.history.words[ids[0]].text == "words"  # type: ignore[union-attr]
        known.advance(hours=2)
        await report(known, CAROL, CAROL)
        assert [known.history.words[number].text for number in ids] == [None, None]  # type: ignore[union-attr]
        assert "words" not in {entry.text for case in known.cases.cases.values() for entry in case.entries}
        assert kept["id"] in known.history.words
        await known.stop()


def throttled(hours: int) -> dict[str, Any]:
    return {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-throttled"],
        "negateLabelVals": [],
        "durationInHours": hours,
    }
