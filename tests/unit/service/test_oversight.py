"""What is told to people and published nowhere: shadow decisions, notices, what a canary policy says otherwise."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeler.reputation.canary import Canary
from labeler.reputation.inputs import Decision
from labeler.service.oversight import GRACE

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

SHIPPED = Path("labeler/policy.toml").read_text(encoding="utf-8")
SHADOW = SHIPPED.replace('mode = "enforce"', 'mode = "shadow"')
ONE_IN_SHADOW = SHIPPED.replace('id = "invalid-recipients"', 'id = "invalid-recipients"\nmode = "shadow"')
LENIENT = re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", SHIPPED)
BUYER = "did:plc:buyer"

Start = Callable[..., Coroutine[Any, Any, "Service"]]


@pytest.fixture
async def start(service: "Service") -> AsyncIterator[Start]:
    """Start a service of another make."""
    started = []

    async def begin(**parts: Any) -> "Service":
        running = type(service)(**parts)
        await running.start()
        started.append(running)
        return running

    yield begin
    for running in started:
        await running.stop()


def bought(did: str = BUYER, first: int = 0, count: int = 9) -> list[dict[str, Any]]:
    """A bought list: every third recipient, each at a domain of its own, does not exist."""
    events: list[dict[str, Any]] = []
    for number in range(first, first + count):
        mail = {
            "did": did,
            "at": "2026-03-02T11:59:00.000Z",
            "messageId": f"m{number}",
            "recipient": f"{number:032x}",
            "recipientDomain": f"d{number}.example",
        }
        fate = {"kind": "delivered"} if number % 3 else {"kind": "bounced", "smtpCode": 550, "status": "5.1.1"}
        events += [{"id": f"{did} a{number}", "kind": "accepted", **mail}, {"id": f"{did} o{number}", **fate, **mail}]
    return events


async def judged(service: "Service", *events: dict[str, Any]) -> None:
    status, body = await service.submit(*events)
    assert (status, body["rejected"]) == (200, [])
    await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[Any]:
    return [vars(record)["fields"] for record in caplog.records if record.name == name]


class TestShadow:
    async def test_a_policy_in_shadow_decides_and_publishes_nothing(
        self, start: Start, caplog: pytest.LogCaptureFixture
    ) -> None:
        service = await start(policy_text=SHADOW)
        with caplog.at_level("INFO", logger="labeler.shadow"):
            await judged(service, *bought())
        assert await service.labels.read(0, 10) == []
        assert service.metric("labeler_shadow_total", val="mail-throttled", rule="invalid-recipients") == 1
        (fields,) = logged(caplog, "labeler.shadow")
        assert (fields["uri"], fields["val"], fields["neg"]) == (BUYER, "mail-throttled", False)
        assert fields["rule"] == "invalid-recipients"
        assert fields["evidence"].startswith("bafy")

    async def test_the_checkpoint_still_advances(self, start: Start) -> None:
        service = await start(policy_text=SHADOW)
        await judged(service, *bought())
        service.pipeline.close()
        await asyncio.wait_for(service.tasks[1], 10)
        assert await service.labels.bounds() == (0, 0, service.ingest.position)

    async def test_a_rule_in_shadow_leaves_the_others_in_earnest(self, start: Start) -> None:
        service = await start(policy_text=ONE_IN_SHADOW)
        enrolled = {"id": "e", "kind": "enrolled", "did": BUYER, "at": "2026-03-02T11:00:00.000Z"}
        await judged(service, enrolled, *bought())
        assert [found.label.val for found in await service.labels.read(0, 10)] == ["relay-member"]
        _, body, _ = await service.call("GET", f"/xrpc/email.atmos.reputation.getStanding?did={BUYER}", token="triage")
        assert (body["standing"], body["shadow"]) == ("warming", ["mail-throttled"])

    async def test_a_lift_in_shadow_is_told_as_one(self, start: Start, caplog: pytest.LogCaptureFixture) -> None:
        service = await start(policy_text=SHADOW)
        with caplog.at_level("INFO", logger="labeler.shadow"):
            await judged(service, *bought(count=9))
            await judged(service, *bought(first=9, count=21))
        told = [(fields["val"], fields["neg"]) for fields in logged(caplog, "labeler.shadow")]
        assert told == [("mail-throttled", False), ("mail-suspended", False), ("mail-throttled", True)]


class TestNotices:
    async def test_they_are_logged_as_warnings_and_counted(
        self, service: "Service", event: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        await judged(service, event(1, kind="abuseReported", category="phishing"))
        (record,) = [record for record in caplog.records if record.name == "labeler.notices"]
        assert record.levelname == "WARNING"
        assert vars(record)["fields"]["about"] == "did:plc:alice"
        assert "immediate" in record.getMessage()
        assert service.metric("labeler_notices_total", kind="abuse-report") == 1

    async def test_they_are_told_once(self, service: "Service", event: Any) -> None:
        await judged(service, event(1, kind="abuseReported"))
        await judged(service, event(2))
        assert service.metric("labeler_notices_total", kind="abuse-report") == 1
        assert not service.judge.notices

    async def test_the_breaker_trips_says_so_and_closes_again(self, service: "Service") -> None:
        assert service.metric("labeler_breaker_closed") == 1
        for number in range(2):
            await judged(service, *bought(f"did:plc:b{number}", count=30))
        assert service.metric("labeler_labels_total", val="mail-suspended", neg="false") == 2
        assert service.metric("labeler_breaker_closed") == 0
        await judged(service, *bought("did:plc:b2", count=30))
        assert service.metric("labeler_notices_total", kind="breaker") == 1
        assert service.metric("labeler_labels_total", val="mail-suspended", neg="false") == 2
        service.advance(hours=25)
        await service.ingest.tick()
        await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)
        assert service.metric("labeler_breaker_closed") == 1

    async def test_providers_to_blame_are_shown_while_they_are(self, service: "Service") -> None:
        hour = int(service.clock.now().timestamp()) // 3600
        service.judge.incidents.stretches = {"mx.example": [(hour - 1, hour)], "mx.example.net": [(hour - 9, hour - 8)]}
        assert service.metric("labeler_incidents") == 1
        service.clock.time += timedelta(hours=2)
        assert service.metric("labeler_incidents") == 0

    async def test_what_is_of_no_known_kind_grows_no_metric(self, service: "Service") -> None:
        service.metrics.noticed("news")
        assert service.metric("labeler_notices_total", kind="other") == 1


async def test_a_restart_tells_nothing_again(start: Start, event: Any, caplog: pytest.LogCaptureFixture) -> None:
    canary = Canary("did:web:labeler.example.com", LENIENT, grace=GRACE)
    service = await start(policy_text=ONE_IN_SHADOW)
    await judged(service, event(1, kind="abuseReported"), *bought())
    service.pipeline.close()
    await asyncio.wait_for(service.tasks[1], 10)
    caplog.clear()
    with caplog.at_level("INFO"):
        again = await start(telemetry=service.telemetry, labels=service.labels, canary=canary)
    names = {record.name for record in caplog.records}
    assert not names & {"labeler.shadow", "labeler.notices", "labeler.canary"}
    assert again.metric("labeler_notices_total", kind="abuse-report") == 0
    assert not again.judge.notices


class TestCanary:
    def make(self, text: str = LENIENT) -> Canary:
        return Canary("did:web:labeler.example.com", text, grace=GRACE)

    async def test_what_it_would_not_say_is_shown_after_a_while_and_until_it_is_over(
        self, start: Start, event: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        service = await start(canary=self.make())
        labels = {"val": "mail-throttled", "side": "current"}
        with caplog.at_level("INFO", logger="labeler.canary"):
            await judged(service, *bought())
            assert service.metric("labeler_canary_disagreements", **labels) == 0, "it may be a matter of moments"
            service.advance(minutes=2)
            await judged(service, event(1))
            assert service.metric("labeler_canary_disagreements", **labels) == 1
            await service.ingest.decide(lift)
            await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)
        assert service.metric("labeler_canary_disagreements", **labels) == 0
        began, ended = logged(caplog, "labeler.canary")
        assert (began["uri"], began["val"], began["side"]) == (BUYER, "mail-throttled", "current")
        assert began["rule"] == "invalid-recipients"
        assert (began["until"] is None, ended["until"] is None) == (True, False)

    async def test_it_publishes_nothing(self, start: Start) -> None:
        service = await start(policy_text=LENIENT, canary=self.make(SHIPPED))
        await judged(service, *bought())
        service.advance(minutes=2)
        await service.ingest.tick()
        await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)
        assert service.metric("labeler_canary_disagreements", val="mail-throttled", side="candidate") == 1
        assert await service.labels.read(0, 10) == []

    async def test_it_says_when_its_breaker_would_trip(self, start: Start, caplog: pytest.LogCaptureFixture) -> None:
        service = await start(policy_text=LENIENT, canary=self.make(SHIPPED))
        for number in range(3):
            await judged(service, *bought(f"did:plc:b{number}", count=30))
        warned = [record for record in caplog.records if record.name == "labeler.canary"]
        assert [record.levelname for record in warned] == ["WARNING"]
        assert "more than its breaker allows" in warned[0].getMessage()

    async def test_after_a_restart_it_knows_what_it_knew(self, start: Start) -> None:
        service = await start(canary=self.make())
        await judged(service, *bought())
        service.advance(minutes=2)
        await service.ingest.tick()
        await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)
        service.pipeline.close()
        await asyncio.wait_for(service.tasks[1], 10)
        again = await start(telemetry=service.telemetry, labels=service.labels, canary=self.make())
        assert again.metric("labeler_canary_disagreements", val="mail-throttled", side="current") == 1

    async def test_one_that_falls_over_takes_nothing_along(
        self, start: Start, event: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        canary = self.make()
        service = await start(canary=canary)
        monkeypatch.setattr(canary, "take", lambda *_: 1 // 0)
        await judged(service, *bought())
        await judged(service, event(1))
        assert [found.label.val for found in await service.labels.read(0, 10)] == ["mail-throttled"]
        (fell,) = [record for record in caplog.records if record.name == "labeler.service.oversight"]
        assert fell.exc_info is not None


def lift(received: datetime) -> Decision:
    return Decision(received, "did:plc:moderator", BUYER, negate=("mail-throttled",))
