"""DID documents remembered for minutes, so that a caller costs a look-up now and then and not with every request.

What is remembered is bounded in bytes, failures included: asking again and again for a DID that does not resolve costs
the world nothing. Many who ask for one DID at once are served by one look-up. Strangers share a few places, so that
their slow hosts never hold up a caller we know.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from labeler.errors import BadInput, LabelerError, Unavailable
from labeler.ports import DidResolver
from labeler.service.observe import Metrics

KEEP_SECONDS: Final = 300.0  # no operator whose key was withdrawn stays longer
KEEP_REFUSED_SECONDS: Final = 60.0  # of DIDs that have no document
KEEP_UNAVAILABLE_SECONDS: Final = 5.0  # of hosts that did not answer
REFRESH_SECONDS: Final = 30.0  # a refresh of one DID is asked for at most so often
MAX_BYTES: Final = 8 * 1024 * 1024
ENTRY_BYTES: Final = 512  # what an entry takes beside its document, roughly
STRANGERS_AT_ONCE: Final = 16
QUEUE_SECONDS: Final = 3.0  # how long a stranger waits for a place


@dataclass(slots=True)
class _Entry:
    """What is known of one DID: a document as JSON, or why there is none; good until `until` of the loop's clock."""

    outcome: bytes | LabelerError
    until: float
    refreshed: float  # when a refresh was last asked for

    @property
    def size(self) -> int:
        return ENTRY_BYTES + (len(self.outcome) if isinstance(self.outcome, bytes) else 0)


class CachedDids:
    """`DidResolver` that remembers what another one found. `known` are the DIDs that never wait behind strangers."""

    def __init__(
        self, source: DidResolver, metrics: Metrics, *, known: Collection[str] = (), keep: float = KEEP_SECONDS
    ) -> None:
        self._source = source
        self._metrics = metrics
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

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """Return the document remembered, or look it up; a `refresh` too soon after the last one looks nothing up."""
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(did)
        fresh = entry is not None and now < entry.until
        if entry is None or not fresh or (refresh and now - entry.refreshed >= REFRESH_SECONDS):
            entry = await self._look_up(did, now if refresh else None)
        else:
            self._entries.move_to_end(did)
        if isinstance(entry.outcome, BadInput):
            raise BadInput(entry.outcome.message)
        if isinstance(entry.outcome, LabelerError):
            raise Unavailable(str(entry.outcome))
        document: dict[str, Any] = msgspec.json.decode(entry.outcome)
        return document

    async def _look_up(self, did: str, refreshed: float | None) -> _Entry:
        """Join the look-up that runs, or start one. It ends even when everybody who asked has left."""
        task = self._running.get(did)
        if task is None:
            task = self._running[did] = asyncio.create_task(self._ask(did, refreshed))
            task.add_done_callback(lambda _: self._running.pop(did, None))
        return await asyncio.shield(task)

    async def _ask(self, did: str, refreshed: float | None) -> _Entry:
        async with self._turn(did) as free:
            outcome, keep = await self._outcome(did) if free else (Unavailable("too many look-ups at once"), 0.0)
        now = asyncio.get_running_loop().time()
        before = self._entries.get(did)
        if refreshed is None:
            refreshed = before.refreshed if before is not None else -REFRESH_SECONDS
        if isinstance(outcome, Unavailable) and before is not None and now < before.until:
            before.refreshed = refreshed  # nobody could say: what we have is as good as before
            return before
        return self._remember(did, _Entry(outcome, now + keep, refreshed))

    @contextlib.asynccontextmanager
    async def _turn(self, did: str) -> AsyncIterator[bool]:
        """Wait for a place; False when there was none in time."""
        if did in self._known:
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

    async def _outcome(self, did: str) -> tuple[bytes | LabelerError, float]:
        try:
            document = await self._source.resolve(did, refresh=True)
        except BadInput as error:
            self._metrics.did_lookups.labels("refused").inc()
            return error, min(KEEP_REFUSED_SECONDS, self._keep)
        except Unavailable as error:
            self._metrics.did_lookups.labels("unavailable").inc()
            return error, min(KEEP_UNAVAILABLE_SECONDS, self._keep)
        self._metrics.did_lookups.labels("found").inc()
        return msgspec.json.encode(document), self._keep

    def _remember(self, did: str, entry: _Entry) -> _Entry:
        old = self._entries.pop(did, None)
        self._bytes += entry.size - (old.size if old is not None else 0)
        self._entries[did] = entry
        while self._bytes > MAX_BYTES:
            _, forgotten = self._entries.popitem(last=False)
            self._bytes -= forgotten.size
        return entry
