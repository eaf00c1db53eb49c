"""When something about a subject may change by itself. The fold owns no clock; the shell asks for the next moment."""

import heapq
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from labeler.reputation.decisions import Member, renewal
from labeler.reputation.definitions import MAIL_THROTTLED
from labeler.reputation.policy import Policy
from labeler.reputation.subject import Subject


class Timers:
    """One timer a subject; setting it again replaces it."""

    def __init__(self, subjects: Mapping[str, Subject]) -> None:
        self._subjects = subjects
        self._heap: list[tuple[datetime, str]] = []

    def due(self) -> datetime | None:
        """When the next timer fires, or None while nothing is pending."""
        while self._heap:
            moment, did = self._heap[0]
            if self._subjects[did].timer == moment:
                return moment
            heapq.heappop(self._heap)  # superseded by a later decision
        return None

    def pop(self, now: datetime) -> tuple[str, Subject] | None:
        """Take the next subject whose timer has fired by `now`."""
        due = self.due()
        if due is None or due > now:
            return None
        _, did = heapq.heappop(self._heap)
        return did, self._subjects[did]

    def set(self, did: str, subject: Subject, moments: list[datetime], now: datetime) -> None:
        """Fire at the first of `moments` after `now`; never, if there is none."""
        timer = min((moment for moment in moments if moment > now), default=None)
        if timer is not None and timer != subject.timer:
            heapq.heappush(self._heap, (timer, did))
        subject.timer = timer


def turning_points(subject: Subject, policy: Policy | None) -> list[datetime]:
    """When labels end, are renewed or may be lifted, in earnest or in shadow, and when answers are due."""
    moments: list[datetime] = []
    for member in (subject.member, subject.shadow):
        if member is not None:
            moments += _of_labels(member, policy)
    reports = subject.windows.reports
    if policy is not None and reports is not None:
        deadlines = reports.deadlines(policy.abuse.answer_within.seconds)
        moments += [datetime.fromtimestamp(deadline, UTC) for deadline in deadlines]
    return moments


def _of_labels(member: Member, policy: Policy | None) -> list[datetime]:
    moments = []
    for val, label in member.active.items():
        if label.exp is None:
            continue
        moments.append(label.exp)
        renewed = renewal(val, label, policy) if policy is not None else None
        if renewed is not None:
            moments.append(renewed)
    if MAIL_THROTTLED in member.active and policy is not None:
        hold = timedelta(seconds=policy.ladder.min_hold.seconds)
        moments.append(member.active[MAIL_THROTTLED].since + hold)
    return moments
