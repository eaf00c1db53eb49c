"""How much one account may say: for whom a report counts, what the headers say, and that no memory grows for ever."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from labeler.service import rate as module
from labeler.service.access import Account
from labeler.service.rate import ReportLimits, ReportRate
from labeler.settings import Limits

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

REPORT = "/xrpc/com.atproto.moderation.createReport"
ANSWER = "/xrpc/email.atmos.reputation.answer"


def body(number: int) -> dict[str, Any]:
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": f"did:plc:member{number}"}
    return {"reasonType": "com.atproto.moderation.defs#reasonSpam", "subject": subject}


@pytest.fixture
async def limited(service: "Service") -> Any:
    """The same service, with room for two reports of an account and three from an address in an hour."""
    running = type(service)(report_limits=ReportLimits(account=2, address=3))
    await running.start()
    yield running
    await running.stop()


@pytest.mark.row(186, 255)
async def test_the_one_too_many_of_an_account_is_429(limited: "Service") -> None:
    for left in (1, 0):
        status, _, headers = await limited.call("POST", REPORT, json=body(left), token="relay")
        assert (status, headers["RateLimit-Remaining"], headers["RateLimit-Policy"]) == (200, str(left), "2;w=3600")
        assert "Retry-After" not in headers
    head = await limited.telemetry.head()
    limited.clock.time += timedelta(minutes=59)
    status, told, headers = await limited.call("POST", REPORT, json=body(2), token="relay")
    assert (status, told["error"], headers["Retry-After"]) == (429, "RateLimitExceeded", "60")
    assert await limited.telemetry.head() == head
    status, _, _ = await limited.call("POST", ANSWER, json={"text": "x"}, token="relay")
    assert status == 429, "answers count with reports"
    limited.clock.time += timedelta(minutes=1)
    assert (await limited.call("POST", REPORT, json=body(3), token="relay"))[0] == 200


async def test_an_address_is_bounded_whoever_comes_from_it(limited: "Service") -> None:
    found = []
    for number, token in enumerate(("relay", "other-relay", "triage", "admin")):
        status, _, headers = await limited.call("POST", REPORT, json=body(number), token=token)
        found.append((status, headers["RateLimit-Limit"]))
    assert found == [(200, "2"), (200, "2"), (200, "3"), (429, "3")], "the budget with less left is told"
    elsewhere = {"X-Forwarded-For": "192.0.2.7"}
    assert (await limited.call("POST", REPORT, json=body(5), token="triage", headers=elsewhere))[0] == 200


async def test_an_account_that_is_spent_takes_nothing_from_its_address(limited: "Service") -> None:
    found = [(await limited.call("POST", REPORT, json=body(number), token="relay"))[0] for number in range(5)]
    assert found == [200, 200, 429, 429, 429]
    assert (await limited.call("POST", REPORT, json=body(6), token="triage"))[0] == 200


async def test_appeals_and_answers_are_heard_from_an_address_that_is_spent(limited: "Service") -> None:
    tokens = enumerate(("relay", "other-relay", "relay", "other-relay"))
    found = [(await limited.call("POST", REPORT, json=body(number), token=token))[0] for number, token in tokens]
    assert found == [200, 200, 200, 429]
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:triage"}
    appeal = {"reasonType": "com.atproto.moderation.defs#reasonAppeal", "subject": subject}
    for path, sent, error in ((REPORT, appeal, "NothingToAppeal"), (ANSWER, {"text": "x"}, "NothingToAnswer")):
        _, told, headers = await limited.call("POST", path, json=sent, token="triage")
        assert (told["error"], headers["RateLimit-Limit"]) == (error, "2")


async def test_what_is_out_of_order_is_not_counted(limited: "Service") -> None:
    for sent in ({}, {"reasonType": "x"}, body(1) | {"reason": 7}):
        assert (await limited.call("POST", REPORT, json=sent, token="relay"))[0] == 400
    _, _, headers = await limited.call("POST", REPORT, json=body(1), token="relay")
    assert headers["RateLimit-Remaining"] == "1"


async def test_other_methods_have_a_count_of_their_own(limited: "Service", event: Any) -> None:
    for number in range(4):
        assert (await limited.submit(event(number)))[0] == 200
    assert (await limited.call("POST", REPORT, json=body(1), token="relay"))[0] == 200


def test_who_comes_too_late_for_a_count_of_his_own_shares_one(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 2)
    rate = ReportRate(ReportLimits(account=10, address=10_000), service.clock)
    request: Any = type("Request", (), {"headers": {}, "remote": "192.0.2.1"})()
    used = [rate.count(request, Account(f"did:plc:m{number}"), body(1)).used for number in (1, 2, 3, 4, 1)]
    assert used == [1, 1, 1, 2, 2]
    assert rate.count(request, Account("did:plc:m9"), {"text": "x"}).used == 1, "and no crowd shuts a member up"
    assert rate.count(request, Account("did:plc:m9"), {"text": "x"}).used == 2
    assert len(rate._accounts) == 3
    service.clock.time += timedelta(hours=1)
    assert rate.count(request, None, body(1)).used == 1
    assert len(rate._accounts) == 1


def test_the_settings_are_the_defaults() -> None:
    limits = Limits()
    assert ReportLimits() == (limits.account_reports, limits.address_reports, limits.reports_seconds)
