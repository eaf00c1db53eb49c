"""From the input log to the label log: order, checkpoint, timers, failures, restart."""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from labeler.errors import Corrupt, Unavailable
from labeler.ports import Entry
from labeler.reputation.inputs import Decision, Tick
from labeler.service import pipeline as module
from labeler.service.wake import wait

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service


def throttle(did: str = "did:plc:alice", hours: int | None = 24) -> Any:
    def draft(received: datetime) -> Decision:
        return Decision(received, "did:plc:moderator", did, apply=("mail-throttled",), duration_h=hours)

    return draft


async def settled(service: "Service") -> None:
    await asyncio.wait_for(service.pipeline.reached(service.ingest.position), 10)


async def test_labels_and_checkpoint_are_written_together(service: "Service") -> None:
    _, position = await service.ingest.decide(throttle())
    await settled(service)
    assert (1, position) in service.labels.appends
    bounds = await service.labels.bounds()
    assert (bounds.head, bounds.checkpoint) == (1, position)


async def test_an_idle_checkpoint_is_written_seldom(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECKPOINT_SECONDS", 0.05)
    for _ in range(20):
        await service.ingest.tick()
        await settled(service)
    await service.until(lambda: service.labels.appends[-1][1] == service.ingest.position)
    empty = [checkpoint for labels, checkpoint in service.labels.appends if not labels]
    assert len(empty) < 20


async def test_a_timer_that_comes_due_becomes_a_tick(service: "Service") -> None:
    await service.ingest.decide(throttle(hours=1))
    await settled(service)
    due = service.judge.due()
    assert due is not None
    service.clock.time = due - timedelta(milliseconds=1)
    service.arrived.wake()
    await asyncio.sleep(0.01)
    head = await service.telemetry.head()
    service.clock.time = due
    service.arrived.wake()
    await service.until(lambda: service.ingest.position > head)
    [(_, tick)] = await service.telemetry.read(head, 5)
    assert isinstance(tick, Tick)
    assert tick.received >= due


async def test_the_pipeline_wakes_for_a_timer_by_itself(service: "Service") -> None:
    await service.ingest.decide(throttle(hours=1))
    await settled(service)
    due = service.judge.due()
    assert due is not None
    head = await service.telemetry.head()
    service.clock.time = due - timedelta(milliseconds=50)
    service.arrived.wake()
    loop = asyncio.get_running_loop()
    loop.call_later(0.02, setattr, service.clock, "time", due)
    await service.until(lambda: service.ingest.position > head)


async def test_a_label_log_that_fails_gets_the_same_labels_later(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    service.labels.broken = True
    for number in range(3):
        await service.ingest.decide(throttle(f"did:plc:m{number}"))
    await service.until(lambda: service.pipeline.failed)
    service.labels.broken = False
    await settled(service)
    assert [item.label.uri for item in await service.labels.read(0, 10)] == ["did:plc:m0", "did:plc:m1", "did:plc:m2"]
    assert service.metric("labeler_storage_failures_total", log="labels") >= 1


async def test_an_input_log_that_cannot_be_read_is_tried_again(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    read = service.telemetry.read
    failures = iter([True, True])

    async def flaky(after: int, limit: int) -> Any:
        if next(failures, False):
            raise Unavailable("the disk is away")
        return await read(after, limit)

    monkeypatch.setattr(service.telemetry, "read", flaky)
    await service.ingest.decide(throttle())
    await settled(service)
    assert (await service.labels.bounds()).head == 1
    assert service.metric("labeler_storage_failures_total", log="input") == 2


async def test_a_second_writer_ends_the_pipeline_with_corrupt(service: "Service") -> None:
    checkpoint = (await service.labels.bounds()).checkpoint
    await service.labels.append([], expected=checkpoint, checkpoint=checkpoint + 1)
    await service.ingest.decide(throttle())
    with pytest.raises(Corrupt, match="another writer"):
        await asyncio.wait_for(service.tasks[1], 5)


async def test_waiters_are_told_in_time_and_not_before(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    service.labels.broken = True
    _, position = await service.ingest.decide(throttle())
    waiter = asyncio.create_task(service.pipeline.reached(position))
    assert not (await asyncio.wait({waiter}, timeout=0.05))[0]
    service.labels.broken = False
    await asyncio.wait_for(waiter, 5)
    await asyncio.wait_for(service.pipeline.reached(position - 1), 1)


async def test_a_waiter_that_left_harms_nobody(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    service.labels.broken = True
    _, position = await service.ingest.decide(throttle())
    waiters = [asyncio.create_task(service.pipeline.reached(position)) for _ in range(2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    service.labels.broken = False
    await asyncio.wait_for(waiters[1], 5)


async def test_close_judges_what_the_log_holds_and_stores_the_checkpoint(service: "Service") -> None:
    await service.ingest.decide(throttle())
    await service.ingest.tick()
    service.pipeline.close()
    await asyncio.wait_for(service.tasks[1], 5)
    bounds = await service.labels.bounds()
    assert (bounds.head, bounds.checkpoint) == (1, service.ingest.position)


async def test_a_log_that_is_away_at_the_end_does_not_hold_up_the_end(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    service.labels.broken = True
    await service.ingest.decide(throttle())
    service.pipeline.close()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(service.tasks[1], 5)


async def test_issued_labels_are_logged_with_their_fields(service: "Service", caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="labeler.issued"):
        await service.ingest.decide(throttle())
        await settled(service)
    (record,) = [record for record in caplog.records if record.name == "labeler.issued"]
    fields: dict[str, Any] = vars(record)["fields"]
    assert (fields["seq"], fields["uri"], fields["val"], fields["neg"]) == (1, "did:plc:alice", "mail-throttled", False)
    assert service.metric("labeler_labels_total", val="mail-throttled", neg="false") == 1


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_restart_goes_on_exactly_where_the_checkpoint_stands(service: "Service", lost: int) -> None:
    """Records behind the checkpoint are judged once, those before it never again."""
    for number in range(3):
        await service.ingest.decide(throttle(f"did:plc:m{number}"))
    await settled(service)
    published = await service.labels.read(0, 10)
    again = type(service)(telemetry=service.telemetry)
    checkpoint = 0
    for item in published[: 3 - lost]:
        entry = Entry(item.label, service.signer_key, b"", "bafyevidence", "test", "")
        await again.labels.append([entry], expected=checkpoint, checkpoint=item.seq + 1)  # the policy came first
        checkpoint = item.seq + 1
    await again.start()
    await settled(again)
    assert await again.labels.read(0, 10) == published
    assert again.ingest.policy == service.ingest.policy
    await again.ingest.tick()
    stamps = [record.received for _, record in await service.telemetry.read(0, 100)]
    assert stamps == sorted(set(stamps))
    await again.stop()


async def test_a_telemetry_log_shorter_than_the_checkpoint_stops_the_start(service: "Service") -> None:
    again = type(service)()
    await again.labels.append([], expected=0, checkpoint=5)
    with pytest.raises(Corrupt, match="input position 5"):
        await again.start()


async def test_the_flag_taken_before_the_read_shows_what_came_during_it(service: "Service") -> None:
    flag = service.arrived.flag()
    service.arrived.wake()
    assert await wait(flag, 0.01)
    assert not await wait(service.arrived.flag(), 0.01)
