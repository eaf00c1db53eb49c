"""askMember over a real socket: who may ask, and the clock that starts with it."""

from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.inputs import Question
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

ASK = "email.atmos.operator.askMember"
ALICE = "did:plc:alice"


async def ask(service: "Service", token: str | None = "moderator", **body: Any) -> tuple[int, Any]:
    return await service.tell(ASK, token, **body)


async def test_the_answer_says_until_when_and_goes_by_its_lexicon(service: "Service") -> None:
    status, body = await ask(service, comment="three reports of phishing")
    assert status == 200
    load_lexicons().check_output(ASK, body)
    assert (body["did"], body["askedBy"]) == (ALICE, "did:plc:moderator")
    assert (body["askedAt"][:16], body["answerBy"][:16]) == ("2026-03-02T12:00", "2026-03-04T12:00")
    ((_, record),) = await service.telemetry.read(body["id"] - 1, 1)
    assert isinstance(record, Question)
    assert (record.did, record.operator, record.comment) == (ALICE, "did:plc:moderator", "three reports of phishing")


async def test_it_is_judged_before_it_is_answered(service: "Service") -> None:
    _, body = await ask(service)
    assert service.pipeline.position >= body["id"]
    (report,) = (await service.standing())["reports"]
    assert report["answerBy"][:16] == body["answerBy"][:16]


async def test_silence_for_so_long_suspends_and_an_answer_does_not(service: "Service", event: Any) -> None:
    await ask(service)
    await ask(service, did="did:plc:bob")
    service.advance(hours=47)
    at = "2026-03-04T10:00:00.000Z"
    await service.submit(event(1, did="did:plc:bob", kind="abuseAnswered", at=at), event(2, did="did:plc:eve", at=at))
    service.advance(hours=1, seconds=5)
    await service.until(lambda: service.metric("labeler_labels_total", val="mail-suspended", neg="false") == 1)
    assert (await service.standing())["standing"] == "suspended"


async def test_asked_again_the_first_clock_goes_on_and_the_answer_says_so(service: "Service", event: Any) -> None:
    _, first = await ask(service)
    service.advance(hours=5)
    _, second = await ask(service, "admin")
    load_lexicons().check_output(ASK, second)
    assert (first["askedAlready"], second["askedAlready"]) == (False, True)
    assert (second["askedBy"], second["askedAt"][:16]) == ("did:plc:admin", "2026-03-02T17:00")
    assert second["answerBy"][:19] == first["answerBy"][:19]
    assert second["id"] > first["id"], "who asked is in the log all the same"
    assert len((await service.standing())["reports"]) == 1
    await service.submit(event(1, kind="abuseAnswered", at="2026-03-02T17:00:00.000Z"))
    service.advance(hours=1)
    _, third = await ask(service)
    assert (third["askedAlready"], third["answerBy"][:16]) == (False, "2026-03-04T18:00")


@pytest.mark.parametrize(
    "body",
    [{"did": "alice"}, {"did": ""}, {"did": None}, {"did": 7}, {"comment": "x" * 4001}, {"comment": 7}],
)
async def test_what_cannot_be_asked_is_400_and_leaves_no_trace(service: "Service", body: dict[str, Any]) -> None:
    before = await service.telemetry.head()
    status, answer = await ask(service, **body)
    assert (status, answer["error"]) == (400, "InvalidRequest"), answer
    assert await service.telemetry.head() == before
