"""The counts path: between two failures mail is counted by the hour, and the judge looks at what can change its mind.

A rate crosses a bar upwards with a failed mail only, and a volume with a mail of a busy hour. Those are sent as events,
and so is everything once a member is restricted, because a clean mail may end that. The others lead to nothing, so
that this path leads to the same labels as the events path, at a fraction of the time. It knows every recipient to be
another, does not count recipient domains for the spray rules, and keeps no digests for evidence.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import numpy as np

from labeler.reputation.counters import DistinctWindow
from labeler.reputation.volume import VolumeWindows
from labeler.simulation.events_path import EventsPath
from labeler.simulation.mail import HOUR_S, START_HOUR, START_S, Fate, Mail
from labeler.simulation.mixes import domain_name
from labeler.simulation.passage import Member, Passage, seconds

_RECENT_S: Final = 2 * HOUR_S + 600  # what the minutes of a volume window remember
_BUSY: Final = 15  # mails in sixty minutes that no rule on volume looks at …
_UNUSUAL: Final = 2.5  # … nor at what lies within so many standard deviations of the mean


class AnonymousWindow(DistinctWindow):
    """A distinct window that also takes in recipients nobody will meet again, many at a time."""

    __slots__ = ("_mail", "_spans")

    def __init__(self, mail: Mail) -> None:
        super().__init__()
        self._mail = mail
        self._spans: list[tuple[int, int, int]] = []

    def add(self, bucket: int, first: int, last: int) -> None:
        """See the recipients of the mails `first` … `last` − 1, each for the only time, in `bucket`."""
        number = last - first
        self.alive[bucket] = self.alive.get(bucket, 0) + number
        for mark in self._marks.kept:
            if bucket >= mark[0]:
                mark[1] += number
        self._spans.append((bucket, first, last))

    @property
    def size(self) -> int:
        """How many items are not yet expired."""
        return sum(self.alive.values())

    def items(self, since: int) -> Iterator[str]:
        """The items seen in a bucket ≥ `since`; the anonymous ones go by their domains, which stand for themselves."""
        yield from super().items(since)
        for bucket, first, last in self._spans:
            if bucket >= since:
                yield from (domain_name(domain) for domain in self._mail.domain[first:last].tolist())

    def expire(self, before: int) -> None:
        """Forget items whose bucket is < `before`."""
        super().expire(before)
        self._spans = [span for span in self._spans if span[0] >= before]


class CountsPath:
    """Counts up to the next mail that matters, and sends that one. For one member, whose recipients never repeat."""

    def __init__(self, mail: Mail) -> None:
        self._events = EventsPath()
        self._stops = stops(mail)
        self._anonymous = tuple(AnonymousWindow(mail) for _ in range(3))

    def advance(self, passage: Passage, member: Member) -> None:
        """Count the mails before the next that matters or the next timer; send it if there are none."""
        first = member.position
        end = self._next(passage, member) if member.ledger.state is None else first
        if end <= first:
            self._events.advance(passage, member)
            return
        windows = passage.judge.subjects[member.did].windows
        if windows.reached is not self._anonymous[0]:
            windows.reached, windows.delivered, windows.addressed = self._anonymous
        self._count(windows.volume, member.at, first, end)
        member.sent += end - max(first, bisect_left(member.at, member.script.watched_s, first, end))
        member.position = end

    def _next(self, passage: Passage, member: Member) -> int:
        """The next mail that matters, or the first that a timer comes before."""
        here = bisect_left(self._stops, member.position)
        end = self._stops[here] if here < len(self._stops) else len(member.at)
        due = passage.judge.due()
        return end if due is None else min(end, bisect_left(member.at, seconds(due)))

    def _count(self, volume: VolumeWindows, at: list[int], first: int, last: int) -> None:
        """Count delivered mails `first` … `last` − 1, as recording their events would."""
        recent_s = at[last - 1] - _RECENT_S
        while first < last:
            hour = at[first] // HOUR_S
            after = bisect_left(at, (hour + 1) * HOUR_S, first, last)
            if (hour + 1) * HOUR_S < recent_s:
                volume.accepted.add(START_HOUR + hour, after - first)
            else:
                for at_s in at[first:after]:
                    volume.accept(START_S + at_s)
            for window in self._anonymous:
                window.add(START_HOUR + hour, first, after)
            first = after


def stops(mail: Mail) -> list[int]:
    """The mails after which something may change: those that fail, and those of an unusually busy hour."""
    at = mail.at
    lately = np.arange(1, len(at) + 1) - np.searchsorted(at, at - HOUR_S)
    usual = len(at) * HOUR_S / max(HOUR_S, int(at[-1] - at[0])) if len(at) else 0.0
    busy = (lately >= _BUSY) & (lately > usual + _UNUSUAL * np.sqrt(usual))
    found: list[int] = np.flatnonzero(busy | (mail.fate != int(Fate.DELIVERED))).tolist()
    return found
