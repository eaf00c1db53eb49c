"""Every member known, in an order: sorted by what is cheap to read of each, measured only where it is shown.

A place in the order is a number and a DID; a page goes on after the place of the last member shown.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from labeler.moderation.cases import CaseBook
from labeler.reputation.findings import find
from labeler.reputation.judge import Judge
from labeler.reputation.standing import state_of
from labeler.reputation.subject import Subject, epoch, slate_floor

STANDINGS: Final = ("removed", "suspended", "throttled", "warming", "good", "unknown")  # the most restricted first
RATES: Final = frozenset({"invalid-recipient-rate", "complaint-rate", "policy-block-excess", "trap-rate"})
Place = tuple[int, str]


class Roster:
    """A view over the judgement and the cases. It changes neither."""

    def __init__(self, judge: Judge, cases: CaseBook) -> None:
        self._judge = judge
        self._cases = cases
        self._orders: dict[str, Callable[[str, Subject, datetime], int]] = {
            "did": lambda _did, _subject, _now: 0,
            "accepted": lambda _did, subject, _now: -subject.windows.volume.accepted.total,
            "invalid": lambda _did, subject, _now: -subject.windows.invalid.size,
            "complaints": lambda _did, subject, _now: -subject.windows.complained.size,
            "standing": lambda _did, subject, now: STANDINGS.index(state_of(subject, now)),
            "cases": lambda did, _subject, _now: -self._cases.waiting(did),
        }

    @property
    def orders(self) -> Iterable[str]:
        """What the list can be sorted by."""
        return self._orders

    def dids(self) -> list[str]:
        """Everybody known, in the order they were first heard of."""
        return list(self._judge.subjects)

    def places(self, dids: Iterable[str], wanted: "Wanted", now: datetime) -> Iterator[Place]:
        """The places of those that are looked for and lie behind the page before."""
        order, subjects = self._orders[wanted.sort], self._judge.subjects
        for did in dids:
            if wanted.part not in did:
                continue
            subject = subjects[did]
            if wanted.standing is not None and state_of(subject, now) != wanted.standing:
                continue
            place = (order(did, subject, now), did)
            if wanted.after is None or place > wanted.after:
                yield place

    def row(self, did: str, now: datetime) -> dict[str, Any]:
        """One member as the list shows it (`email.atmos.operator.defs#standingView`)."""
        subject = self._judge.subjects[did]
        member = subject.member
        return {
            "did": did,
            "standing": state_of(subject, now),
            "labels": sorted(val for val, label in member.active.items() if label.exp is None or label.exp > now),
            "tier": member.tier,
            "enrolled": member.enrolled,
            "accepted": max(0, subject.windows.volume.accepted.total),
            "openCases": self._cases.waiting(did),
            "rates": self._rates(subject, now),
        }

    def _rates(self, subject: Subject, now: datetime) -> list[dict[str, Any]]:
        policy, member = self._judge.policy, subject.member
        if policy is None:
            return []
        setting, floor_s = self._judge.setting(member, policy, now), slate_floor(member)
        found = [
            find(rule, subject.windows, setting, epoch(now), floor_s) for rule in policy.rules if rule.metric in RATES
        ]
        return [{"rule": item.rule.id, "k": item.measurement.k, "n": item.measurement.n} for item in found]


class Wanted(NamedTuple):
    """Which members are looked for: whose DID holds `part`, in that state (None: any), behind the place `after`."""

    part: str = ""
    standing: str | None = None
    sort: str = "did"
    after: Place | None = None
