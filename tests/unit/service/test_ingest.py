"""The one writer of the input log."""

import asyncio
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from labeler.errors import Unavailable
from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Batch, Decision, Override, PolicyActivated, Question, Tick
from labeler.service.ingest import MAX_GROUP

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service


def some(service: "Service", *ids: str) -> list[SendEvent]:
    return [SendEvent(id=name, kind="accepted", did="did:plc:alice", at=service.clock.now()) for name in ids]


async def test_every_kind_of_record_goes_through_the_same_loop(service: "Service") -> None:
    await service.ingest.submit("did:web:relay.example", some(service, "1"))
    decision, position = await service.ingest.decide(
        lambda received: Decision(received, "did:plc:moderator", "did:plc:alice", comment="seen", event="comment")
    )
    assert await service.ingest.tick() == 4
    asked = await service.ingest.ask(lambda received: Question(received, "did:plc:moderator", "did:plc:alice"))
    granted = await service.ingest.override(
        lambda received: Override(received, "did:plc:admin", "did:plc:alice", ("velocity",)), ["velocity"]
    )
    records = [record for _, record in await service.telemetry.read(0, 10)]
    assert [type(record) for record in records] == [PolicyActivated, Batch, Decision, Tick, Question, Override]
    assert (position, records[2]) == (3, decision)
    assert (asked, granted) == ((records[4], 5), (records[5], 6))


async def test_received_rises_by_a_millisecond_where_the_clock_stands(service: "Service") -> None:
    for _ in range(3):
        await service.ingest.tick()
    stamps = [record.received for _, record in await service.telemetry.read(0, 10)]
    steps = [later - earlier for earlier, later in itertools.pairwise(stamps)]
    assert steps == [timedelta(milliseconds=1)] * 3


async def test_received_never_goes_back_with_the_clock(service: "Service") -> None:
    before = (await service.telemetry.read(0, 10))[-1][1].received
    service.clock.time -= timedelta(days=1)
    await service.ingest.tick()
    assert (await service.telemetry.read(1, 10))[0][1].received == before + timedelta(milliseconds=1)


async def test_a_group_is_bounded(service: "Service") -> None:
    async with service.busy_disk(jobs=3 * MAX_GROUP):
        ticks = [asyncio.create_task(service.ingest.tick()) for _ in range(3 * MAX_GROUP)]
    assert sorted(await asyncio.gather(*ticks)) == list(range(3, 3 * MAX_GROUP + 3))
    assert service.telemetry.appends == [1, 1, MAX_GROUP, MAX_GROUP, MAX_GROUP]


async def test_positions_are_those_of_ones_own_record(service: "Service") -> None:
    """Jobs without a record (all duplicates, nothing at all) stand between others in one group."""
    await service.ingest.submit("did:web:relay.example", some(service, "1"))
    async with service.busy_disk(jobs=4):
        duplicate = asyncio.create_task(service.ingest.submit("did:web:relay.example", some(service, "1")))
        first = asyncio.create_task(service.ingest.tick())
        empty = asyncio.create_task(service.ingest.submit("did:web:relay.example", []))
        second = asyncio.create_task(service.ingest.tick())
    assert ((await duplicate).duplicates, (await empty).batch) == (1, None)
    assert (await first, await second) == (4, 5)


async def test_a_failure_concerns_everyone_in_the_group_and_nobody_after(service: "Service") -> None:
    async with service.busy_disk(jobs=3):
        service.telemetry.broken = True
        waiting = [
            asyncio.create_task(service.ingest.submit("did:web:relay.example", some(service, name))) for name in "abc"
        ]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert service.ingest.failed
    service.telemetry.broken = False
    admission = await service.ingest.submit("did:web:relay.example", some(service, "a", "b", "c"))
    assert (admission.batch is not None, admission.duplicates) == (True, 0)
    assert not service.ingest.failed


async def test_what_breaks_on_one_job_stays_with_it(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(service.ingest._intake, "admit", broken)
        with pytest.raises(ZeroDivisionError):
            await service.ingest.submit("did:web:relay.example", some(service, "1"))
    assert (await service.ingest.submit("did:web:relay.example", some(service, "1"))).batch is not None


async def test_a_caller_that_left_is_not_written_for(service: "Service") -> None:
    async with service.busy_disk(jobs=1):
        gone = asyncio.create_task(service.ingest.submit("did:web:relay.example", some(service, "1")))
        await service.until(lambda: service.ingest._jobs)
        gone.cancel()
    await service.ingest.tick()
    assert not [record for _, record in await service.telemetry.read(0, 10) if isinstance(record, Batch)]


async def test_close_finishes_what_waits_and_takes_no_more(service: "Service") -> None:
    async with service.busy_disk(jobs=3):
        waiting = [asyncio.create_task(service.ingest.tick()) for _ in range(3)]
        await service.until(lambda: len(service.ingest._jobs) == 3)
        service.ingest.close()
        with pytest.raises(Unavailable):
            await service.ingest.tick()
    assert sorted(await asyncio.gather(*waiting)) == [3, 4, 5]
    await asyncio.wait_for(service.tasks[0], 5)
