"""Every member known: who is looked for, in which order, and what is told of each, measured only where it is shown.

A place in the order is a number and a DID; a page goes on after the place of the last member shown. Whoever looks over
everybody does so a stretch at a time: members that come meanwhile are left out, and those that go as well.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from labeler.atproto.syntax import format_datetime
from labeler.moderation.cases import CaseBook
from labeler.reputation.findings import find
from labeler.reputation.judge import Judge
from labeler.reputation.standing import state_of
from labeler.reputation.subject import Subject, epoch, slate_floor
from labeler.reputation.volume import HOUR_S

STANDINGS: Final = ("removed", "suspended", "throttled", "warming", "good", "unknown")  # the most restricted first
RATES: Final = frozenset({"invalid-recipient-rate", "complaint-rate", "policy-block-excess", "trap-rate"})
DOMAINS_SHOWN: Final = 20
SPARE: Final = 1_000  # places kept beyond the page before the worst of them are dropped
Place = tuple[int, str]


class Wanted(NamedTuple):
    """Which members are looked for: whose DID or domain holds `part`, in any case; in that state (None: any)."""

    part: str = ""
    standing: str | None = None
    sort: str = "did"


@dataclass
class Totals:
    """How many members there are, by standing and by label in force."""

    members: int = 0
    standings: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)


class Roster:
    """A view over the judgement and the cases. It changes neither."""

    def __init__(self, judge: Judge, cases: CaseBook) -> None:
        self._judge = judge
        self._cases = cases
        self._orders: dict[str, Callable[[str, Subject, str], int]] = {
            "did": lambda _did, _subject, _state: 0,
            "accepted": lambda _did, subject, _state: -subject.windows.volume.accepted.total,
            "recent": lambda _did, subject, _state: -subject.windows.newest_hour,
            "invalid": lambda _did, subject, _state: -subject.windows.invalid.size,
            "complaints": lambda _did, subject, _state: -subject.windows.complained.size,
            "standing": lambda _did, _subject, state: STANDINGS.index(state),
            "cases": lambda did, _subject, _state: -self._cases.waiting(did),
        }

    @property
    def orders(self) -> Iterable[str]:
        """What the list can be sorted by."""
        return self._orders

    def dids(self) -> list[str]:
        """Everybody known, in the order they were first heard of."""
        return list(self._judge.subjects)

    def search(self, wanted: Wanted, after: Place | None, limit: int, now: datetime) -> "Search":
        """Begin to look for the next `limit` members behind `after`."""
        return Search(self._judge, self._orders[wanted.sort], wanted, after, limit, now)

    def count(self, dids: Iterable[str], totals: Totals, now: datetime) -> None:
        """Add some members to the totals."""
        for _, subject in _known(self._judge, dids):
            totals.members += 1
            totals.standings[state_of(subject, now)] += 1
            totals.labels.update(_labels(subject, now))

    def row(self, did: str, now: datetime) -> dict[str, Any]:
        """One member as the list shows it (`email.atmos.operator.defs#standingView`)."""
        subject = self._judge.subjects.get(did) or Subject()
        member, newest_hour = subject.member, subject.windows.newest_hour
        row = {
            "did": did,
            "standing": state_of(subject, now),
            "labels": sorted(_labels(subject, now)),
            "tier": member.tier,
            "enrolled": member.enrolled,
            "domains": [domain for domain in member.domains if domain][:DOMAINS_SHOWN],
            "accepted": max(0, subject.windows.volume.accepted.total),
            "openCases": self._cases.waiting(did),
            "rates": self._rates(subject, now),
        }
        newest = format_datetime(datetime.fromtimestamp(newest_hour * HOUR_S, UTC))
        return row | ({"newestHour": newest} if newest_hour else {})

    def _rates(self, subject: Subject, now: datetime) -> list[dict[str, Any]]:
        policy, member = self._judge.policy, subject.member
        if policy is None:
            return []
        setting, floor_s = self._judge.setting(member, policy, now), slate_floor(member)
        found = [
            find(rule, subject.windows, setting, epoch(now), floor_s) for rule in policy.rules if rule.metric in RATES
        ]
        return [{"rule": item.rule.id, "k": item.measurement.k, "n": item.measurement.n} for item in found]


class Search:
    """One look over the members for one page of them: they are shown to it in any order, a few at a time.

    `totals` are of everybody whose DID or domain fits, whatever the standing that is looked for.
    """

    def __init__(
        self,
        judge: Judge,
        order: Callable[[str, Subject, str], int],
        wanted: Wanted,
        after: Place | None,
        limit: int,
        now: datetime,
    ) -> None:
        self.totals: Counter[str] = Counter()
        self._judge = judge
        self._order = order
        self._part = wanted.part.lower()
        self._standing = wanted.standing
        self._after = after
        self._limit = limit
        self._now = now
        self._found: list[Place] = []

    def look(self, dids: Iterable[str]) -> None:
        """Look at some members."""
        for did, subject in _known(self._judge, dids):
            if self._part and not _matches(did, subject, self._part):
                continue
            state = state_of(subject, self._now)
            self.totals[state] += 1
            if self._standing is not None and state != self._standing:
                continue
            place = (self._order(did, subject, state), did)
            if self._after is None or place > self._after:
                self._found.append(place)
        if len(self._found) > self._limit + SPARE:
            self._found = self._first()

    def page(self) -> tuple[list[str], Place | None]:
        """The members of the page, and the place to go on from, None at the end."""
        first = self._first()
        return [did for _, did in first[: self._limit]], first[self._limit - 1] if len(first) > self._limit else None

    def _first(self) -> list[Place]:
        return heapq.nsmallest(self._limit + 1, self._found)


def _known(judge: Judge, dids: Iterable[str]) -> Iterator[tuple[str, Subject]]:
    for did in dids:
        subject = judge.subjects.get(did)
        if subject is not None:
            yield did, subject


def _labels(subject: Subject, now: datetime) -> list[str]:
    return [val for val, label in subject.member.active.items() if label.exp is None or label.exp > now]


def _matches(did: str, subject: Subject, part: str) -> bool:
    return part in did.lower() or any(part in domain.lower() for domain in _domains(subject))


def _domains(subject: Subject) -> Iterator[str]:
    """Those enrolled, and those mail came from."""
    yield from subject.member.domains
    yield from subject.windows.by_domain
