"""The counts path: mail is counted by the hour wherever the judge could have nothing to say, at a fraction of the time.

What a rate compares is never above its estimate, so a member without a restriction is safe while every estimate lies
under its bar. An estimate rises with a failed mail, or when the window moves on by an hour; a volume with a mail of a
busy hour. There it is looked at, and only where a bar may be crossed are real events sent, and judged. So is everything
once a member is restricted, for then a good mail may matter. The labels are those of the events path; a test holds
them together.

Every recipient has to be another. Recipient domains are not counted for the spray rules, nor digests for evidence.
"""

import math
from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np

from labeler.reputation.catalogue import Scale
from labeler.reputation.counters import DistinctWindow
from labeler.reputation.policy import Policy
from labeler.reputation.windows import SubjectWindows
from labeler.simulation.anonymous import AnonymousWindow
from labeler.simulation.events_path import EventsPath
from labeler.simulation.mail import HOUR_S, START_HOUR, START_S, Fate, Mail
from labeler.simulation.passage import Member, Passage, seconds

MINUTE_S: Final = 60
_MINUTES_S: Final = 2 * HOUR_S + 10 * MINUTE_S  # a volume window asks for no older minutes

_NEARLY: Final = 0.7
_LEAST: Final = {Scale.MULTIPLE: 1.0, Scale.SHARE: 0.75, Scale.SURPRISE: 4.0}


class Line(NamedTuple):
    """What a rate is held against: failures of a fate, out of the mails a window holds."""

    fate: Fate
    window_s: int
    above: float
    least: int


class CountsPath:
    """Counts mail, and sends what may matter. For one member, whose recipients never repeat."""

    def __init__(self, mail: Mail, policy: Policy) -> None:
        self._events = EventsPath()
        self._lines = lines(policy)
        self._looks = looks(mail, policy)
        self._busy = frozenset(busy(mail, policy).tolist())
        self._windows = {
            "addressed": AnonymousWindow(mail, tuple(Fate)),
            "reached": AnonymousWindow(mail, tuple(Fate)),
            "delivered": AnonymousWindow(mail, (Fate.DELIVERED, Fate.COMPLAINED)),
            "invalid": AnonymousWindow(mail, (Fate.INVALID,)),
            "complained": AnonymousWindow(mail, (Fate.COMPLAINED,)),
        }
        self._fates: list[int] = mail.fate.tolist()
        self._pending = (0, 0)  # first and last + 1 of the mails that were counted by the hour, not yet by the minute

    def advance(self, passage: Passage, member: Member) -> None:
        """Count up to the next mail that may matter, and send it; or up to the next timer."""
        windows = passage.judge.subjects[member.did].windows
        if windows.reached is not self._windows["reached"]:
            for name, window in self._windows.items():
                setattr(windows, name, window)
        if member.ledger.state is not None:
            self._send(passage, member, windows)
            return
        due = passage.judge.due()
        end_s = passage.end_s if due is None else min(passage.end_s, seconds(due))
        end = bisect_left(member.at, end_s)
        for place in range(bisect_left(self._looks, member.position), bisect_left(self._looks, end)):
            look = self._looks[place]
            self._count(windows, member, look)
            if look in self._busy or self._may_cross(windows, member.at[look], self._fates[look]):
                self._send(passage, member, windows)
                return
        self._count(windows, member, end)
        self._count_minutes(windows, member)

    def _send(self, passage: Passage, member: Member, windows: SubjectWindows) -> None:
        self._count_minutes(windows, member)
        self._events.advance(passage, member)

    def _may_cross(self, windows: SubjectWindows, at_s: int, fate: int) -> bool:
        """Whether an estimate lies above its bar once this mail is counted."""
        for line in self._lines:
            seen: DistinctWindow = windows.invalid if line.fate is Fate.INVALID else windows.complained
            since = (START_S + at_s - line.window_s) // HOUR_S
            k = seen.count(since) + (fate == line.fate)
            if k < line.least:
                continue
            known = windows.reached if line.fate is Fate.INVALID else windows.delivered
            if k > line.above * (known.count(since) + (line.fate is Fate.INVALID or fate != Fate.INVALID)):
                return True
        return False

    def _count(self, windows: SubjectWindows, member: Member, last: int) -> None:
        """Count the mails from the member's position up to `last` − 1, as recording their events would."""
        at, first, accepted = member.at, member.position, windows.volume.accepted
        self._pending = (self._pending[0] if self._pending[1] == first else first, max(first, last))
        member.sent += max(0, last - max(first, bisect_left(at, member.script.watched_s)))
        while first < last:
            hour = at[first] // HOUR_S
            after = bisect_left(at, (hour + 1) * HOUR_S, first, last)
            accepted.add(START_HOUR + hour, after - first)
            for window in self._windows.values():
                window.take(START_HOUR + hour, first, after)
            first = after
        member.position = max(member.position, last)

    def _count_minutes(self, windows: SubjectWindows, member: Member) -> None:
        """Count by the minute what was counted by the hour, as far back as anybody asks."""
        at, minutes, (first, last) = member.at, windows.volume.minutes, self._pending
        if first < last:
            for at_s in at[bisect_left(at, at[last - 1] - _MINUTES_S, first, last) : last]:
                minutes.add((START_S + at_s) // MINUTE_S)
            minutes.expire((START_S + at[last - 1] - _MINUTES_S) // MINUTE_S)
            self._pending = (last, last)


def countable(policy: Policy) -> bool:
    """Whether no bar of the policy lies so low that mail which is only counted could cross it.

    Caps are twice what the busiest hour and day bring, so an hour that begins anywhere is no multiple above 1; three
    recipients in four never have domains of their own.
    """
    return all(rule.throttle.above >= _LEAST[rule.scale] for rule in policy.rules if rule.scale in _LEAST)


def lines(policy: Policy) -> tuple[Line, ...]:
    """The bars that failed mail may cross, the lower one of each rule."""
    fates = {"invalid-recipient-rate": Fate.INVALID, "complaint-rate": Fate.COMPLAINED}
    return tuple(
        Line(fates[rule.metric], rule.window.seconds, rule.throttle.above, rule.throttle.min_events)
        for rule in policy.rules
        if rule.metric in fates
    )


def looks(mail: Mail, policy: Policy) -> list[int]:
    """The mails at which an estimate may rise: those that fail, the first of every hour, and those of a busy hour."""
    failed = np.flatnonzero(mail.fate != int(Fate.DELIVERED))
    hours = mail.at // HOUR_S
    opening = np.flatnonzero(np.diff(hours, prepend=-1))
    found: list[int] = np.unique(np.concatenate([failed, opening, busy(mail, policy)])).tolist()
    return found


def busy(mail: Mail, policy: Policy) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The mails after which the last sixty minutes may look unusual, or more than agreed, to a rule on volume.

    A surprise of `above` (−log10 of a tail) takes about √(2·ln10·above) standard deviations; most of that is looked at.
    """
    at = mail.at
    lately = np.arange(1, len(at) + 1) - np.searchsorted(at, at - HOUR_S)
    usual = len(at) * HOUR_S / max(HOUR_S, int(at[-1] - at[0])) if len(at) else 0.0
    found = np.zeros(len(at), dtype=bool)
    for rule in policy.rules:
        if rule.metric == "velocity":
            spread = math.sqrt(2 * math.log(10) * rule.throttle.above * max(usual, 1.0)) * _NEARLY
            found |= (lately >= rule.throttle.min_events) & (lately > usual + spread)
    return np.flatnonzero(found)
