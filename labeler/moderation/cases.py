"""Cases: what a human must look at, from the moment it opens to the one it is decided, folded from the input log.

Rule 1: one open case for each kind and subject; what happens meanwhile is added to it. Rule 2: the fold opens, people
close, and a suspension that is no more closes its own case. Rule 3: a case changes no label; the judge does, on the
same record.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from labeler.reputation.definitions import MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.events import Kind
from labeler.reputation.inputs import Answer, Batch, CaseAction, Decision, Input, Question, Report
from labeler.reputation.subject import Emission, Notice

ENTRIES_KEPT: Final = 200  # of one case: the first, and the newest
CLOSED_KEPT: Final = 20_000  # closed cases that are remembered
UNANSWERED: Final = frozenset({"unanswered-question", "unanswered-reports"})  # rules that say a deadline passed


class CaseKind(StrEnum):
    """Why a case is open."""

    SUSPENSION = "suspension"
    ABUSE_REPORT = "abuse-report"
    APPEAL = "appeal"
    BREAKER = "breaker"
    INCIDENT = "incident"
    REMOVED_DOMAIN = "removed-domain"
    REMOVAL = "removal"


class CaseEntry(NamedTuple):
    """One thing that happened in a case: when, at which place of the input log, by whom, what, in which words."""

    at: datetime
    position: int
    actor: str
    what: str
    text: str = ""


@dataclass(slots=True)
class Case:
    """One case. `about` is the member's DID, or the provider of an incident; `revision` counts actions of people.

    `evidence` are the content addresses of the records behind the labels that opened it or joined it.
    """

    number: int
    kind: CaseKind
    about: str
    opened: datetime
    text: str
    urgency: str = "routine"
    evidence: list[str] = field(default_factory=list)
    assignee: str | None = None
    revision: int = 0
    escalated: bool = False
    answered: datetime | None = None
    closed: datetime | None = None
    closed_by: str | None = None
    resolution: str | None = None
    reminded: int = 0
    entries: list[CaseEntry] = field(default_factory=list)

    def add(self, entry: CaseEntry) -> None:
        """Note what happened; of very many entries the first and the newest stay."""
        if len(self.entries) >= ENTRIES_KEPT:
            del self.entries[1]
        self.entries.append(entry)


class CaseBook:
    """All cases, by number. `reminders`: how long after its opening an open case is brought to mind, ascending."""

    def __init__(self, reminders: Sequence[timedelta]) -> None:
        self.cases: dict[int, Case] = {}
        self._open: dict[tuple[CaseKind, str], Case] = {}
        self._closed: dict[int, None] = {}  # in the order they were closed
        self._texts: dict[int, list[Case]] = {}  # by position: cases that hold the words of a report or an answer
        self._reminders = tuple(reminders)
        self._last = 0

    def take(
        self, position: int, record: Input, emissions: Iterable[Emission], notices: Iterable[Notice]
    ) -> list[Notice]:
        """Follow one record, the labels it led to and what people were told; return the reminders that fell due."""
        now = record.received
        for notice in notices:
            self._noticed(position, notice)
        for emission in emissions:
            if not emission.shadow:
                self._labelled(position, now, emission)
        self._said(position, record)
        return list(self._remind(position, now))

    def due(self) -> datetime | None:
        """When the next reminder falls due, None while there is none."""
        return min((at for case in self._open.values() if (at := self._reminder(case)) is not None), default=None)

    def drop_text(self, position: int) -> None:
        """Forget the words of the report or answer at that position; that there was one stays."""
        for case in self._texts.pop(position, ()):
            case.entries = [
                entry._replace(text="") if entry.position == position and entry.actor.startswith("did:") else entry
                for entry in case.entries
            ]

    def find_open(self, kind: CaseKind, about: str) -> Case | None:
        """The open case of a kind about a member or provider."""
        return self._open.get((kind, about))

    def open(self) -> Iterable[Case]:
        """Every open case, in no order."""
        return self._open.values()

    def about(self, about: str) -> list[Case]:
        """Every remembered case about a member or provider, the newest first."""
        return [case for number, case in sorted(self.cases.items(), reverse=True) if case.about == about]

    def _noticed(self, position: int, notice: Notice) -> None:
        if notice.kind == "unanswered":
            entry = CaseEntry(notice.at, position, "labeler", "unanswered", notice.text)
            self._escalate(self._opened(CaseKind.ABUSE_REPORT, notice.about, entry), None)
            return
        if notice.kind not in {CaseKind.ABUSE_REPORT, CaseKind.BREAKER, CaseKind.INCIDENT, CaseKind.REMOVED_DOMAIN}:
            return
        kind, urgency = CaseKind(notice.kind), notice.text.partition(":")[0]
        entry = CaseEntry(notice.at, position, "labeler", kind.value, notice.text)
        case = self._opened(kind, notice.about, entry)
        if kind is CaseKind.ABUSE_REPORT and _RANK.get(urgency, 0) > _RANK[case.urgency]:
            case.urgency = urgency

    def _labelled(self, position: int, now: datetime, emission: Emission) -> None:
        label = emission.label
        did, entry = label.uri, CaseEntry(now, position, emission.actor, f"label {label.val}", emission.reason)
        if label.val in {MAIL_SUSPENDED, MAIL_REMOVED} and (label.neg or label.val == MAIL_REMOVED):
            if label.neg:
                entry = entry._replace(what=f"negate {label.val}")
            for kind in (CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN):
                self._close(self.find_open(kind, did), entry, "lifted" if label.neg else "removed")
        elif label.val == MAIL_SUSPENDED:
            case = self.find_open(CaseKind.REMOVED_DOMAIN, did)
            case = case or self._opened(CaseKind.SUSPENSION, did, entry)
            case.evidence.append(emission.evidence_cid)
        elif label.val == MAIL_THROTTLED and emission.rule == "unreviewed":
            self._escalate(self.find_open(CaseKind.SUSPENSION, did), entry)
        if emission.rule in UNANSWERED and not label.neg:
            case = self._opened(CaseKind.ABUSE_REPORT, did, entry)
            self._escalate(case, None)
            case.evidence.append(emission.evidence_cid)

    def _said(self, position: int, record: Input) -> None:
        at = record.received
        match record:
            case CaseAction():
                self._acted(position, record)
            case Report():
                self._reported(position, record)
            case Answer():
                self._answered(record.did, CaseEntry(at, position, record.did, "answer", record.text))
            case Batch() if self._open:
                for event in record.events:
                    if event.kind == Kind.ABUSE_ANSWERED:
                        self._answered(event.did, CaseEntry(at, position, record.relay, "answer", "told by the relay"))
            case Question():
                entry = CaseEntry(at, position, record.operator, "question", record.comment or "")
                self._opened(CaseKind.ABUSE_REPORT, record.did, entry)
            case Decision(event="propose-removal"):
                entry = CaseEntry(at, position, record.operator, "proposal", record.comment or "")
                self._opened(CaseKind.REMOVAL, record.did, entry)
            case Decision(event="confirm-removal"):
                entry = CaseEntry(at, position, record.operator, "confirmation", record.comment or "")
                self._close(self.find_open(CaseKind.REMOVAL, record.did), entry, "removed")
            case Decision(event="resolve-appeal"):
                entry = CaseEntry(at, position, record.operator, "resolve-appeal", record.comment or "")
                self._close(self.find_open(CaseKind.APPEAL, record.did), entry, "resolved")
            case _:
                pass

    def _acted(self, position: int, action: CaseAction) -> None:
        case = self.cases.get(action.case)
        if case is None:
            return
        case.revision += 1
        entry = CaseEntry(action.received, position, action.operator, action.act, action.comment or "")
        match action.act:
            case "resolve":
                self._close(case, entry, action.resolution or "resolved")
                return
            case "reopen" if case.closed is not None:
                self._reopen(case)
            case "claim":
                case.assignee = action.operator
            case "release":
                case.assignee = None
        case.add(entry)

    def _reported(self, position: int, report: Report) -> None:
        """What was reported joins the case its notice opened; an appeal opens one, and goes to the top of the pile.

        Its words are the member's own: they are an entry, and never what the case is called in reminders and logs.
        """
        what = "appeal" if report.appeal else report.reason
        entry = CaseEntry(report.received, position, report.reporter, what, report.text or "")
        if report.appeal:
            case: Case | None = self._opened(CaseKind.APPEAL, report.did, entry, "the account appeals")
            self._escalate(case, None)
        else:
            case = self.find_open(CaseKind.ABUSE_REPORT, report.did)
            if case is not None:
                case.add(entry)
        if case is not None and entry.text:
            self._texts[position] = [case]

    def _answered(self, did: str, entry: CaseEntry) -> None:
        for kind in (CaseKind.ABUSE_REPORT, CaseKind.SUSPENSION):
            case = self.find_open(kind, did)
            if case is not None:
                case.answered = entry.at
                case.add(entry)
                if entry.actor == did:  # its own words, not a relay's
                    self._texts.setdefault(entry.position, []).append(case)

    def _opened(self, kind: CaseKind, about: str, entry: CaseEntry, text: str | None = None) -> Case:
        """The open case of this kind, opened if there is none, with `entry` added; `text`: what the case is called."""
        case = self._open.get((kind, about))
        if case is None:
            self._last += 1
            case = Case(self._last, kind, about, entry.at, entry.text if text is None else text)
            self.cases[case.number] = self._open[kind, about] = case
        case.add(entry)
        return case

    def _close(self, case: Case | None, entry: CaseEntry, resolution: str) -> None:
        if case is None or case.closed is not None:
            return
        case.add(entry)
        case.closed, case.closed_by, case.resolution = entry.at, entry.actor, resolution
        del self._open[case.kind, case.about]
        self._closed[case.number] = None
        if len(self._closed) > CLOSED_KEPT:
            oldest = next(iter(self._closed))
            del self._closed[oldest], self.cases[oldest]

    def _reopen(self, case: Case) -> None:
        if (case.kind, case.about) in self._open:
            return  # another one about the same is open already
        case.closed = case.closed_by = case.resolution = None
        self._open[case.kind, case.about] = case
        del self._closed[case.number]

    @staticmethod
    def _escalate(case: Case | None, entry: CaseEntry | None) -> None:
        if case is not None:
            case.escalated = True
            if entry is not None:
                case.add(entry)

    def _reminder(self, case: Case) -> datetime | None:
        return case.opened + self._reminders[case.reminded] if case.reminded < len(self._reminders) else None

    def _remind(self, position: int, now: datetime) -> Iterator[Notice]:
        for case in self._open.values():
            while (at := self._reminder(case)) is not None and at <= now:
                case.reminded += 1
                hours = (at - case.opened) // timedelta(hours=1)
                text = f"case {case.number} ({case.kind}) has been open for {hours} hours: {case.text}"
                case.add(CaseEntry(now, position, "labeler", "reminder", f"open for {hours} hours"))
                yield Notice("case-reminder", case.about, now, text, case.number)


_RANK: Final = {"routine": 0, "urgent": 1, "immediate": 2}
