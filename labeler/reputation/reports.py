"""Abuse reports about one member, the questions asked about them, and the clock of the acceptable-use page.

A report judges nobody. Its clock starts when an operator asks the member, or by itself where the policy says so; what
is measured is the silence after that.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from labeler.atproto.syntax import format_datetime

_MARK_CHARS: Final = 16  # of a SHA-256 in hex: enough to find the one report meant
REPORTS_MAX: Final = 1_000  # kept a member; answered ones go first, an operator's question last


@dataclass(slots=True)
class Report:
    """One report, or one question of an operator without a report. Times are seconds since the epoch.

    `asked_by` is the operator's question that started its clock, None where nobody asked or it asked by itself. `told`:
    people know that its time ran out.
    """

    id: str
    at_s: int
    category: str | None
    asked_s: int | None = None
    asked_by: str | None = None
    answered_s: int | None = None
    told: bool = False

    @property
    def by_operator(self) -> bool:
        """Whether a human stands behind the question."""
        return self.asked_by is not None


class AbuseReports:
    """Reports in order of arrival."""

    __slots__ = ("reports",)

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report_id: str, at_s: int, category: str | None, asked_s: int | None) -> None:
        """Take in a report; `asked_s` is when the member was asked by itself."""
        self._add(Report(report_id, at_s, category, asked_s))

    def ask(self, question_id: str, at_s: int, from_s: int, since_s: int) -> None:
        """An operator asks about every open report, or about something else; the clock runs from `from_s`.

        What an operator asked about since `since_s` and nobody answered is not asked about again: its clock goes on.
        """
        pending = [report for report in self.reports if report.answered_s is None and not report.by_operator]
        for report in pending:
            report.asked_s, report.asked_by, report.told = from_s, question_id, False
        if not pending and not self.asked(since_s):
            self._add(Report(question_id, at_s, None, from_s, question_id))

    def asked(self, since_s: int) -> list[Report]:
        """What an operator asked about since `since_s` and nobody answered."""
        return [report for report in self.open(since_s) if report.by_operator]

    def answer(self, at_s: int) -> None:
        """The member answered: whatever was known by then is answered."""
        for report in self.reports:
            if report.answered_s is None and report.at_s <= at_s:
                report.answered_s = at_s

    def open(self, since_s: int) -> list[Report]:
        """Reports that nobody answered, made or asked about since `since_s`."""
        return [
            report
            for report in self.reports
            if report.answered_s is None and max(report.at_s, report.asked_s or 0) >= since_s
        ]

    def overdue(self, since_s: int, now_s: int, within_s: int, *, by_operator: bool) -> int:
        """How many open reports were asked about more than `within_s` ago, by an operator or by nobody in person."""
        return sum(
            report.by_operator is by_operator and report.asked_s is not None and report.asked_s + within_s <= now_s
            for report in self.open(since_s)
        )

    def fell_silent(self, since_s: int, now_s: int, within_s: int) -> int:
        """How many questions ran out unanswered by now that nobody was told of; from here on somebody is."""
        silent = [
            report
            for report in self.open(since_s)
            if not report.told and report.asked_s is not None and report.asked_s + within_s <= now_s
        ]
        for report in silent:
            report.told = True
        return len(silent)

    def deadlines(self, within_s: int) -> list[int]:
        """When the open questions run out, in seconds since the epoch."""
        return [
            report.asked_s + within_s
            for report in self.reports
            if report.answered_s is None and report.asked_s is not None
        ]

    def _add(self, report: Report) -> None:
        self.reports.append(report)
        if len(self.reports) > REPORTS_MAX:
            answered = (index for index, known in enumerate(self.reports) if known.answered_s is not None)
            unasked = (index for index, known in enumerate(self.reports) if not known.by_operator)
            del self.reports[next(answered, next(unasked, 0))]


def describe(report_id: str, category: str, urgency: str) -> str:
    """A report in one line, for a log and for people.

    The relay's id for it may hold an address, and a log must not: the beginning of its SHA-256 names it as well.
    """
    mark = hashlib.sha256(report_id.encode()).hexdigest()[:_MARK_CHARS]
    return f"{urgency}: abuse report {mark}, category {category}"


def name_question(received: datetime) -> str:
    """What a question received then is called among the reports about its member."""
    return f"question {format_datetime(received)}"
