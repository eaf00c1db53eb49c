"""setOverride over a real socket: other terms for one member, and what may not be granted."""

from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.inputs import Override
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

SET = "email.atmos.operator.setOverride"
ALICE = "did:plc:alice"


async def grant(service: "Service", token: str | None = "admin", **body: Any) -> tuple[int, Any]:
    return await service.tell(SET, token, **body)


def bought(event: Any) -> list[dict[str, Any]]:
    """Nine recipients, three of which do not exist."""
    events = []
    for number in range(9):
        mail = {"messageId": f"m{number}", "recipient": f"{number:032x}", "recipientDomain": f"d{number}.example"}
        fate = {"kind": "delivered"} if number % 3 else {"kind": "bounced", "smtpCode": 550, "status": "5.1.1"}
        events += [event(f"a{number}", **mail), event(f"o{number}", **mail, **fate)]
    return events


async def test_the_answer_says_what_stands_and_goes_by_its_lexicon(service: "Service") -> None:
    status, body = await grant(
        service, exempt=["velocity", "velocity"], hourlyCap=7, durationInHours=72, comment="a migration"
    )
    assert status == 200, body
    load_lexicons().check_output(SET, body)
    assert (body["did"], body["setAt"][:16]) == (ALICE, "2026-03-02T12:00")
    override = body["override"]
    assert (override["setBy"], override["exempt"], override["hourlyCap"]) == ("did:plc:admin", ["velocity"], 7)
    assert override["until"][:16] == "2026-03-05T12:00"
    assert "dailyCap" not in override
    ((_, record),) = await service.telemetry.read(body["id"] - 1, 1)
    assert isinstance(record, Override)
    assert (record.duration_h, record.comment) == (72, "a migration")


async def test_it_holds_when_it_is_answered_and_ends_with_its_term(service: "Service") -> None:
    await grant(service, hourlyCap=7, durationInHours=1)
    found = await service.standing()
    assert (found["hourlyCap"], found["override"]["hourlyCap"]) == (7, 7)
    service.advance(hours=1, seconds=1)
    found = await service.standing()
    assert (found["hourlyCap"], "override" in found) == (100, False)


async def test_an_exempted_rule_judges_no_more(service: "Service", event: Any) -> None:
    await grant(service, exempt=["invalid-recipients"])
    await service.submit(*bought(event))
    await service.pipeline.reached(service.ingest.position)
    assert (await service.standing())["standing"] == "warming"
    await grant(service)
    assert (await service.standing())["standing"] == "throttled", "taken back, it judges at once"


async def test_nothing_granted_takes_it_back(service: "Service") -> None:
    await grant(service, dailyCap=3)
    status, body = await grant(service)
    assert (status, "override" in body) == (200, False)
    assert "override" not in await service.standing()


@pytest.mark.parametrize(
    "body",
    [
        {"did": "alice", "hourlyCap": 5},
        {"hourlyCap": 0},
        {"hourlyCap": -1},
        {"dailyCap": 0},
        {"dailyCap": 10**12},
        {"hourlyCap": "many"},
        {"hourlyCap": 5, "durationInHours": 0},
        {"hourlyCap": 5, "durationInHours": -4},
        {"hourlyCap": 5, "durationInHours": 10**9},
        {"hourlyCap": 5, "durationInHours": 1.5},
        {"durationInHours": 5},
        {"exempt": "velocity"},
        {"exempt": [""]},
        {"exempt": ["velocity"], "comment": "x" * 4001},
    ],
)
async def test_what_cannot_be_granted_is_400_and_leaves_no_trace(service: "Service", body: dict[str, Any]) -> None:
    before = await service.telemetry.head()
    status, answer = await grant(service, **body)
    assert (status, answer["error"]) == (400, "InvalidRequest"), answer
    assert await service.telemetry.head() == before


async def test_an_unknown_rule_is_400_and_the_known_ones_are_named(service: "Service") -> None:
    before = await service.telemetry.head()
    status, body = await grant(service, exempt=["velocity", "velocities"])
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert "velocities" in body["message"]
    policy = service.judge.policy
    assert policy is not None
    assert all(rule.id in body["message"] for rule in policy.rules)
    assert await service.telemetry.head() == before
