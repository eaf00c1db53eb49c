"""Providers that fail by themselves, told from senders that fail at them.

A failing mailbox provider answers good addresses with "no such user", and every member would look like a list-buyer at
once. What tells the two apart: at an outage, members who are clean *everywhere else* begin to fail at one provider,
many of them, in the same hours. Accounts without a past bear no witness (a swarm of fresh ones can buy one list), but
they count among those who send there: the more they are, the harder an incident is to find.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.policy import IncidentTerms
from labeler.reputation.pool import Pool
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

_LOOK_BACK_HOURS: Final = 7 * 24
_STRETCHES_KEPT: Final = 1_000  # a provider; far more than a horizon has hours


WindowsOf = Callable[[str], SubjectWindows]  # of a DID


class Incidents:
    """Which providers were to blame in which hours (of acceptance), both ends included."""

    def __init__(self) -> None:
        self.stretches: dict[str, list[tuple[int, int]]] = {}

    def look(self, pool: Pool, windows_of: WindowsOf, terms: IncidentTerms) -> dict[str, list[str]]:
        """Look at every (provider, hour) that had new failures; return the newly blamed with the members concerned."""
        found: dict[str, list[str]] = {}
        for provider, hour in sorted(pool.touched):
            if self.blamed(provider, hour):
                found.setdefault(provider, []).extend(pool.providers[provider].failing.get(hour, ()))
            elif self._is_struck(pool, provider, hour, windows_of, terms):
                self._blame(provider, hour - 1, hour)
                failing = pool.providers[provider].failing
                found.setdefault(provider, []).extend([*failing.get(hour - 1, ()), *failing[hour]])
        pool.touched.clear()
        for provider, dids in found.items():
            for did in dict.fromkeys(dids):
                _excuse(windows_of(did), provider, self.stretches[provider])
        return found

    def blamed(self, provider: str, hour: int) -> bool:
        """Whether `provider` was to blame in `hour`."""
        return any(first <= hour <= last for first, last in self.stretches.get(provider, ()))

    def new_stretches(self, provider: str, before: Mapping[str, list[tuple[int, int]]]) -> Iterator[str]:
        """The hours it is to blame for that it was not `before`, from and to, in words."""
        for first, last in self.stretches[provider]:
            if (first, last) not in before.get(provider, ()):
                yield f"{_hour(first)} to {_hour(last + 1)}"

    def expire(self, floor: int) -> None:
        """Forget stretches that ended before the hour `floor`."""
        self.stretches = {
            provider: kept
            for provider, stretches in self.stretches.items()
            if (kept := [stretch for stretch in stretches if stretch[1] >= floor])
        }

    def _blame(self, provider: str, first: int, last: int) -> None:
        stretches = self.stretches.setdefault(provider, [])
        for known in stretches:
            if known[0] <= last + 1 and first - 1 <= known[1]:
                stretches.remove(known)
                first, last = min(first, known[0]), max(last, known[1])
                break
        stretches.append((first, last))
        stretches.sort()
        del stretches[:-_STRETCHES_KEPT]

    def _is_struck(self, pool: Pool, provider: str, hour: int, windows_of: WindowsOf, terms: IncidentTerms) -> bool:
        there = pool.providers[provider]
        concerned = {*there.failing.get(hour - 1, ()), *there.failing[hour]}
        if len(concerned) < terms.min_members:
            return False
        senders = there.senders.count(hour - 24)
        if len(concerned) < terms.share * senders:
            return False
        witnesses = sum(self._witness(windows_of(did), provider, hour, terms) for did in sorted(concerned))
        return witnesses >= terms.min_members and witnesses >= terms.share * senders

    def _witness(self, windows: SubjectWindows, provider: str, hour: int, terms: IncidentTerms) -> bool:
        """Whether a member with a past, clean everywhere else and before, fails here and now."""
        there = windows.by_provider.get(provider)
        oldest = min(windows.volume.accepted.buckets, default=hour)
        if there is None or there.invalid is None or (hour - oldest) * HOUR_S < terms.min_age.seconds:
            return False
        failures = there.invalid.between(hour - 1, hour)
        answered = there.answered.count(hour - 1) - there.answered.count(hour + 1)
        if failures < terms.min_failures or failures <= terms.rate * answered:
            return False
        since = hour - _LOOK_BACK_HOURS
        past = there.invalid.between(since, hour - 2) - sum(
            there.invalid.between(max(first, since), min(last, hour - 2))
            for first, last in self.stretches.get(provider, ())
            if last >= since and first <= hour - 2
        )
        before = there.answered.count(since) - there.answered.count(hour - 1)
        if past > 1 and past > terms.clean_below * before:
            return False
        others = [other for name, other in windows.by_provider.items() if name != provider]
        elsewhere = sum(other.answered.count(since) for other in others)
        failed = sum(other.invalid.count(since) for other in others if other.invalid is not None)
        return elsewhere >= terms.min_elsewhere and failed < terms.clean_below * elsewhere


def _excuse(windows: SubjectWindows, provider: str, stretches: list[tuple[int, int]]) -> None:
    """Recipients lost at a provider while it was to blame are not known to be dead: they may be written to again."""
    there, dead = windows.by_provider.get(provider), windows.dead or DeadAddresses()
    lost = there.invalid.last if there is not None and there.invalid is not None else {}
    for recipient, hour in lost.items():
        for first, last in stretches:
            if first <= hour <= last:
                dead.excuse(recipient, first * HOUR_S)


def _hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * HOUR_S, UTC).strftime("%Y-%m-%dT%HZ")
