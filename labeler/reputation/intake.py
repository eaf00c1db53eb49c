"""What may enter the input log: each event once, on time, attributable. The only judge of duplicates.

Rule 1: an id counts once a relay, for as long as its event could still be admitted. Rule 2: a bad event is refused by
itself, with a reason; its neighbours stay. Rule 3: what could not be written is forgotten again, so that the relay's
retry is not mistaken for a duplicate.
"""

from collections import deque
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from labeler.atproto.syntax import is_did
from labeler.errors import BadInput
from labeler.reputation.definitions import VALUES
from labeler.reputation.events import SendEvent
from labeler.reputation.filings import Filing, Filings
from labeler.reputation.inputs import Batch, CaseAction, Decision, Input, Override, Question, Report

LATE: Final = timedelta(days=7)
AHEAD: Final = timedelta(minutes=5)
_MEMORY_DAYS: Final = 9  # LATE + AHEAD, counted in days of reception, rounded up at both ends
_DID_CACHE: Final = 200_000
_MAX_HOURS: Final = 10 * 366 * 24  # a moment that far ahead can still be written as a date
REPEATED: Final = "An event with this externalId, subject and type exists already."
_UNDONE_MAX: Final = 256  # words about appeals that may be forgotten again: more than are ever written at once
_MAX_CAP: Final = 1_000_000_000  # as an enrolment may agree


class Rejection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One refused event: its place in the batch, its id if it had one, an error name and a sentence."""

    index: int
    error: str
    message: str
    id: str | None = None


class Admission(NamedTuple):
    """What became of a batch; `batch` is None when nothing new was in it."""

    batch: Batch | None
    duplicates: int
    rejected: list[Rejection]


class Intake:
    """Remembers which ids were admitted. State is rebuilt from the log by `remember`."""

    def __init__(self) -> None:
        self._days: dict[int, set[str]] = {}  # day of reception → "relay id"
        self._known_dids: set[str] = set()
        self._external: dict[str, set[tuple[str, str]]] = {}
        self._revisions: dict[int, int] = {}  # case → actions so far
        self._appealed: set[str] = set()  # members whose appeal nobody has decided
        self._before: deque[tuple[Input, bool]] = deque(maxlen=_UNDONE_MAX)  # whether one waited before each word
        self._filings = Filings()

    def admit(self, relay: str, events: Sequence[SendEvent], received: datetime) -> Admission:
        """Sort events into new, duplicate and refused; the new ones are known from here on."""
        oldest, newest = received - LATE, received + AHEAD
        today, earlier = self._roll(received)
        admitted: list[SendEvent] = []
        rejected: list[Rejection] = []
        fresh: set[str] = set()
        duplicates = 0
        for index, event in enumerate(events):
            at = event.at
            if at < oldest:
                rejected.append(Rejection(index, "TooOld", "The event is more than 7 days old.", event.id))
                continue
            if at > newest:
                message = "The event lies more than 5 minutes in the future; check the relay's clock."
                rejected.append(Rejection(index, "FutureEvent", message, event.id))
                continue
            fault = self._fault(event)
            if fault is not None:
                rejected.append(Rejection(index, "InvalidEvent", fault, event.id))
                continue
            key = f"{relay} {event.id}"
            if key in fresh or key in today or any(key in day for day in earlier):
                duplicates += 1
                continue
            fresh.add(key)
            admitted.append(event)
        today |= fresh  # only now: whatever goes wrong above leaves nothing marked
        batch = Batch(received, relay, tuple(admitted)) if admitted else None
        return Admission(batch, duplicates, rejected)

    def admit_decision(self, decision: Decision) -> None:
        """Check an operator's decision; raises `BadInput` and remembers nothing when it may not enter."""
        _check_did(decision.did)
        undeclared = sorted({*decision.apply, *decision.negate} - VALUES)
        if undeclared:
            raise BadInput(f"Undeclared label value: {', '.join(undeclared)}. Declared: {', '.join(sorted(VALUES))}.")
        both = sorted(set(decision.apply) & set(decision.negate))
        if both:
            raise BadInput(f"The same value cannot be applied and negated at once: {', '.join(both)}.")
        _check_duration(decision.duration_h)
        if self.repeats(decision):
            raise BadInput(REPEATED, name="DuplicateExternalId")
        if decision.event == "resolve-appeal" and decision.did not in self._appealed:
            raise BadInput("No appeal of this account is waiting to be resolved.")
        if decision.external_id is not None:
            self._external.setdefault(decision.external_id, set()).add(_external(decision))
        self._follow_appeals(decision)

    def check_external_id(self, external_id: str, did: str, event: str) -> None:
        """Check that no event of this type about this member came under that id; raises `BadInput`."""
        if (did, event) in self._external.get(external_id, ()):
            raise BadInput(REPEATED, name="DuplicateExternalId")

    def repeats(self, decision: Decision) -> bool:
        """Whether a decision of this type about this subject was admitted under its external id."""
        used = self._external.get(decision.external_id, ()) if decision.external_id is not None else ()
        return _external(decision) in used

    def admit_case(self, action: CaseAction) -> None:
        """Check an action on a case, decided on at its `revision`; raises `BadInput` when it may not enter."""
        if action.kind != "incident":
            _check_did(action.did)
        _check_duration(action.duration_h)
        known = self._revisions.get(action.case, 0)
        if action.revision != known:
            raise changed(action.case, known)
        waits = action.did in self._appealed
        if action.kind == "appeal" and action.act == "resolve" and not waits:
            raise BadInput("The appeal of this account was decided meanwhile.", name="CaseClosed")
        if action.kind == "appeal" and action.act == "reopen" and waits:
            raise BadInput("Another appeal of this account is waiting.", name="CaseOpen")
        self._revisions[action.case] = known + 1
        self._follow_appeals(action)

    def admit_report(self, report: Report) -> Report | Filing:
        """Check a report or an appeal; return it, or the same one as it was filed within a day: then nothing is new.

        Raises `BadInput` when it may not enter.
        """
        _check_did(report.did)
        if report.appeal:
            if report.did in self._appealed:
                raise BadInput("An appeal of this account is waiting already.", name="AlreadyAppealed", status=403)
            self._follow_appeals(report)
            return report
        filed = self._filings.find(report)
        if filed is None:
            self._filings.file(report)
        return filed or report

    def written(self, report: Report, position: int) -> None:
        """Note where a report stands in the log, for those who say the same again."""
        self._filings.written(report, position)

    def admit_question(self, question: Question) -> None:
        """Check an operator's question to a member; raises `BadInput` when it may not enter."""
        _check_did(question.did)

    def admit_override(self, override: Override, rules: Collection[str]) -> None:
        """Check what an operator grants a member; `rules` are the ids of the policy in force. Raises `BadInput`."""
        _check_did(override.did)
        _check_duration(override.duration_h)
        unknown = sorted({*override.exempt} - {*rules})
        if unknown:
            known = ", ".join(sorted(rules))
            raise BadInput(f"The policy in force has no rule {', '.join(unknown)}. Its rules: {known}.")
        for name, cap in (("hourlyCap", override.hourly_cap), ("dailyCap", override.daily_cap)):
            if cap is not None and not 1 <= cap <= _MAX_CAP:
                raise BadInput(f"{name} must lie between 1 and {_MAX_CAP}; to stop a member, suspend it.")
        granted = override.exempt or override.hourly_cap is not None or override.daily_cap is not None
        if override.duration_h is not None and not granted:
            raise BadInput("A term needs something that is granted for it; leave both out to take an override back.")

    def forget(self, record: Input) -> None:
        """Undo the admission of a record that could not be written; the newest first."""
        match record:
            case Batch():
                day = self._days.get(_day(record.received), set())
                day.difference_update(f"{record.relay} {event.id}" for event in record.events)
                return
            case Decision():
                if record.external_id is not None:
                    self._external.get(record.external_id, set()).discard(_external(record))
            case CaseAction():
                self._revisions[record.case] -= 1
            case Report():
                self._filings.forget(record)
            case _:
                return
        if self._before and self._before[-1][0] == record:
            _, waited = self._before.pop()
            (self._appealed.add if waited else self._appealed.discard)(record.did)

    def remember(self, record: Input) -> None:
        """Take in a record read back from the log."""
        if isinstance(record, Batch):
            today, _ = self._roll(record.received)
            today.update(f"{record.relay} {event.id}" for event in record.events)
        elif isinstance(record, Decision):
            if record.external_id is not None:
                self._external.setdefault(record.external_id, set()).add(_external(record))
            self._follow_appeals(record)
        elif isinstance(record, CaseAction):
            self._revisions[record.case] = self._revisions.get(record.case, 0) + 1
            self._follow_appeals(record)
        elif isinstance(record, Report):
            self._follow_appeals(record)
            if not record.appeal:
                self._filings.file(record)

    def _follow_appeals(self, word: Decision | CaseAction | Report) -> None:
        """Note which appeals wait and which are decided."""
        match word:
            case Report(appeal=True) | CaseAction(kind="appeal", act="reopen"):
                waits = True
            case Decision(event="resolve-appeal") | CaseAction(kind="appeal", act="resolve"):
                waits = False
            case _:
                return
        self._before.append((word, word.did in self._appealed))
        (self._appealed.add if waits else self._appealed.discard)(word.did)

    def _roll(self, received: datetime) -> tuple[set[str], list[set[str]]]:
        """Today's ids and those of the days still remembered; older days are dropped whole."""
        today = _day(received)
        if today not in self._days:
            self._days = {day: ids for day, ids in self._days.items() if day > today - _MEMORY_DAYS}
            self._days[today] = set()
        return self._days[today], [ids for day, ids in self._days.items() if day != today]

    def _fault(self, event: SendEvent) -> str | None:
        """What is wrong with an event beyond its types, or None."""
        if event.did not in self._known_dids:
            if not is_did(event.did):
                return "did must be a DID such as did:plc:…"
            if len(self._known_dids) >= _DID_CACHE:
                self._known_dids.clear()
            self._known_dids.add(event.did)
        for domain in (event.domain, event.recipient_domain, event.from_domain, event.provider):
            if domain is not None and "@" in domain:
                return "a domain must not be an address: recipients never leave the relay in clear"
        for word in (event.kind, event.category, event.tier, event.hash_key):
            if word is not None and "@" in word:
                return "only id and messageId may contain an @: recipients never leave the relay in clear"
        return None


def changed(case: int, revision: int) -> BadInput:
    """Say that a case is no longer what an operator looked at."""
    message = f"Somebody was faster: case {case} is at revision {revision} now. Look at it again, then decide."
    return BadInput(message, name="CaseChanged")


def _external(decision: Decision) -> tuple[str, str]:
    """What an external id is unique for: subject and type of event, as the caller knows it. A removal is one event,
    however many steps it takes: sent again it must not confirm what it proposed.
    """
    return decision.did, "label" if decision.event.endswith("-removal") else decision.event


def _check_did(did: str) -> None:
    if not is_did(did):
        raise BadInput(f"{did!r} is not a DID.")


def _check_duration(hours: int | None) -> None:
    if hours is not None and not 1 <= hours <= _MAX_HOURS:
        raise BadInput(f"A duration must lie between 1 and {_MAX_HOURS} hours.")


def _day(moment: datetime) -> int:
    return moment.toordinal()
