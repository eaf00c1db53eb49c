"""Cases: what a human must look at, from the moment it opens to the one it is decided, folded from the input log.

Rule 1: one open case for each kind and subject; what happens meanwhile is added to it. Rule 2: the fold opens, people
close, and a suspension that is no more closes its own case. Rule 3: a case changes no label; the judge does, on the
same record. Rule 4: what a decision on one case leads to closes other cases, and opens none: somebody has looked.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from labeler.moderation.case_entries import CaseEntry, lightest
from labeler.reputation.definitions import ADVERSE, MAIL_REMOVED, MAIL_SUSPENDED
from labeler.reputation.events import Kind
from labeler.reputation.inputs import Answer, Batch, CaseAction, Decision, Input, Question, Report
from labeler.reputation.subject import Emission, Notice

ENTRIES_KEPT: Final = 200  # of one case
EVIDENCE_KEPT: Final = 50  # content addresses in one case: the first, and the newest
CLOSED_KEPT: Final = 20_000  # closed cases that are remembered
UNANSWERED: Final = frozenset({"unanswered-question", "unanswered-reports"})  # rules that say a deadline passed
URGENCIES: Final = ("routine", "urgent", "immediate")  # ascending


class CaseKind(StrEnum):
    """Why a case is open."""

    SUSPENSION = "suspension"
    ABUSE_REPORT = "abuse-report"
    APPEAL = "appeal"
    BREAKER = "breaker"
    INCIDENT = "incident"
    REMOVED_DOMAIN = "removed-domain"
    REMOVAL = "removal"


@dataclass(slots=True)
class Case:
    """One case. `about` is the member's DID, or the provider of an incident; `revision` counts actions of people.

    `since` is when it was opened, or opened again: reminders count from there. `evidence` are the content addresses of
    the records behind the labels that opened it or joined it.
    """

    number: int
    kind: CaseKind
    about: str
    opened: datetime
    since: datetime
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
        """Note what happened; of very many entries the first stays, and those that weigh most (case_entries.py)."""
        if len(self.entries) >= ENTRIES_KEPT:
            del self.entries[lightest(self.entries)]
        self.entries.append(entry)

    def prove(self, evidence: Iterable[str]) -> None:
        """Note records behind the labels in question, each once."""
        for cid in evidence:
            if cid not in self.evidence:
                if len(self.evidence) >= EVIDENCE_KEPT:
                    del self.evidence[1]
                self.evidence.append(cid)

    def press(self, urgency: str) -> None:
        """Make it at least so urgent; a word that is no urgency changes nothing."""
        if urgency in URGENCIES and URGENCIES.index(urgency) > URGENCIES.index(self.urgency):
            self.urgency = urgency


class CaseBook:
    """All cases, by number. `reminders`: how long after its opening an open case is brought to mind, ascending."""

    def __init__(self, reminders: Sequence[timedelta]) -> None:
        self.cases: dict[int, Case] = {}
        self._open: dict[tuple[CaseKind, str], Case] = {}
        self._about: dict[str, set[int]] = {}  # DID or provider → the remembered cases about it
        self._waiting: dict[str, int] = {}  # DID or provider → how many cases about it are open
        self._closed: dict[int, None] = {}  # in the order they were closed
        self._texts: dict[int, list[Case]] = {}  # by position: cases that hold the words of a report or an answer
        self._behind: dict[str, dict[str, str]] = {}  # DID → restriction → the record behind it as last issued
        self._reminders = tuple(reminders)
        self._clock: list[tuple[datetime, int]] = []  # the next reminder of each open case, and some that are over
        self._last = 0

    def take(
        self, position: int, record: Input, emissions: Iterable[Emission], notices: Iterable[Notice]
    ) -> list[Notice]:
        """Follow one record, the labels it led to and what people were told; return the reminders that fell due."""
        now = record.received
        for notice in notices:
            self._noticed(position, notice)
        for emission in emissions:
            if not emission.shadow and emission.label.val in ADVERSE:
                self._labelled(position, now, emission, _decided(record, emission))
        self._said(position, record)
        return list(self._remind(position, now))

    def due(self) -> datetime | None:
        """When the next reminder falls due, None while there is none."""
        while self._clock:
            at, number = self._clock[0]
            case = self.cases.get(number)
            if case is not None and case.closed is None and self._reminder(case) == at:
                return at
            heapq.heappop(self._clock)  # closed meanwhile, or opened again
        return None

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

    def open_about(self, about: str) -> list[Case]:
        """Every open case about a member or provider, in the order of the kinds."""
        return [case for kind in CaseKind if (case := self.find_open(kind, about)) is not None]

    def waiting(self, about: str) -> int:
        """How many cases about a member or provider are open."""
        return self._waiting.get(about, 0)

    def open(self) -> Iterable[Case]:
        """Every open case, in no order."""
        return self._open.values()

    def about(self, about: str) -> list[Case]:
        """Every remembered case about a member or provider, the newest first."""
        return [self.cases[number] for number in sorted(self._about.get(about, ()), reverse=True)]

    def _noticed(self, position: int, notice: Notice) -> None:
        if notice.kind == "unanswered":
            entry = CaseEntry(notice.at, position, "labeler", "unanswered", notice.text)
            _escalate(self._opened(CaseKind.ABUSE_REPORT, notice.about, entry))
            return
        if notice.kind not in {CaseKind.ABUSE_REPORT, CaseKind.BREAKER, CaseKind.INCIDENT, CaseKind.REMOVED_DOMAIN}:
            return
        kind = CaseKind(notice.kind)
        case = self._opened(kind, notice.about, CaseEntry(notice.at, position, "labeler", kind.value, notice.text))
        if kind is CaseKind.ABUSE_REPORT:
            if notice.asks:
                case.answered = None  # whatever was answered before
            case.press(notice.text.partition(":")[0])
        elif kind is CaseKind.BREAKER:
            case.press("urgent")  # whom the rules would suspend goes on sending

    def _labelled(self, position: int, now: datetime, emission: Emission, decided: int | None) -> None:
        """A restriction was issued or taken back; `decided` is the case whose resolution did it."""
        label, did, cid = emission.label, emission.label.uri, emission.evidence_cid
        word = "negate" if label.neg else "label"
        entry = CaseEntry(now, position, emission.actor, f"{word} {label.val}", emission.reason)
        if label.neg:
            self._behind.get(did, {}).pop(label.val, None)
            if label.val == MAIL_SUSPENDED:
                self._settled(did, entry, "lifted", decided)
            return
        self._behind.setdefault(did, {})[label.val] = cid
        case = self.find_open(CaseKind.REMOVED_DOMAIN, did) or self.find_open(CaseKind.SUSPENSION, did)
        if label.val == MAIL_REMOVED:
            self._settled(did, entry, "removed", decided)
        elif label.val == MAIL_SUSPENDED and not (case is None and decided is not None):
            self._opened(CaseKind.SUSPENSION if case is None else case.kind, did, entry).prove([cid])
        elif emission.rule == "unreviewed" and case is not None:
            case.add(entry)
            case.prove([cid])
            _escalate(case)
        if emission.rule in UNANSWERED:
            case = self._opened(CaseKind.ABUSE_REPORT, did, entry)
            case.prove([cid])
            _escalate(case)

    def _settled(self, did: str, entry: CaseEntry, how: str, decided: int | None) -> None:
        """The suspension of a member is over; the case that is being decided on is closed by its own resolution."""
        for kind in (CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN):
            case = self.find_open(kind, did)
            if case is not None and case.number != decided:
                self._close(case, entry, how)

    def _said(self, position: int, record: Input) -> None:
        at = record.received
        match record:
            case Batch():
                self._told(position, record)
            case CaseAction():
                self._acted(position, record)
            case Report():
                self._reported(position, record)
            case Answer():
                self._answered(record.did, CaseEntry(at, position, record.did, "answer", record.text))
            case Question():
                entry = CaseEntry(at, position, record.operator, "question", record.comment or "")
                self._opened(CaseKind.ABUSE_REPORT, record.did, entry).answered = None
            case Decision():
                self._event(record, CaseEntry(at, position, record.operator, record.event, record.comment or ""))
            case _:
                pass

    def _event(self, decision: Decision, entry: CaseEntry) -> None:
        """What an event about a member does to its cases; one that changes labels does it by those."""
        did = decision.did
        match decision.event:
            case "acknowledge":
                self._end(CaseKind.ABUSE_REPORT, entry, did, "acknowledged")
            case "escalate":
                for case in self.open_about(did):
                    case.add(entry)
                    _escalate(case)
            case "propose-removal":
                for case in self.open_about(did):
                    case.add(entry)  # whoever looks at another case of this member must know
                if self.find_open(CaseKind.REMOVAL, did) is None:
                    self._opened(CaseKind.REMOVAL, did, entry)
            case "confirm-removal":
                self._end(CaseKind.REMOVAL, entry, did, "removed")
            case "resolve-appeal":
                self._end(CaseKind.APPEAL, entry, did, "resolved")

    def _told(self, position: int, batch: Batch) -> None:
        """Members may answer through their relay."""
        if self._open:
            for event in batch.events:
                if event.kind == Kind.ABUSE_ANSWERED:
                    entry = CaseEntry(batch.received, position, batch.relay, "answer", "told by the relay")
                    self._answered(event.did, entry)

    def _acted(self, position: int, action: CaseAction) -> None:
        case = self.cases.get(action.case)
        if case is None:
            return
        case.revision += 1  # also where it is ignored: the intake has counted it
        if case.kind != action.kind or (case.about != action.did and case.kind is not CaseKind.INCIDENT):
            return  # a number alone decides nothing
        entry = CaseEntry(action.received, position, action.operator, action.act, action.comment or "")
        match action.act:
            case "resolve" if case.closed is None:
                self._close(case, entry._replace(what=f"resolve: {action.resolution}"), action.resolution or "resolved")
                return
            case "reopen" if case.closed is not None:
                self._reopen(case, action.received)
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
            case: Case | None = self._appealed(report.did, entry)
        else:
            case = self.find_open(CaseKind.ABUSE_REPORT, report.did)
            if case is not None:
                case.add(entry)
        if case is not None and entry.text:
            self._texts[position] = [case]

    def _appealed(self, did: str, entry: CaseEntry) -> Case:
        case = self._opened(CaseKind.APPEAL, did, entry, "the account appeals")
        case.prove(self._behind.get(did, {}).values())
        _escalate(case)
        return case

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
            case = Case(self._last, kind, about, entry.at, entry.at, entry.text if text is None else text)
            self.cases[case.number] = case
            self._about.setdefault(about, set()).add(case.number)
            self._wait(case)
        case.add(entry)
        return case

    def _end(self, kind: CaseKind, entry: CaseEntry, about: str, resolution: str) -> None:
        case = self.find_open(kind, about)
        if case is not None:
            self._close(case, entry, resolution)

    def _close(self, case: Case, entry: CaseEntry, resolution: str) -> None:
        case.add(entry)
        case.closed, case.closed_by, case.resolution = entry.at, entry.actor, resolution
        del self._open[case.kind, case.about]
        self._waiting[case.about] -= 1
        if not self._waiting[case.about]:
            del self._waiting[case.about]
        self._closed[case.number] = None
        if len(self._closed) > CLOSED_KEPT:
            oldest = next(iter(self._closed))
            forgotten = self.cases.pop(oldest)
            del self._closed[oldest]
            self._about[forgotten.about].remove(oldest)
            if not self._about[forgotten.about]:
                del self._about[forgotten.about]

    def _reopen(self, case: Case, now: datetime) -> None:
        if (case.kind, case.about) in self._open:
            return  # another one about the same is open already
        case.closed = case.closed_by = case.resolution = None
        case.since, case.reminded = now, 0
        del self._closed[case.number]
        self._wait(case)

    def _reminder(self, case: Case) -> datetime | None:
        return case.since + self._reminders[case.reminded] if case.reminded < len(self._reminders) else None

    def next_reminder(self, case: Case) -> datetime | None:
        """When an open case is brought to mind next; None when it is closed, or was often enough."""
        return self._reminder(case) if case.closed is None else None

    def _wait(self, case: Case) -> None:
        self._open[case.kind, case.about] = case
        self._waiting[case.about] = self._waiting.get(case.about, 0) + 1
        self._wind(case)

    def _wind(self, case: Case) -> None:
        at = self._reminder(case)
        if at is not None:
            heapq.heappush(self._clock, (at, case.number))

    def _remind(self, position: int, now: datetime) -> Iterator[Notice]:
        while (at := self.due()) is not None and at <= now:
            _, number = heapq.heappop(self._clock)
            case = self.cases[number]
            case.reminded += 1
            self._wind(case)
            hours = (at - case.since) // timedelta(hours=1)
            text = f"case {case.number} ({case.kind}) has been open for {hours} hours: {case.text}"
            case.add(CaseEntry(now, position, "labeler", "reminder", f"open for {hours} hours"))
            yield Notice("case-reminder", case.about, now, text, case.number)


def _decided(record: Input, emission: Emission) -> int | None:
    """The case whose resolution led to a label, if one did; what merely came due before it is its own matter."""
    if isinstance(record, CaseAction) and record.operator == emission.actor and record.did == emission.label.uri:
        return record.case
    return None


def _escalate(case: Case) -> None:
    case.escalated = True
    case.press("urgent")
