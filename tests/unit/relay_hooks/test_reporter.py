"""Telemetry reaches the labeler once, whatever happens in between, and the mail path never notices."""

import asyncio
import gzip
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import respx

from labeler.errors import Misconfigured
from labeler.reputation.events import SendEvent
from relay_hooks.outbox import ReporterStats
from relay_hooks.reporter import TelemetryReporter

URL = "https://labeler.test"
MakeEvent = Callable[..., SendEvent]


class FakeLabeler:
    """Answers like submitEvents: counts each id once, may be down, may refuse."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.batches: list[int] = []
        self.refusing: httpx.Response | None = None
        self.lost_answers = 0
        self.largest = 1_000
        self.hanging = False
        self.too_old: set[str] = set()
        self.attempt = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.attempt.set()
        if self.hanging:
            await asyncio.Event().wait()
        if self.refusing is not None:
            return self.refusing
        content = request.content
        body = gzip.decompress(content) if request.headers.get("Content-Encoding") == "gzip" else content
        events = msgspec.json.decode(body)["events"]
        if len(events) > self.largest:
            return httpx.Response(413)
        self.batches.append(len(events))
        rejected = [
            {"index": index, "error": "TooOld", "message": "over 7 days"}
            for index, event in enumerate(events)
            if event["id"] in self.too_old
        ]
        ids = [event["id"] for event in events if event["id"] not in self.too_old]
        fresh = set(ids) - self.ids
        self.ids |= fresh
        if self.lost_answers:
            self.lost_answers -= 1
            raise httpx.ReadError("connection reset")
        return httpx.Response(
            200, json={"accepted": len(fresh), "duplicates": len(ids) - len(fresh), "rejected": rejected}
        )


@pytest.fixture
def labeler() -> Iterator[FakeLabeler]:
    fake = FakeLabeler()
    with respx.mock:
        respx.post(f"{URL}/xrpc/email.atmos.telemetry.submitEvents").mock(side_effect=fake)
        yield fake


def reporter_at(spool: Path, **options: Any) -> TelemetryReporter:
    options = {"max_age_s": 0.01, "first_wait_s": 0.01, "longest_wait_s": 0.02} | options
    return TelemetryReporter(URL, "s3cret", spool, **options)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that has no event to await."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def balanced(stats: ReporterStats) -> bool:
    gone = stats.sent + stats.duplicates + stats.rejected + sum(stats.dropped.values())
    return stats.reported + stats.recovered == gone + stats.waiting


async def test_every_event_arrives_once_in_batches_of_at_most_a_thousand(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    async with reporter_at(tmp_path) as reporter:
        for _ in range(2_500):
            reporter.report(event())
        assert await reporter.flush(10)
    assert len(labeler.ids) == 2_500
    assert max(labeler.batches) <= 1_000
    assert (reporter.stats.reported, reporter.stats.sent, reporter.stats.waiting) == (2_500, 2_500, 0)


async def test_a_lonely_event_leaves_when_it_is_old_enough(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    async with reporter_at(tmp_path) as reporter:
        reporter.report(event())
        await until(lambda: reporter.stats.sent)
        reporter.report(event())
        await until(lambda: reporter.stats.sent == 2)
    assert labeler.batches == [1, 1]


async def test_events_wait_for_company(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    async with reporter_at(tmp_path, max_age_s=30.0) as reporter:
        for _ in range(999):
            reporter.report(event())
        await asyncio.sleep(0)
        assert not labeler.batches
        reporter.report(event())
        await until(lambda: reporter.stats.sent == 1_000)
    assert labeler.batches == [1_000]


async def test_the_labeler_goes_away_and_comes_back_and_nothing_is_lost(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    async with reporter_at(tmp_path) as reporter:
        reporter.report(event())
        assert await reporter.flush(10)
        labeler.refusing = httpx.Response(503)
        for _ in range(3_000):
            reporter.report(event())
        await until(lambda: reporter.stats.spooled == 3_000)
        assert reporter.stats.away
        assert reporter.stats.last_failure == "HTTP 503"
        labeler.refusing = None
        assert await reporter.flush(20)
    stats = reporter.stats
    assert len(labeler.ids) == 3_001
    assert (stats.sent, stats.duplicates, stats.dropped, stats.away) == (3_001, 0, {}, False)
    assert stats.failures > 0


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500])
async def test_a_refused_batch_is_kept_and_tried_again(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path, status: int
) -> None:
    """A wrong token is the operator's to mend; until then nothing is thrown away."""
    labeler.refusing = httpx.Response(status)
    async with reporter_at(tmp_path) as reporter:
        reporter.report(event())
        await until(lambda: reporter.stats.failures >= 2)
        labeler.refusing = None
        assert await reporter.flush(10)
    assert (reporter.stats.sent, reporter.stats.dropped) == (1, {})


async def test_an_answer_lost_on_the_way_back_costs_a_duplicate_not_an_event(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.lost_answers = 1
    async with reporter_at(tmp_path) as reporter:
        for _ in range(10):
            reporter.report(event())
        assert await reporter.flush(10)
    assert (reporter.stats.sent, reporter.stats.duplicates) == (0, 10)
    assert balanced(reporter.stats)


async def test_what_waits_survives_a_restart(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    labeler.refusing = httpx.Response(502)
    async with reporter_at(tmp_path) as first:
        for _ in range(1_500):
            first.report(event())
    assert (first.stats.spooled, first.stats.waiting) == (1_500, 1_500)
    labeler.refusing = None
    async with reporter_at(tmp_path) as second:
        second.report(event())
        assert await second.flush(10)
    assert (second.stats.recovered, second.stats.sent) == (1_500, 1_501)
    assert len(labeler.ids) == 1_501


async def test_closing_sends_what_it_can(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    async with reporter_at(tmp_path, max_age_s=60.0) as reporter:
        for _ in range(2_100):
            reporter.report(event())
    assert (len(labeler.ids), reporter.stats.waiting) == (2_100, 0)


async def test_closing_takes_no_longer_than_its_budget_even_in_mid_request(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.hanging = True
    reporter = reporter_at(tmp_path, close_s=0.05, timeout_s=30.0)
    async with asyncio.timeout(5):
        async with reporter:
            for _ in range(5):
                reporter.report(event())
            await labeler.attempt.wait()
            for _ in range(5):
                reporter.report(event())
    assert (reporter.stats.spooled, reporter.stats.dropped) == (10, {})
    assert balanced(reporter.stats)
    await reporter.aclose()


async def test_a_spool_load_interrupted_by_closing_stays_in_the_spool(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.refusing = httpx.Response(503)
    async with reporter_at(tmp_path) as reporter:
        reporter.report(event())
    labeler.refusing, labeler.hanging = None, True
    labeler.attempt.clear()
    async with reporter_at(tmp_path, close_s=0.01) as again:
        await labeler.attempt.wait()
    assert (again.stats.recovered, again.stats.spooled) == (1, 1)


async def test_too_large_a_batch_is_halved_until_it_passes(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.largest = 100
    async with reporter_at(tmp_path) as reporter:
        for _ in range(1_000):
            reporter.report(event())
        assert await reporter.flush(10)
    assert (len(labeler.ids), reporter.stats.sent, reporter.stats.failures) == (1_000, 1_000, 0)


async def test_a_failure_after_half_a_load_sends_only_the_rest_again(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = FakeLabeler.__call__, 0

    async def second_half_fails(self: FakeLabeler, request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(500) if calls == 3 else await real(self, request)

    monkeypatch.setattr(FakeLabeler, "__call__", second_half_fails)
    labeler.largest = 50
    async with reporter_at(tmp_path, max_age_s=0.2) as reporter:
        for _ in range(100):
            reporter.report(event())
        assert await reporter.flush(10)
    assert (reporter.stats.sent, reporter.stats.duplicates, reporter.stats.failures) == (100, 0, 1)
    assert labeler.batches == [50, 50]


async def test_rejected_events_are_counted_and_kept_for_inspection(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.too_old = {"e2"}
    async with reporter_at(tmp_path) as reporter:
        for _ in range(3):
            reporter.report(event())
        assert await reporter.flush(10)
    assert (reporter.stats.sent, reporter.stats.rejected) == (2, 1)
    (refused,) = reporter.last_rejected
    assert (refused.event["id"], refused.error, refused.message) == ("e2", "TooOld", "over 7 days")
    assert balanced(reporter.stats)


async def test_retry_after_outranks_our_own_wait(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    labeler.refusing = httpx.Response(429, headers={"Retry-After": "0"})
    async with reporter_at(tmp_path, first_wait_s=600.0, longest_wait_s=600.0) as reporter:
        reporter.report(event())
        await until(lambda: reporter.stats.failures >= 3)


async def test_a_flood_beyond_the_buffer_is_dropped_and_counted_not_waited_for(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    async with reporter_at(tmp_path, buffer_events=100) as reporter:
        for _ in range(250):
            reporter.report(event())
        assert await reporter.flush(10)
    assert reporter.stats.dropped == {"buffer full": 150}
    assert len(labeler.ids) == 100
    assert balanced(reporter.stats)


async def test_while_an_answer_takes_long_the_buffer_spills_to_disk(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.hanging = True
    async with reporter_at(tmp_path, buffer_events=100, close_s=0.01) as reporter:
        reporter.report(event())
        await labeler.attempt.wait()
        for round_ in range(1, 4):
            for _ in range(60):
                reporter.report(event())
            await until(lambda expected=60 * round_: reporter.stats.spooled >= expected)  # type: ignore[misc]
        assert reporter.stats.dropped == {}


async def test_a_full_spool_drops_and_counts_and_recovers(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    labeler.refusing = httpx.Response(503)
    async with reporter_at(tmp_path, buffer_events=10, spool_bytes=2_000) as reporter:
        while not reporter.stats.dropped.get("spool full"):
            reporter.report(event())
            await asyncio.sleep(0.001)
        labeler.refusing = None
        assert await reporter.flush(10)
        reporter.report(event(id="after"))
        assert await reporter.flush(10)
    stats = reporter.stats
    assert "after" in labeler.ids
    assert stats.sent == len(labeler.ids) == stats.reported - sum(stats.dropped.values())
    assert balanced(stats)


async def test_any_thread_may_report(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    events = [[event() for _ in range(1_000)] for _ in range(8)]
    async with reporter_at(tmp_path) as reporter:

        def run(mine: list[SendEvent]) -> None:
            for one in mine:
                reporter.report(one)

        await asyncio.gather(*(asyncio.to_thread(run, mine) for mine in events))
        assert await reporter.flush(10)
    assert (len(labeler.ids), reporter.stats.sent) == (8_000, 8_000)


async def test_a_thread_alone_wakes_the_sender(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    async with reporter_at(tmp_path) as reporter:
        thread = threading.Thread(target=reporter.report, args=(event(),))
        thread.start()
        await until(lambda: labeler.ids)
        thread.join()


async def test_reporting_before_the_start_and_after_the_end_is_safe(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path
) -> None:
    reporter = reporter_at(tmp_path)
    reporter.report(event())
    async with reporter:
        assert await reporter.flush(10)
    reporter.report(event())
    assert (reporter.stats.sent, reporter.stats.dropped) == (1, {"closed": 1})
    assert labeler.ids == {"e1"}


def test_reporting_into_a_loop_that_is_gone_is_safe(event: MakeEvent, tmp_path: Path) -> None:
    reporter = reporter_at(tmp_path)

    async def start_and_vanish() -> None:
        await reporter.__aenter__()

    asyncio.run(start_and_vanish())
    thread = threading.Thread(target=reporter.report, args=(event(),))
    thread.start()
    thread.join()
    assert reporter.stats.reported == 1
    reporter._outbox.close()


async def test_a_closed_reporter_that_was_never_opened_is_safe(tmp_path: Path) -> None:
    await reporter_at(tmp_path).aclose()


async def test_flush_gives_up_in_time(labeler: FakeLabeler, event: MakeEvent, tmp_path: Path) -> None:
    labeler.refusing = httpx.Response(503)
    async with reporter_at(tmp_path) as reporter:
        assert await reporter.flush(0.05)
        reporter.report(event())
        assert not await reporter.flush(0.05)


async def test_a_sender_that_stumbles_gets_up_again(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with reporter_at(tmp_path) as reporter:
        real, calls = reporter._outbox.take, 0

        def take(limit: int) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("a bug")
            return real(limit)

        reporter._outbox.take = take  # type: ignore[method-assign]
        with caplog.at_level(logging.ERROR):
            reporter.report(event())
            assert await reporter.flush(10)
    assert "stumbled" in caplog.text
    assert labeler.ids == {"e1"}


async def test_a_spool_directory_in_use_stops_the_start(labeler: FakeLabeler, tmp_path: Path) -> None:
    async with reporter_at(tmp_path):
        with pytest.raises(Misconfigured, match="another process uses it"):
            await reporter_at(tmp_path).__aenter__()
    assert not labeler.batches


async def test_the_event_loop_is_never_held_up_by_the_disk(
    labeler: FakeLabeler, event: MakeEvent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a disk that takes half a second a write, the loop still turns every few milliseconds."""
    labeler.refusing = httpx.Response(503)
    syncing = threading.Event()

    def slow_sync(_: int) -> None:
        syncing.set()
        time.sleep(0.5)

    async with reporter_at(tmp_path) as reporter:
        with monkeypatch.context() as patch:
            patch.setattr("relay_hooks.spool.os.fsync", slow_sync)
            reporter.report(event())
            await until(syncing.is_set)
            longest = 0.0
            while not reporter.stats.spooled:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)
    assert longest < 0.25


async def test_the_token_is_never_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(reporter_at(tmp_path))
