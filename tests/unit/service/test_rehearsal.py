"""A canary policy that changes while the service runs reads the log from its start, and its report is a fresh one."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labeler.errors import Misconfigured, Unavailable
from labeler.reputation.canary import NO_GRACE, Canary
from labeler.service.rehearsal import Rehearsal

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

DID = "did:web:labeler.example.com"
SHIPPED = Path("labeler/policy.toml").read_text(encoding="utf-8")
LENIENT = re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", SHIPPED)
LABELS = {"val": "mail-throttled", "side": "current"}


async def bought(service: "Service", event: Any, did: str) -> None:
    """A member is throttled: every third of its recipients does not exist."""
    for number in range(9):
        mail = {"did": did, "messageId": f"m{number}", "recipient": f"{number:032x}", "recipientDomain": "d.example"}
        fate = {"kind": "delivered"} if number % 3 else {"kind": "bounced", "smtpCode": 550, "status": "5.1.1"}
        await service.submit(event(f"{did}a{number}", **mail), event(f"{did}o{number}", **mail, **fate))
    await service.pipeline.reached(service.ingest.position)


def rehearsal(service: "Service") -> Rehearsal:
    return Rehearsal(DID, service.telemetry, service.oversight, NO_GRACE)


async def test_it_disagrees_as_if_it_had_always_been_watched(
    service: "Service", event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await bought(service, event, "did:plc:one")
    await bought(service, event, "did:plc:two")
    assert service.metric("labeler_canary_disagreements", **LABELS) == 0
    with caplog.at_level("INFO"):
        assert await rehearsal(service).begin(LENIENT) == service.ingest.position
    assert service.metric("labeler_canary_disagreements", **LABELS) == 2
    assert "a fresh report begins: the canary policy is another one, and disagrees on 2 labels now" in caplog.text
    assert not [record for record in caplog.records if "only the" in record.getMessage()], "nothing is told again"
    await bought(service, event, "did:plc:three")
    assert service.metric("labeler_canary_disagreements", **LABELS) == 3, "and it goes on"


async def test_what_the_old_one_disagreed_on_is_gone(service: "Service", event: Any) -> None:
    await rehearsal(service).begin(LENIENT)
    await bought(service, event, "did:plc:one")
    assert service.metric("labeler_canary_disagreements", **LABELS) == 1
    await rehearsal(service).begin(SHIPPED)
    assert service.metric("labeler_canary_disagreements", **LABELS) == 0


async def test_what_comes_in_meanwhile_is_judged_by_both_and_once(service: "Service", event: Any) -> None:
    """The read ends at the very record the judge has come to, however much arrives while it reads."""
    for did in ("one", "two", "three"):
        await bought(service, event, f"did:plc:{did}")
    reading = asyncio.create_task(rehearsal(service).begin(LENIENT))
    await bought(service, event, "did:plc:four")
    await reading
    await bought(service, event, "did:plc:five")
    assert service.metric("labeler_canary_disagreements", **LABELS) == 5


async def test_where_nothing_was_judged_yet_it_begins_with_the_first_record(service: "Service") -> None:
    service.oversight.position = 0
    assert await rehearsal(service).begin(LENIENT) == 0


async def test_until_it_is_through_the_old_one_stays(
    service: "Service", event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rehearsal(service).begin(LENIENT)
    await bought(service, event, "did:plc:one")

    async def gone(*_: int) -> Any:
        raise Unavailable("the disk is away")

    with monkeypatch.context() as patched:
        patched.setattr(service.telemetry, "read", gone)
        with pytest.raises(Unavailable):
            await rehearsal(service).begin(SHIPPED)
    assert service.metric("labeler_canary_disagreements", **LABELS) == 1
    await bought(service, event, "did:plc:two")
    assert service.metric("labeler_canary_disagreements", **LABELS) == 2


async def test_one_that_falls_over_on_the_log_is_refused(
    service: "Service", event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bought(service, event, "did:plc:one")
    monkeypatch.setattr(Canary, "take", lambda *_: 1 // 0)
    with pytest.raises(Misconfigured, match="the canary policy fell over at input 1: ZeroDivisionError"):
        await rehearsal(service).begin(LENIENT)
