"""A member answers over a real socket: whose word it is, what it stops, and what comes too late."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.atproto.keys import PrivateKey
from labeler.moderation.cases import Case, CaseKind
from labeler.reputation.inputs import Answer
from labeler.service.schema import load_lexicons
from tests.did_host import account, token

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

ANSWER, ASK = "email.atmos.reputation.answer", "email.atmos.operator.askMember"
ALICE, BOB = "did:plc:alice", "did:plc:bob"
KEYS = {ALICE: PrivateKey.from_hex("61" * 32), BOB: PrivateKey.from_hex("62" * 32)}


@pytest.fixture
async def known(service: "Service") -> AsyncIterator["Service"]:
    running = type(service)(dids=StaticDids({did: account(did, key) for did, key in KEYS.items()}))
    await running.start()
    yield running
    await running.stop()


async def answer(service: "Service", iss: str = ALICE, **body: Any) -> tuple[int, Any]:
    made = token(
        KEYS[iss],
        now=service.clock.now(),
        iss=iss,
        aud="did:web:labeler.example.com#atproto_labeler",
        lxm=ANSWER,
    )
    status, told, _ = await service.call("POST", f"/xrpc/{ANSWER}", json=body or {"text": "It was a test."}, token=made)
    return status, told


async def ask(service: "Service", did: str = ALICE) -> None:
    assert (await service.tell(ASK, "moderator", did=did))[0] == 200


def case_of(service: "Service", kind: CaseKind = CaseKind.ABUSE_REPORT) -> Case:
    case = service.cases.find_open(kind, ALICE)
    assert case is not None
    return case


async def silence(service: "Service", event: Any) -> None:
    """Let the question's time run out, while the relay goes on telling of others."""
    service.advance(hours=47)
    await service.submit(event(99, did="did:plc:eve", at="2026-03-04T10:00:00.000Z"))
    service.advance(hours=1, seconds=5)
    await service.until(lambda: service.metric("labeler_labels_total", val="mail-suspended", neg="false") == 1)


async def test_an_answer_is_durable_recorded_in_the_case_and_goes_by_its_lexicon(known: "Service") -> None:
    await ask(known)
    status, body = await answer(known)
    assert status == 200
    load_lexicons().check_output(ANSWER, body)
    assert (body["did"], body["cases"]) == (ALICE, [case_of(known).number])
    ((_, record),) = await known.telemetry.read(body["id"] - 1, 1)
    assert isinstance(record, Answer)
    assert (record.did, record.text) == (ALICE, "It was a test.")
    case = case_of(known)
    assert (case.entries[-1].actor, case.entries[-1].text, case.answered) == (ALICE, "It was a test.", record.received)


async def test_in_time_it_stops_the_clock(known: "Service") -> None:
    await ask(known)
    known.advance(hours=47)
    assert (await answer(known))[0] == 200
    known.advance(hours=100)
    await ask(known, BOB)  # something happens after the deadline
    assert (await known.standing())["labels"] == []
    assert "unanswered" not in [notice.kind for notice in known.told]
    assert not case_of(known).escalated


async def test_silence_is_told_once_and_the_case_escalates(known: "Service", event: Any) -> None:
    await ask(known)
    await silence(known, event)
    case = case_of(known)
    assert case.escalated
    told = [notice for notice in known.told if notice.kind == "unanswered"]
    assert [(notice.about, notice.case, notice.text) for notice in told] == [
        (ALICE, case.number, "asked, and silent for 48h")
    ]
    assert known.metric("labeler_notices_total", kind="unanswered") == 1
    assert "unanswered" in [entry.what for entry in case.entries]
    known.advance(hours=48, seconds=5)
    await known.until(lambda: known.metric("labeler_notices_total", kind="case-reminder") >= 2)
    assert known.metric("labeler_notices_total", kind="unanswered") == 1


async def test_too_late_it_is_heard_and_people_decide(known: "Service", event: Any) -> None:
    """A suspension waits for people; no answer ends it, and none is lost."""
    await ask(known)
    await silence(known, event)
    status, body = await answer(known, text="I was on holiday.")
    assert status == 200
    assert body["cases"] == [case_of(known).number, case_of(known, CaseKind.SUSPENSION).number]
    assert case_of(known, CaseKind.SUSPENSION).entries[-1].text == "I was on holiday."
    known.advance(days=3)
    await ask(known, BOB)
    standing = await known.standing()
    assert (standing["standing"], standing["reports"]) == ("suspended", []), "heard, and still suspended"


@pytest.mark.parametrize("answered", [True, False])
async def test_a_throttle_for_silence_ends_by_its_rule(service: "Service", event: Any, answered: bool) -> None:
    """Where the policy asks by itself, silence throttles. An answer takes the cause away: it ends as it is dated."""
    text = service.policy_text.replace("auto_ask = false", "auto_ask = true")
    known = type(service)(policy_text=text, dids=StaticDids({did: account(did, key) for did, key in KEYS.items()}))
    await known.start()
    await known.submit(event(1, kind="abuseReported"))
    known.advance(hours=48, seconds=5)
    await known.until(lambda: known.metric("labeler_labels_total", val="mail-throttled", neg="false") == 1)
    if answered:
        assert (await answer(known))[0] == 200
    known.advance(hours=13)  # past half of its 24 hours
    await ask(known, BOB)
    known.advance(hours=12)
    await ask(known, BOB)
    assert (known.metric("labeler_labels_total", val="mail-throttled", neg="false") > 1) == (not answered)
    assert (await known.standing())["standing"] == ("warming" if answered else "throttled")
    await known.stop()


async def test_a_question_can_be_answered_after_its_case_was_closed(known: "Service") -> None:
    await ask(known)
    case = case_of(known)
    status, _ = await known.emit()
    known.cases._close(case, case.entries[0], "dismiss")
    status, body = await answer(known)
    assert (status, body["cases"]) == (200, [])


async def test_what_nobody_asked_is_refused(known: "Service") -> None:
    await ask(known)
    head = await known.telemetry.head()
    status, body = await answer(known, BOB)
    assert (status, body["error"]) == (400, "NothingToAnswer")
    assert await known.telemetry.head() == head


async def test_nobody_answers_for_somebody_else(known: "Service") -> None:
    """Not a stranger, not an operator, not even by saying so."""
    await ask(known)
    assert (await answer(known, BOB, text="hello", did=ALICE))[0] == 400
    status, body, _ = await known.call("POST", f"/xrpc/{ANSWER}", json={"text": "x", "did": ALICE}, token="admin")
    assert (status, body["error"]) == (400, "NothingToAnswer")
    status, body, _ = await known.call("POST", f"/xrpc/{ANSWER}", json={"text": "x"})
    assert (status, body["error"]) == (401, "MissingJwt")
    assert case_of(known).answered is None


@pytest.mark.parametrize("text", [None, "", 7, "é" * 2_001, "x" * 20_001])
async def test_an_answer_is_text_of_some_length(known: "Service", text: Any) -> None:
    await ask(known)
    status, body = await answer(known, text=text)
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert body["message"].startswith("text must")


async def test_what_a_relay_passes_on_is_recorded_too(known: "Service", event: Any) -> None:
    await ask(known)
    await known.submit(event(1, kind="abuseAnswered", at="2026-03-02T12:00:30.000Z"))
    await known.pipeline.reached(known.ingest.position)
    entry = case_of(known).entries[-1]
    assert (entry.actor, entry.what, entry.text) == ("did:web:smtp.example.com", "answer", "told by the relay")
