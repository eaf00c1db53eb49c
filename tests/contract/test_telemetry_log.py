"""What every `TelemetryLog` does; memory is the reference."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labeler.adapters.memory import MemoryTelemetryLog
from labeler.adapters.sqlite import SqliteTelemetryLog
from labeler.ports import TelemetryLog
from labeler.reputation.events import SendEvent
from labeler.reputation.inputs import Batch, Decision, Input, PolicyActivated, Tick

START = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

OpenLog = Callable[[], AbstractAsyncContextManager[TelemetryLog]]


@pytest.fixture(params=["memory", "sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    """Return what opens the log under test; opening it again finds what was written."""
    if request.param == "sqlite":
        return lambda: SqliteTelemetryLog(tmp_path / "telemetry.sqlite")
    log = MemoryTelemetryLog()
    return lambda: log


def tick(number: int) -> Tick:
    return Tick(received=START + timedelta(seconds=number))


def ticks(first: int, last: int) -> list[Input]:
    return [tick(number) for number in range(first, last + 1)]


async def positions(log: TelemetryLog, after: int = 0) -> list[int]:
    return [position for position, _ in await log.read(after, 10_000)]


async def test_a_new_log_is_empty(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.head() == 0
        assert await log.read(0, 10) == []


async def test_positions_count_from_one_in_the_order_of_append(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.append(ticks(1, 3)) == 3
        assert await log.append(ticks(4, 4)) == 4
        assert await log.read(0, 10) == [(number, tick(number)) for number in range(1, 5)]
        assert await log.head() == 4


async def test_appending_nothing_gives_the_head_and_writes_nothing(open_log: OpenLog) -> None:
    async with open_log() as log:
        assert await log.append([]) == 0
        await log.append(ticks(1, 2))
        assert await log.append([]) == 2
        assert await positions(log) == [1, 2]


async def test_read_begins_after_the_given_position_and_ends_at_the_limit(open_log: OpenLog) -> None:
    async with open_log() as log:
        await log.append(ticks(1, 5))
        assert await log.read(2, 2) == [(3, tick(3)), (4, tick(4))]
        assert await log.read(5, 10) == []
        assert await log.read(6, 10) == []
        assert await log.read(2**80, 10) == []


async def test_every_kind_of_record_comes_back_as_it_was(open_log: OpenLog) -> None:
    full = SendEvent(
        id="01J", kind="bounced", did="did:plc:alice", at=START, domain="example.com", message_id="<ä@x>",
        sent_at=START - timedelta(minutes=1), recipient="ab" * 16, recipient_domain="example.org",
        provider="example.net", smtp_code=550, status="5.1.1", category="bulk", from_domain="example.com",
        client="cd" * 16, recipient_exact="ef" * 16, hash_key="k1", tier="new", hourly_cap=100, daily_cap=1000,
    )  # fmt: skip
    records: list[Input] = [
        Batch(
            received=START,
            relay="did:web:smtp.example.com",
            events=(full, SendEvent("2", "accepted", "did:a:b", START)),
        ),
        Decision(received=START, operator="did:plc:op", did="did:plc:alice", apply=("mail-suspended",), duration_h=24),
        PolicyActivated(received=START, text="[rules]\n# naïve — “quoted”\n"),
        Tick(received=START),
    ]
    async with open_log() as log:
        await log.append(records)
        assert [record for _, record in await log.read(0, 10)] == records


async def test_everything_is_there_after_reopening(open_log: OpenLog) -> None:
    async with open_log() as log:
        await log.append(ticks(1, 3))
    async with open_log() as log:
        assert await log.head() == 3
        assert await log.read(0, 10) == [(number, tick(number)) for number in range(1, 4)]
        assert await log.append([tick(4)]) == 4


async def test_trim_forgets_what_lies_before_and_keeps_positions(open_log: OpenLog) -> None:
    async with open_log() as log:
        await log.append(ticks(1, 5))
        await log.trim(4)
        assert await log.read(0, 10) == [(4, tick(4)), (5, tick(5))]
        await log.trim(4)
        await log.trim(0)
        assert await positions(log) == [4, 5]
        assert await log.append([tick(6)]) == 6


@pytest.mark.parametrize("before", [4, 1000, 2**80])
async def test_positions_are_not_reused_after_everything_was_trimmed(open_log: OpenLog, before: int) -> None:
    async with open_log() as log:
        await log.append(ticks(1, 3))
        await log.trim(before)
        assert await log.read(0, 10) == []
    async with open_log() as log:
        assert await log.head() == 3
        assert await log.append([tick(4)]) == 4
        assert await positions(log) == [4]


async def test_concurrent_appends_never_mix_and_leave_no_gap(open_log: OpenLog) -> None:
    """A hundred writers at once: contiguous positions, each writer's records side by side."""
    async with open_log() as log:
        lasts = await asyncio.gather(*(log.append([tick(number)] * (1 + number % 3)) for number in range(100)))
        rows = await log.read(0, 10_000)
        assert [position for position, _ in rows] == list(range(1, len(rows) + 1))
        by_position = dict(rows)
        for number, last in enumerate(lasts):
            mine = range(last - number % 3, last + 1)
            assert {by_position[position] for position in mine} == {tick(number)}
        assert await log.head() == max(lasts) == len(rows)


async def test_a_reader_sees_whole_appends_only(open_log: OpenLog) -> None:
    async with open_log() as log:
        writing = asyncio.gather(*(log.append(ticks(1, 7)) for _ in range(50)))
        while not writing.done():
            seen = await positions(log)
            assert seen == list(range(1, len(seen) + 1))
            assert len(seen) % 7 == 0
            await asyncio.sleep(0)
        await writing
        assert len(await positions(log)) == 350
