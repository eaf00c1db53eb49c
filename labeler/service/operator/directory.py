"""All DIDs at a glance: searched, filtered, sorted, page by page, without holding up whatever else is served.

Theory of operation. Nothing is indexed: a look walks over every subject of the fold, a few milliseconds at a time,
letting others run between, and keeps only the page it was asked for and the totals. A page begins behind the row that
ended the one before, so that what comes and goes meanwhile shifts nothing.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from labeler.ports import Clock
from labeler.reputation.judge import Judge
from labeler.reputation.standing import state_of
from labeler.reputation.subject import Subject

STANDINGS: Final = ("removed", "suspended", "throttled", "warming", "good", "unknown")
ORDERS: Final = ("standing", "recent", "volume", "did")
STRETCH_SECONDS: Final = 0.005  # of walking, before others may run
LOOK_EVERY: Final = 64  # rows between two looks at the clock
LOOKS_AT_ONCE: Final = 2
SUMMED_SECONDS: Final = 10.0  # for so long totals of everything are given out again


class Row(NamedTuple):
    """One DID: its standing, labels in force, messages remembered, newest hour with mail (since the epoch, 0: none)."""

    did: str
    standing: str
    labels: tuple[str, ...]
    sent: int
    newest_hour: int
    domains: tuple[str, ...]


Place = tuple[int, str]  # where a row stands in an order


class Listing(NamedTuple):
    """A page of rows, how many DIDs match by standing, and where the next page begins (None: this is the last)."""

    rows: list[Row]
    totals: dict[str, int]
    following: Place | None


@dataclass
class Totals:
    """How many DIDs there are, by standing and by label in force."""

    dids: int = 0
    standings: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)


class Directory:
    """Looks over the subjects of the fold."""

    def __init__(self, judge: Judge, clock: Clock) -> None:
        self._judge = judge
        self._clock = clock
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._totals: tuple[float, Totals] | None = None

    async def page(
        self,
        *,
        text: str = "",
        standing: str | None = None,
        order: str = "standing",
        after: Place | None = None,
        limit: int = 50,
    ) -> Listing:
        """The rows whose DID or domain holds `text` (in any case), of one `standing` or all, behind `after`."""
        totals: Counter[str] = Counter()
        best: list[tuple[Place, Row]] = []
        sought = text.lower()
        async with self._turns:
            async for rows in self._walk(sought):
                totals.update(row.standing for row in rows)
                fitting = ((_place(row, order), row) for row in rows if standing is None or row.standing == standing)
                behind = (placed for placed in fitting if after is None or placed[0] > after)
                best = heapq.nsmallest(limit + 1, [*best, *behind])
        following = best[limit - 1][0] if len(best) > limit else None
        return Listing([row for _, row in best[:limit]], dict(totals), following)

    async def totals(self) -> Totals:
        """How many there are of everything, a few seconds old at most."""
        async with self._turns:
            now = asyncio.get_running_loop().time()
            if self._totals is not None and now - self._totals[0] < SUMMED_SECONDS:
                return self._totals[1]
            totals = Totals()
            async for rows in self._walk(""):
                totals.dids += len(rows)
                totals.standings.update(row.standing for row in rows)
                totals.labels.update(val for row in rows for val in row.labels)
            self._totals = now, totals
            return totals

    async def _walk(self, sought: str) -> AsyncIterator[list[Row]]:
        """The matching rows, in stretches."""
        loop, now = asyncio.get_running_loop(), self._clock.now()
        began, rows = loop.time(), []
        subjects = self._judge.subjects
        for number, did in enumerate(list(subjects)):  # what comes meanwhile is left out, what goes as well
            subject = subjects.get(did)
            if subject is None:
                continue
            if not sought or _matches(did, subject, sought):
                active = subject.member.active
                labels = tuple(val for val in sorted(active) if (exp := active[val].exp) is None or exp > now)
                windows = subject.windows
                rows.append(
                    Row(
                        did,
                        state_of(subject, now),
                        labels,
                        windows.volume.accepted.total,
                        windows.newest_hour,
                        tuple(filter(None, subject.member.domains)),
                    )
                )
            if number % LOOK_EVERY == 0 and loop.time() - began > STRETCH_SECONDS:
                yield rows
                await asyncio.sleep(0)
                began, rows = loop.time(), []
        yield rows


def _matches(did: str, subject: Subject, sought: str) -> bool:
    return sought in did.lower() or any(sought in domain.lower() for domain in _domains(subject))


def _domains(subject: Subject) -> Iterable[str]:
    yield from subject.member.domains
    yield from subject.windows.by_domain


def _place(row: Row, order: str) -> Place:
    """Where a row stands: the gravest, the latest or the busiest first, or by DID."""
    match order:
        case "standing":
            return STANDINGS.index(row.standing), row.did
        case "recent":
            return -row.newest_hour, row.did
        case "volume":
            return -row.sent, row.did
        case _:
            return 0, row.did
