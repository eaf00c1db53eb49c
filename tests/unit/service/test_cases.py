"""Cases over a real socket: the queue, one case, and what people do about it, alone and two at once."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from labeler.moderation.case_entries import CaseEntry
from labeler.moderation.cases import CaseKind
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

NS = "email.atmos.operator."
ALICE, BOB = "did:plc:alice", "did:plc:bob"
LEXICONS = load_lexicons()


async def ask(service: "Service", method: str, token: str | None = "triage", **params: Any) -> tuple[int, Any]:
    """Call a query; its answer must go by its lexicon."""
    path = f"/xrpc/{NS}{method}?{urlencode(params)}"
    status, body, _ = await service.call("GET", path, token=token)
    if status == 200:
        LEXICONS.check_output(NS + method, body)
    return status, body


async def tell(service: "Service", method: str, token: str | None = "moderator", **body: Any) -> tuple[int, Any]:
    """Call a procedure; its answer must go by its lexicon."""
    status, answer, _ = await service.call("POST", f"/xrpc/{NS}{method}", json=body, token=token)
    if status == 200:
        LEXICONS.check_output(NS + method, answer)
    return status, answer


async def suspend(service: "Service", did: str = ALICE) -> int:
    """Suspend a member by hand; return the case that opens."""
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-suspended"],
        "negateLabelVals": [],
        "durationInHours": 14 * 24,
    }
    status, body = await service.emit(did, event=event)
    assert status == 200, body
    _, body = await ask(service, "listCases", about=did, kind="suspension")
    return int(body["cases"][0]["number"])


async def labels(service: "Service", did: str = ALICE) -> dict[str, Any]:
    _, body = await service.query(uriPatterns=did)
    return {label["val"]: label for label in body["labels"]}


async def listed(service: "Service", token: str = "triage", **params: Any) -> list[int]:
    status, body = await ask(service, "listCases", token, **params)
    assert status == 200, body
    return [case["number"] for case in body["cases"]]


class TestReading:
    async def test_a_case_in_the_queue_says_what_it_is_and_what_may_be_done(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await ask(service, "listCases", "moderator")
        (case,) = body["cases"]
        assert (status, case["number"], case["kind"], case["about"]) == (200, number, "suspension", ALICE)
        assert (case["state"], case["urgency"], case["escalated"], case["revision"]) == ("open", "routine", False, 0)
        assert case["openedAt"][:16] == "2026-03-02T12:00"
        assert case["nextReminder"][:16] == "2026-03-03T12:00"
        assert len(case["evidence"]) == 1
        assert case["allowed"] == ["uphold", "lift", "shorten"]
        _, body = await ask(service, "listCases", "admin")
        assert body["cases"][0]["allowed"] == ["uphold", "lift", "shorten", "override", "remove"]
        _, body = await ask(service, "listCases", "triage")
        assert body["cases"][0]["allowed"] == []

    async def test_one_case_with_its_member_and_what_each_resolution_needs(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await ask(service, "getCase", number=number)
        assert status == 200
        assert [entry["what"] for entry in body["entries"]] == ["label mail-suspended"]
        assert (body["member"]["did"], body["member"]["standing"]) == (ALICE, "suspended")
        assert body["member"]["clears"][0]["val"] == "mail-suspended"
        rows = {row["name"]: row for row in body["resolutions"]}
        assert (rows["shorten"]["needs"], rows["shorten"]["role"]) == (["durationInHours"], "moderator")
        assert (rows["override"]["oneOf"], rows["override"]["role"]) == (["exempt", "hourlyCap", "dailyCap"], "admin")
        assert rows["dismiss"]["possible"] is False
        assert rows["dismiss"]["hindrance"] == "mail-suspended stands: uphold it, or lift it."

    async def test_an_incident_has_no_member_and_a_closed_case_no_end(self, service: "Service") -> None:
        entry = CaseEntry(service.clock.now(), 1, "labeler", "incident", "fails")
        case = service.cases._opened(CaseKind.INCIDENT, "mx.example", entry)
        _, body = await ask(service, "getCase", number=case.number)
        assert "member" not in body
        assert [row["name"] for row in body["resolutions"]] == ["dismiss"]
        status, body = await tell(service, "resolveCase", number=case.number, resolution="dismiss")
        assert (status, body["case"]["resolution"]) == (200, "dismiss")
        _, body = await ask(service, "getCase", number=case.number)
        assert (body["resolutions"], body["case"]["allowed"], body["case"]["state"]) == ([], [], "closed")
        status, body = await tell(service, "resolveCase", number=case.number, resolution="dismiss")
        assert (status, body["error"]) == (400, "CaseClosed")

    async def test_a_question_s_clock_is_shown_until_it_is_answered(self, service: "Service", event: Any) -> None:
        await service.tell(NS + "askMember", "moderator")
        (number,) = await listed(service, kind="abuse-report")
        _, body = await ask(service, "getCase", number=number)
        assert body["case"]["answerBy"][:16] == "2026-03-04T12:00"
        for at, answered in (("11:59", False), ("12:05", True)):
            service.advance(minutes=5)
            await service.submit(event(at, kind="abuseAnswered", at=f"2026-03-02T{at}:00.000Z"))
            await service.pipeline.reached(service.ingest.position)
            _, body = await ask(service, "getCase", number=number)
            assert ("answeredAt" in body["case"]) == ("answerBy" not in body["case"]) == answered

    async def test_filters(self, service: "Service") -> None:
        first, second = await suspend(service), await suspend(service, BOB)
        await tell(service, "claimCase", number=first)
        assert await listed(service) == [first, second]
        assert await listed(service, assignee="none") == [second]
        assert await listed(service, "moderator", assignee="me") == [first]
        assert await listed(service, assignee="me") == []
        assert await listed(service, assignee="did:plc:moderator") == [first]
        assert await listed(service, about=BOB) == [second]
        assert await listed(service, kind="appeal") == []
        assert await listed(service, urgency="routine", escalated="false") == [first, second]
        assert await listed(service, escalated="true") == []
        await tell(service, "resolveCase", number=first, resolution="lift")
        assert await listed(service) == [second]
        assert await listed(service, state="closed") == [first]
        assert await listed(service, state="all") == [second, first]

    async def test_pages(self, service: "Service") -> None:
        numbers = [await suspend(service, f"did:plc:m{number}") for number in range(5)]
        found: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            _, body = await ask(service, "listCases", limit=2, **cursor)
            found += [case["number"] for case in body["cases"]]
            if "cursor" not in body:
                break
            cursor = {"cursor": body["cursor"]}
        assert found == numbers

    @pytest.mark.parametrize(
        "params",
        [
            {"state": "half"},
            {"kind": "feud"},
            {"urgency": "now"},
            {"limit": 0},
            {"limit": 101},
            {"escalated": "maybe"},
            {"cursor": "nonsense!"},
            {"cursor": "bm90IGpzb24"},
            {"cursor": "W10"},
            {"cursor": "WzEsMiwzLDQsdHJ1ZV0"},  # [1,2,3,4,true]
            {"cursor": "W1tbW1tbW1s" * 300},
        ],
    )
    async def test_what_cannot_be_listed_is_400(self, service: "Service", params: dict[str, Any]) -> None:
        status, body = await ask(service, "listCases", **params)
        assert (status, body["error"]) == (400, "InvalidRequest")

    async def test_a_case_that_is_not_there_is_told_so(self, service: "Service") -> None:
        status, body = await ask(service, "getCase", number=7)
        assert (status, body["error"]) == (400, "CaseNotFound")
        for method, fields in (("claimCase", {}), ("resolveCase", {"resolution": "lift"}), ("reopenCase", {})):
            status, body = await tell(service, method, number=7, **fields)
            assert (status, body["error"]) == (400, "CaseNotFound"), method


class TestRoles:
    @pytest.mark.parametrize("method", ["listCases", "getCase?number=1", "getAutomation", "listStandings"])
    @pytest.mark.parametrize(("token", "status"), [(None, 401), ("relay", 403), ("nobody", 401)])
    async def test_nobody_but_operators_reads(
        self, service: "Service", method: str, token: str | None, status: int
    ) -> None:
        found, body, _ = await service.call("GET", f"/xrpc/{NS}{method}", token=token)
        assert (found, "triage" in body["message"] or status == 401) == (status, True)

    @pytest.mark.parametrize(
        ("method", "fields", "role"),
        [
            ("claimCase", {}, "triage"),
            ("commentCase", {"comment": "hm"}, "triage"),
            ("resolveCase", {"resolution": "lift"}, "moderator"),
            ("resolveCase", {"resolution": "override", "hourlyCap": 5}, "admin"),
            ("resolveCase", {"resolution": "remove"}, "admin"),
            ("reopenCase", {}, "moderator"),
            ("proposeRemoval", {"did": ALICE}, "admin"),
            ("confirmRemoval", {"did": ALICE}, "admin"),
            ("setAutomation", {"mode": "pause"}, "admin"),
        ],
    )
    async def test_each_method_names_the_role_it_needs(
        self, service: "Service", method: str, fields: dict[str, Any], role: str
    ) -> None:
        number = await suspend(service)
        before = await service.telemetry.head()
        below = {"triage": "relay", "moderator": "triage", "admin": "moderator"}[role]
        status, body = await tell(service, method, below, number=number, **fields)
        assert (status, body["error"], role in body["message"]) == (403, "Forbidden", True), body
        assert await service.telemetry.head() == before
        status, body = await tell(service, method, None, number=number, **fields)
        assert status == 401


class TestClaiming:
    async def test_claimed_commented_released(self, service: "Service") -> None:
        number = await suspend(service)
        _, body = await tell(service, "claimCase", "triage", number=number, comment="mine")
        assert (body["case"]["assignee"], body["case"]["revision"]) == ("did:plc:triage", 1)
        _, body = await tell(service, "commentCase", "triage", number=number, comment="hm")
        assert body["case"]["revision"] == 2
        _, body = await tell(service, "claimCase", "triage", number=number, release=True)
        assert "assignee" not in body["case"]

    async def test_another_s_claim_is_not_taken_but_a_moderator_may_release_it(self, service: "Service") -> None:
        number = await suspend(service)
        await tell(service, "claimCase", "admin", number=number)
        status, body = await tell(service, "claimCase", "moderator", number=number)
        assert (status, body["error"]) == (400, "CaseClaimed")
        assert "did:plc:admin" in body["message"]
        status, body = await tell(service, "claimCase", "triage", number=number, release=True)
        assert (status, body["error"]) == (403, "Forbidden")
        status, _ = await tell(service, "claimCase", "moderator", number=number, release=True)
        assert status == 200

    async def test_two_at_once_one_has_it(self, service: "Service") -> None:
        number = await suspend(service)
        answers = await asyncio.gather(
            *(
                tell(service, "claimCase", token, number=number, revision=0)
                for token in ("triage", "moderator", "admin")
            )
        )
        assert sorted(status for status, _ in answers) == [200, 400, 400]
        assert {body["error"] for status, body in answers if status == 400} <= {"CaseChanged", "CaseClaimed"}

    async def test_a_closed_case_is_nobody_s_to_claim_but_may_be_commented_on(self, service: "Service") -> None:
        number = await suspend(service)
        await tell(service, "resolveCase", number=number, resolution="lift")
        status, body = await tell(service, "claimCase", number=number)
        assert (status, body["error"]) == (400, "CaseClosed")
        status, _ = await tell(service, "commentCase", number=number, comment="for the record")
        assert status == 200

    @pytest.mark.parametrize("words", [None, "", "x" * 4001, "ü" * 2001])
    async def test_words_are_bounded(self, service: "Service", words: str | None) -> None:
        number = await suspend(service)
        fields = {"comment": words} if words is not None else {}
        status, body = await tell(service, "commentCase", number=number, **fields)
        assert (status, body["error"]) == (400, "InvalidRequest")

    async def test_ten_megabytes_of_words_are_refused_unread(self, service: "Service") -> None:
        number = await suspend(service)
        before = await service.telemetry.head()
        words = b'{"number":%d,"comment":"%s"}' % (number, b"x" * 10_000_000)
        status, body, _ = await service.call("POST", f"/xrpc/{NS}commentCase", data=words, token="triage")
        assert (status, body["error"]) == (413, "PayloadTooLarge")
        assert await service.telemetry.head() == before


class TestReopening:
    async def test_reopened_it_waits_again(self, service: "Service") -> None:
        number = await suspend(service)
        status, body = await tell(service, "reopenCase", number=number)
        assert (status, body["error"]) == (400, "CaseOpen")
        await tell(service, "resolveCase", number=number, resolution="uphold")
        status, body = await tell(service, "reopenCase", number=number, revision=1, comment="look again")
        assert (status, body["case"]["state"], body["case"]["revision"]) == (200, "open", 2)
        assert "closedAt" not in body["case"]
        assert await listed(service) == [number]

    async def test_not_beside_another_about_the_same(self, service: "Service") -> None:
        first = await suspend(service)
        await tell(service, "resolveCase", number=first, resolution="lift")
        second = await suspend(service)
        status, body = await tell(service, "reopenCase", number=first)
        assert (status, body["error"], f"Case {second}" in body["message"]) == (400, "CaseOpen", True)


async def test_metrics_tell_how_many_wait_and_how_long(service: "Service") -> None:
    assert service.metric("labeler_oldest_case_seconds") == 0
    await suspend(service)
    service.advance(hours=25)
    await service.until(lambda: service.metric("labeler_notices_total", kind="case-reminder") == 1)
    assert service.metric("labeler_open_cases", kind="suspension") == 1
    assert service.metric("labeler_open_cases", kind="appeal") == 0
    assert service.metric("labeler_oldest_case_seconds") >= 25 * 3600 - 1
    assert service.metric("labeler_escalated_cases") == 0
    assert service.metric("labeler_automation", mode="enforce") == 1
