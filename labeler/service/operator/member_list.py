"""All members, listed page by page and counted, without holding up whatever else is served.

Theory of operation. Nothing is indexed: a look walks over every subject of the fold, a few milliseconds at a time,
letting others run between, and keeps only the page it was asked for and the totals. Who is looked for, in which order,
and what is told of each is the roster's to say.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from labeler.moderation.roster import Place, Roster, Totals, Wanted
from labeler.ports import Clock

STRETCH_SECONDS: Final = 0.005  # of walking, before others may run
LOOK_EVERY: Final = 64  # members between two looks at the clock
LOOKS_AT_ONCE: Final = 2
COUNTED_SECONDS: Final = 10.0  # for so long totals of everything are given out again


class Listing(NamedTuple):
    """A page of rows, how many members match by standing, and where the next page begins (None: this is the last)."""

    rows: list[dict[str, Any]]
    totals: dict[str, int]
    behind: Place | None


class MemberList:
    """Looks over the roster."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._totals: tuple[float, Totals] | None = None

    @property
    def orders(self) -> Sequence[str]:
        """What the list can be sorted by."""
        return tuple(self._roster.orders)

    async def page(self, wanted: Wanted, after: Place | None = None, limit: int = 50) -> Listing:
        """The next members behind `after`; only they are measured."""
        now = self._clock.now()
        search = self._roster.search(wanted, after, limit, now)
        rows: list[dict[str, Any]] = []
        async with self._turns:
            await _walk(self._roster.dids(), LOOK_EVERY, search.look)
            dids, behind = search.page()
            await _walk(dids, 1, lambda some: rows.extend(self._roster.row(did, now) for did in some))
        return Listing(rows, dict(search.totals), behind)

    async def totals(self) -> Totals:
        """How many there are of everything, a few seconds old at most."""
        async with self._turns:
            asked = asyncio.get_running_loop().time()
            if self._totals is not None and asked - self._totals[0] < COUNTED_SECONDS:
                return self._totals[1]
            totals, now = Totals(), self._clock.now()
            await _walk(self._roster.dids(), LOOK_EVERY, lambda dids: self._roster.count(dids, totals, now))
            self._totals = asked, totals
            return totals


async def _walk(dids: Sequence[str], step: int, look: Callable[[Sequence[str]], None]) -> None:
    """Look at everybody, `step` at a time, in stretches."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for start in range(0, len(dids), step):
        look(dids[start : start + step])
        if loop.time() - began > STRETCH_SECONDS:
            await asyncio.sleep(0)
            began = loop.time()
