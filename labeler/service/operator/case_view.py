"""Cases as operators see them, the same at every door (`email.atmos.operator.defs`)."""

from datetime import UTC, datetime
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.ports import Clock
from labeler.reputation.judge import Judge
from labeler.reputation.standing import standing
from labeler.service.access import Operator
from labeler.service.operator.desk import Desk
from labeler.service.operator.resolutions import TERMS, Option, options

_MEMBER: Final = ("did", "standing", "labels", "tier", "hourlyCap", "dailyCap", "findings", "clears", "reports")
_TEXT_KEPT: Final = 4_000  # characters of a text, which may be a reporter's: far below what the lexicon allows


class CaseViews:
    """Reads cases out of the fold; changes nothing."""

    def __init__(self, desk: Desk, judge: Judge, cases: CaseBook, clock: Clock) -> None:
        self._desk = desk
        self._judge = judge
        self._cases = cases
        self._clock = clock

    def brief(self, case: Case, operator: Operator) -> dict[str, Any]:
        """One case as a list shows it, with the resolutions open to `operator` now (`#caseView`)."""
        now = self._clock.now()
        allowed = [option.name for option in self._options(case, now) if option.open_to(operator)]
        view: dict[str, Any] = {
            "number": case.number,
            "kind": case.kind.value,
            "about": case.about,
            "state": "open" if case.closed is None else "closed",
            "urgency": case.urgency,
            "escalated": case.escalated,
            "openedAt": format_datetime(case.opened),
            "text": case.text[:_TEXT_KEPT],
            "revision": case.revision,
            "reminders": case.reminded,
            "evidence": list(case.evidence),
            "allowed": allowed,
        }
        answer_by = self.answer_by(case)  # while it runs, whatever was said before the question is no answer
        moments = {
            "nextReminder": self._cases.next_reminder(case),
            "answerBy": answer_by,
            "answeredAt": case.answered if answer_by is None else None,
            "closedAt": case.closed,
        }
        words = {"assignee": case.assignee, "closedBy": case.closed_by, "resolution": case.resolution}
        view |= {name: format_datetime(moment) for name, moment in moments.items() if moment is not None}
        return view | {name: word for name, word in words.items() if word is not None}

    def full(self, case: Case, operator: Operator) -> dict[str, Any]:
        """One case with all that happened in it, its member, and what each resolution needs (`getCase`)."""
        now = self._clock.now()
        answer: dict[str, Any] = {
            "case": self.brief(case, operator),
            "entries": [
                {
                    "at": format_datetime(entry.at),
                    "id": entry.position,
                    "actor": entry.actor,
                    "what": entry.what,
                    "text": entry.text[:_TEXT_KEPT],
                }
                for entry in case.entries
            ],
            "resolutions": [_resolution_view(option) for option in self._options(case, now)],
        }
        if case.kind is not CaseKind.INCIDENT:
            found = standing(self._judge, case.about, now).full()
            answer["member"] = {name: found[name] for name in _MEMBER if name in found}
        return answer

    def answer_by(self, case: Case) -> datetime | None:
        """Until when the member has to answer to an open report; None while nobody asked, or it has answered."""
        subject, policy = self._judge.subjects.get(case.about), self._judge.policy
        if case.kind is not CaseKind.ABUSE_REPORT or case.closed is not None or subject is None or policy is None:
            return None
        reports = subject.windows.reports
        deadlines = reports.deadlines(policy.abuse.answer_within.seconds) if reports is not None else []
        return datetime.fromtimestamp(min(deadlines), UTC) if deadlines else None

    def _options(self, case: Case, now: datetime) -> list[Option]:
        if case.closed is not None:
            return []
        active, proposed = self._desk.situation(case)
        return options(case, active, proposed, now)


def _resolution_view(option: Option) -> dict[str, Any]:
    terms = TERMS[option.name]
    view: dict[str, Any] = {
        "name": option.name,
        "role": option.role.name.lower(),
        "effect": terms.effect,
        "needs": list(terms.needs),
        "oneOf": list(terms.one_of),
        "takes": list(terms.takes),
        "possible": option.hindrance is None,
    }
    return view if option.hindrance is None else view | {"hindrance": str(option.hindrance)}
