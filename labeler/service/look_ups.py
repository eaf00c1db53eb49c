"""Look-ups of strangers remembered for minutes, so that a caller costs one now and then and not with every request.

What is remembered is bounded in bytes, failures included: asking again and again for what does not resolve costs the
world nothing. Many who ask for one thing at once are served by one look-up. Strangers share a few places, so that their
slow hosts never hold up a caller we know.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from labeler.errors import BadInput, LabelerError, Unavailable

KEEP_SECONDS: Final = 300.0  # no operator whose key was withdrawn stays longer
KEEP_REFUSED_SECONDS: Final = 60.0  # of what is not there
KEEP_UNAVAILABLE_SECONDS: Final = 5.0  # of hosts that did not answer
REFRESH_SECONDS: Final = 30.0  # a refresh of one key is asked for at most so often
MAX_BYTES: Final = 8 * 1024 * 1024
ENTRY_BYTES: Final = 512  # what an entry takes beside what was found, roughly
STRANGERS_AT_ONCE: Final = 16
QUEUE_SECONDS: Final = 3.0  # how long a stranger waits for a place


@dataclass(slots=True)
class _Entry:
    """What is known of one key: what was found, or why nothing was; good until `until` of the loop's clock."""

    outcome: bytes | LabelerError
    until: float
    refreshed: float  # when a refresh was last asked for

    @property
    def size(self) -> int:
        return ENTRY_BYTES + (len(self.outcome) if isinstance(self.outcome, bytes) else 0)


class LookUps:
    """What `ask` found for a key, remembered. `known` are the keys that never wait behind strangers.

    `ask` returns bytes or raises `BadInput` or `Unavailable`; `counter` counts it by `result`.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[bytes]],
        counter: Counter,
        *,
        known: Collection[str] = (),
        keep: float = KEEP_SECONDS,
    ) -> None:
        self._ask = ask
        self._counter = counter
        self._known = frozenset(known)
        self._keep = keep
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the one longest unused first
        self._bytes = 0
        self._running: dict[str, asyncio.Task[_Entry]] = {}
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)

    async def close(self) -> None:
        """Give up the look-ups that still run."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, key: str, *, refresh: bool = False) -> bytes:
        """Return what is remembered, or look it up; a `refresh` too soon after the last one looks nothing up."""
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(key)
        fresh = entry is not None and now < entry.until
        if entry is None or not fresh or (refresh and now - entry.refreshed >= REFRESH_SECONDS):
            entry = await self._look_up(key, now if refresh else None)
        else:
            self._entries.move_to_end(key)
        if isinstance(entry.outcome, BadInput):
            raise BadInput(entry.outcome.message, name=entry.outcome.name)
        if isinstance(entry.outcome, LabelerError):
            raise Unavailable(str(entry.outcome))
        return entry.outcome

    async def _look_up(self, key: str, refreshed: float | None) -> _Entry:
        """Join the look-up that runs, or start one. It ends even when everybody who asked has left."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._run(key, refreshed))
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _run(self, key: str, refreshed: float | None) -> _Entry:
        async with self._turn(key) as free:
            outcome, keep = await self._outcome(key) if free else (Unavailable("too many look-ups at once"), 0.0)
        now = asyncio.get_running_loop().time()
        before = self._entries.get(key)
        if refreshed is None:
            refreshed = before.refreshed if before is not None else -REFRESH_SECONDS
        if isinstance(outcome, Unavailable) and before is not None and now < before.until:
            before.refreshed = refreshed  # nobody could say: what we have is as good as before
            return before
        return self._remember(key, _Entry(outcome, now + keep, refreshed))

    @contextlib.asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[bool]:
        """Wait for a place; False when there was none in time."""
        if key in self._known:
            yield True
            return
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._strangers.acquire()
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            self._strangers.release()

    async def _outcome(self, key: str) -> tuple[bytes | LabelerError, float]:
        try:
            found = await self._ask(key)
        except BadInput as error:
            self._counter.labels("refused").inc()
            return error, min(KEEP_REFUSED_SECONDS, self._keep)
        except Unavailable as error:
            self._counter.labels("unavailable").inc()
            return error, min(KEEP_UNAVAILABLE_SECONDS, self._keep)
        self._counter.labels("found").inc()
        return found, self._keep

    def _remember(self, key: str, entry: _Entry) -> _Entry:
        old = self._entries.pop(key, None)
        self._bytes += entry.size - (old.size if old is not None else 0)
        self._entries[key] = entry
        while self._bytes > MAX_BYTES:
            _, forgotten = self._entries.popitem(last=False)
            self._bytes -= forgotten.size
        return entry
