"""How each member stands with the moderators, as existing tools show it: what waits, who looked, what was noted.

Rule 1: what is escalated stays so until somebody closes it. Rule 2: what waits for a human opens the review; a human
who settles the last of it closes it, and what settles itself leaves nothing to review. Rule 3: time is asked for, not
stored: a mute, a tag and a suspension end when their moment is past.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from labeler.moderation.cases import UNANSWERED, CaseKind
from labeler.reputation.definitions import MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.inputs import Answer, CaseAction, Decision, Input, Override, Question, Report
from labeler.reputation.subject import Emission, Notice

_WAITING: Final = {CaseKind.ABUSE_REPORT, CaseKind.REMOVED_DOMAIN, CaseKind.BREAKER}  # notices about a member


class ReviewState(StrEnum):
    """What moderators have to do about a member, by the names of `tools.ozone.moderation.defs`."""

    OPEN = "reviewOpen"
    ESCALATED = "reviewEscalated"
    CLOSED = "reviewClosed"
    NONE = "reviewNone"


@dataclass(slots=True)
class SubjectStatus:
    """One member. `waiting` is what a human must still look at; `tags` with the moment each ends, None for never.

    `suspended`: a suspension was issued and not taken back, until `suspended_until`. `appealed` is None before the
    first appeal, and False once the newest is decided.
    """

    number: int
    did: str
    created: datetime
    updated: datetime
    state: ReviewState = ReviewState.NONE
    waiting: set[CaseKind] = field(default_factory=set)
    comment: str | None = None
    tags: dict[str, datetime | None] = field(default_factory=dict)
    mute_until: datetime | None = None
    appealed: bool | None = None
    appealed_at: datetime | None = None
    reported_at: datetime | None = None
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    suspended: bool = False
    suspended_until: datetime | None = None
    removed: bool = False
    reports: int = 0
    appeals: int = 0
    suspensions: int = 0
    escalations: int = 0
    removals: int = 0

    def muted(self, now: datetime) -> bool:
        """Whether it is left out of the queue for now."""
        return self.mute_until is not None and now < self.mute_until

    def tagged(self, now: datetime) -> list[str]:
        """The tags that have not ended, in the order they were added."""
        return [tag for tag, until in self.tags.items() if until is None or now < until]

    def stopped(self, now: datetime) -> bool:
        """Whether no mail of it passes: removed, or suspended and the suspension has not run out."""
        over = self.suspended_until is not None and self.suspended_until <= now
        return self.removed or (self.suspended and not over)

    def reviewed(self, by: str, at: datetime) -> None:
        """Note that a human looked."""
        self.reviewed_by, self.reviewed_at = by, at

    def open(self, kind: CaseKind) -> None:
        """Something waits for a human."""
        self.waiting.add(kind)
        if self.state is not ReviewState.ESCALATED:
            self.state = ReviewState.OPEN

    def escalate(self) -> None:
        """Somebody with more to say must look."""
        self.escalations += self.state is not ReviewState.ESCALATED
        self.state = ReviewState.ESCALATED

    def settle(self, kind: CaseKind, *, by_human: bool) -> None:
        """Something waits no more."""
        waited = kind in self.waiting
        self.waiting.discard(kind)
        if self.waiting:
            return
        if by_human:
            self.state = ReviewState.CLOSED
        elif waited and self.state is ReviewState.OPEN:
            self.state = ReviewState.NONE


class Statuses:
    """Every member about whom moderators have or had anything to do, in the order of the first of it."""

    def __init__(self) -> None:
        self.by_did: dict[str, SubjectStatus] = {}

    def take(self, record: Input, emissions: Iterable[Emission], notices: Iterable[Notice]) -> None:
        """Follow one record, the labels it led to and what people were told."""
        for notice in notices:
            self._noticed(notice)
        for emission in emissions:
            if not emission.shadow:
                self._labelled(record, emission)
        match record:
            case Decision():
                self._decided(record)
            case CaseAction() if record.did:
                self._acted(record)
            case Report(appeal=True):
                self._appealed(record)
            case Question():
                status = self._touched(record.did, record.received)
                status.open(CaseKind.ABUSE_REPORT)
                status.reviewed(record.operator, record.received)
            case Override():
                self._touched(record.did, record.received).reviewed(record.operator, record.received)
            case Answer():
                self._touched(record.did, record.received)
            case _:
                pass

    def _touched(self, did: str, at: datetime) -> SubjectStatus:
        status = self.by_did.get(did)
        if status is None:
            status = self.by_did[did] = SubjectStatus(len(self.by_did) + 1, did, at, at)
        status.updated = at
        return status

    def _noticed(self, notice: Notice) -> None:
        if notice.kind == "unanswered":
            status = self._touched(notice.about, notice.at)
            status.open(CaseKind.ABUSE_REPORT)
            status.escalate()
        if notice.kind not in _WAITING:
            return
        kind, status = CaseKind(notice.kind), self._touched(notice.about, notice.at)
        status.open(kind)
        if kind is CaseKind.ABUSE_REPORT:
            status.reported_at = notice.at
            status.reports += 1

    def _labelled(self, record: Input, emission: Emission) -> None:
        label, now = emission.label, record.received
        by_human = isinstance(record, Decision | CaseAction) and emission.actor == record.operator
        if label.val == MAIL_SUSPENDED:
            self._suspended(self._touched(label.uri, now), emission, now, by_human=by_human)
        elif label.val == MAIL_REMOVED:
            status = self._touched(label.uri, now)
            status.removed = not label.neg
            status.removals += status.removed
        elif label.val == MAIL_THROTTLED and emission.rule == "unreviewed" and not label.neg:
            self._touched(label.uri, now).escalate()
        if emission.rule in UNANSWERED and not label.neg:
            status = self._touched(label.uri, now)
            status.open(CaseKind.ABUSE_REPORT)
            status.escalate()

    def _suspended(self, status: SubjectStatus, emission: Emission, now: datetime, *, by_human: bool) -> None:
        if emission.label.neg:
            status.suspended, status.suspended_until = False, None
            for kind in (CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN):
                status.settle(kind, by_human=by_human)
            return
        status.suspensions += not status.stopped(now)
        status.suspended, status.suspended_until = True, emission.label.expires
        if not by_human:
            status.open(CaseKind.SUSPENSION)

    def _decided(self, word: Decision) -> None:
        at, status = word.received, self._touched(word.did, word.received)
        if word.event not in _NOTES:
            status.reviewed(word.operator, at)
        follow = _FOLLOW.get(word.event)
        if follow is not None:
            follow(status, word)

    def _acted(self, action: CaseAction) -> None:
        if action.act not in {"comment", "resolve", "reopen"}:
            return
        kind, status = CaseKind(action.kind), self._touched(action.did, action.received)
        status.reviewed(action.operator, action.received)
        if action.act == "comment":
            return
        if kind is CaseKind.APPEAL:
            status.appealed = action.act == "reopen"
        if action.act == "reopen":
            status.open(kind)
        else:
            status.settle(kind, by_human=True)

    def _appealed(self, report: Report) -> None:
        status = self._touched(report.did, report.received)
        status.appealed, status.appealed_at = True, report.received
        status.appeals += 1
        status.open(CaseKind.APPEAL)
        status.escalate()


def _acknowledged(status: SubjectStatus, _: Decision) -> None:
    status.settle(CaseKind.ABUSE_REPORT, by_human=True)  # and whatever else waits goes on waiting


def _escalated(status: SubjectStatus, _: Decision) -> None:
    status.escalate()


def _commented(status: SubjectStatus, word: Decision) -> None:
    if word.sticky:
        status.comment = word.comment or None


def _tagged(status: SubjectStatus, word: Decision) -> None:
    for tag in word.remove_tags:
        status.tags.pop(tag, None)
    until = _until(word)
    for tag in word.add_tags:
        status.tags[tag] = until


def _muted(status: SubjectStatus, word: Decision) -> None:
    status.mute_until = _until(word)


def _unmuted(status: SubjectStatus, _: Decision) -> None:
    status.mute_until = None


def _appeal_resolved(status: SubjectStatus, _: Decision) -> None:
    status.appealed = False
    status.settle(CaseKind.APPEAL, by_human=True)


def _removal_proposed(status: SubjectStatus, _: Decision) -> None:
    status.open(CaseKind.REMOVAL)


def _removal_confirmed(status: SubjectStatus, _: Decision) -> None:
    for kind in (CaseKind.REMOVAL, CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN):
        status.settle(kind, by_human=True)


def _until(word: Decision) -> datetime | None:
    return word.received + timedelta(hours=word.duration_h) if word.duration_h is not None else None


_NOTES: Final = frozenset({"tag", "mute", "unmute"})  # they say nothing about having looked
_FOLLOW: Final[dict[str, Callable[[SubjectStatus, Decision], None]]] = {
    "acknowledge": _acknowledged,
    "escalate": _escalated,
    "comment": _commented,
    "tag": _tagged,
    "mute": _muted,
    "unmute": _unmuted,
    "resolve-appeal": _appeal_resolved,
    "propose-removal": _removal_proposed,
    "confirm-removal": _removal_confirmed,
}
