"""Telemetry on its way to the labeler: nothing here blocks the mail path or raises into it."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import httpx
import msgspec

from labeler.reputation.events import MAX_EVENTS_PER_BATCH, SendEvent
from relay_hooks.backoff import Backoff
from relay_hooks.outbox import Load, Outbox, Rejected, ReporterStats, Tally
from relay_hooks.spool import MIB, Spool
from relay_hooks.submission import Away, Submitter, Taken, cut, submit_url

_log = logging.getLogger(__name__)
_SPILL_EVERY_S = 1.0  # while the labeler is away: what a crash of the relay may cost
_SPILL_PAUSE_S = 0.05  # between two spills of a full buffer
_P = ParamSpec("_P")
_T = TypeVar("_T")


class TelemetryReporter:
    """Report events to the labeler: bounded buffer, batches, retries, and a spool on disk for bad times.

    `labeler` is its origin (or the whole URL of submitEvents), `token` the relay's bearer token, `spool_dir` a
    directory of this process alone. Use it as `async with`; entering raises `Misconfigured` when the directory cannot
    be used. `buffer_events` and `spool_bytes` bound memory and disk; a batch leaves when it is full or its first
    event is `max_age_s` old; one attempt takes at most `timeout_s`; waits after failures grow from `first_wait_s` to
    `longest_wait_s`, or are what Retry-After says; leaving takes `close_s` at most, plus one write to disk.
    """

    def __init__(  # noqa: PLR0913 - three are needed, the others bound what an operator may want to bound
        self,
        labeler: str,
        token: str,
        spool_dir: Path | str,
        *,
        buffer_events: int = 10_000,
        spool_bytes: int = 64 * MIB,
        max_age_s: float = 0.2,
        timeout_s: float = 10.0,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 60.0,
        close_s: float = 5.0,
        keep_rejected: int = 100,
    ) -> None:
        self._url = submit_url(labeler)
        self._token = token
        spool = Spool(Path(spool_dir), max_bytes=spool_bytes)
        self._outbox = Outbox(spool, buffer_events=buffer_events, keep_rejected=keep_rejected)
        self._high_mark = max(1, buffer_events // 2)
        self._max_age_s = max_age_s
        self._timeout_s = timeout_s
        self._close_s = close_s
        self._backoff = Backoff(first_wait_s, longest_wait_s)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"TelemetryReporter({self._url!r})"

    # The mail path.

    def report(self, event: SendEvent) -> None:
        """Take one event, or count it as dropped; returns at once, never raises, from any thread."""
        try:
            length = self._outbox.put(event)
            # A wake-up for the first event, one for a full batch, and some past half the buffer; not one an event.
            if length in {1, MAX_EVENTS_PER_BATCH} or length >= self._high_mark:
                if threading.get_ident() == self._loop_thread:
                    self._notice(length)
                elif self._loop is not None:
                    self._loop.call_soon_threadsafe(self._notice, length)
        except Exception:  # noqa: BLE001 - invariant: whatever goes wrong here, the mail flows on
            # The event is in the buffer or counted; only the wake-up can fail, when the loop is gone.
            _log.warning("telemetry cannot be woken", exc_info=True)

    @property
    def stats(self) -> ReporterStats:
        """A copy of the counts as they stand."""
        return self._outbox.stats()

    @property
    def last_rejected(self) -> deque[Rejected]:
        """The newest events that will never be taken, with the reasons."""
        return self._outbox.last_rejected

    def _notice(self, length: int) -> None:
        self._some.set()
        if length >= MAX_EVENTS_PER_BATCH:
            self._batch_full.set()
        if length >= self._high_mark:
            self._high.set()

    # Lifecycle.

    async def __aenter__(self) -> Self:
        self._some, self._batch_full, self._high = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._closing, self._round = asyncio.Event(), asyncio.Condition()
        # One thread of our own: a busy default executor must not hold up the spool, nor the spool anything else.
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay-hooks-spool")
        try:
            await self._on_disk(self._outbox.open)
        except BaseException:
            self._disk.shutdown(wait=False)
            raise
        # Proxy variables of the environment are for browsers and package tools; telemetry goes where it was told.
        tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        self._client = httpx.AsyncClient(verify=tls, timeout=self._timeout_s, trust_env=False)
        self._submitter = Submitter(self._url, self._token, self._client)
        self._loop_thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self._notice(self._outbox.buffered)
        self._tasks = [
            asyncio.create_task(self._send_for_ever(), name="telemetry sender"),
            asyncio.create_task(self._spill_for_ever(), name="telemetry spiller"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send what can be sent within `close_s`, put the rest into the spool; safe to call twice."""
        tasks, self._tasks = self._tasks, []
        self._outbox.stop()
        if not tasks:
            return
        self._closing.set()
        self._some.set()
        self._batch_full.set()
        await asyncio.wait(tasks[:1], timeout=self._close_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._on_disk(self._outbox.close)
        self._disk.shutdown(wait=False)
        await self._client.aclose()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits any more; False when that takes longer than `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._round:
                while self.stats.waiting:
                    self._batch_full.set()  # do not wait for the batch to grow
                    await self._round.wait()
                return True
        return False

    async def _on_disk(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run `work` in the disk thread; once begun it is not given up, or events would be nowhere."""
        future = asyncio.get_running_loop().run_in_executor(self._disk, lambda: work(*args, **kwargs))
        return await asyncio.shield(future)

    # The sender and the spiller.

    async def _send_for_ever(self) -> None:
        while await self._something_to_send():
            away = await self._send_one_load()
            async with self._round:
                self._round.notify_all()
            self._outbox.counts.away = away is not None
            if away is None:
                self._backoff.reset()
                continue
            self._outbox.counts.failures += 1
            self._outbox.counts.last_failure = away.reason
            _log.warning("labeler does not take telemetry: %s", away.reason)
            if self._closing.is_set():
                return  # one try was enough; the spool keeps the rest
            await self._wait_out(self._backoff.next() if away.retry_after_s is None else away.retry_after_s)

    async def _send_one_load(self) -> Away | None:
        """Send the oldest events; say why when some were left over."""
        try:
            return await self._send(await self._on_disk(self._outbox.take, MAX_EVENTS_PER_BATCH))
        except Exception as error:  # noqa: BLE001 - telemetry must not end for the life of the relay
            _log.exception("telemetry sender stumbled")  # and goes on: what it held is taken up again
            return Away(f"{type(error).__name__}: {error}"[:200])

    async def _something_to_send(self) -> bool:
        """Wait until there is, and for a batch to fill or age; False when closing and nothing is left."""
        while not self._outbox:
            if self._closing.is_set():
                return False
            self._some.clear()
            if not self._outbox:
                await self._some.wait()
        if len(self._outbox) < MAX_EVENTS_PER_BATCH and not self._closing.is_set():
            await _within(self._batch_full, self._max_age_s)
        if not self._closing.is_set():
            self._batch_full.clear()
        return True

    async def _send(self, load: Load) -> Away | None:
        """Send a load in order and settle what was answered for; the reason when something was left over."""
        tally = Tally()
        away: Away | None = None
        try:
            waiting = cut(load.encoded)[::-1]
            while waiting and away is None:
                batch = waiting.pop()
                match await self._submitter.submit(batch):
                    case Taken(duplicates, rejected):
                        tally.sent += len(batch) - duplicates - len(rejected)
                        tally.duplicates += duplicates
                        tally.rejected += [
                            Rejected(msgspec.json.decode(batch[one.index]), one.error, one.message) for one in rejected
                        ]
                    case Away() as away:
                        pass
                    case _:  # too large: the same events in two halves
                        waiting += [batch[len(batch) // 2 :], batch[: len(batch) // 2]]
        except asyncio.CancelledError:
            self._outbox.settle(load, tally)
            raise
        await self._on_disk(self._outbox.settle, load, tally)
        return away

    async def _wait_out(self, wait_s: float) -> None:
        """Wait, with the buffer put on disk meanwhile, until the time is over or we are closing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._closing.is_set():
                    await self._on_disk(self._outbox.spill)
                    await _within(self._closing, _SPILL_EVERY_S)

    async def _spill_for_ever(self) -> None:
        """Keep room in the buffer when mail is faster than the labeler, or an answer takes long."""
        while True:
            await self._high.wait()
            self._high.clear()
            await self._on_disk(self._outbox.spill)
            await asyncio.sleep(_SPILL_PAUSE_S)


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for `event`, but no longer than `seconds`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
