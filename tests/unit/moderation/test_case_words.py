"""What accounts say becomes part of cases: reports, appeals, answers, and silence."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.inputs import Answer, Batch, CaseAction, Input, Question, Report, Tick
from labeler.reputation.subject import Notice

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALICE, BOB, MODERATOR, RELAY = "did:plc:alice", "did:plc:bob", "did:plc:moderator", "did:web:relay.example"
SPAM = "com.atproto.moderation.defs#reasonSpam"


class Desk:
    """A case book, and records one minute after another."""

    def __init__(self) -> None:
        self.book = CaseBook([timedelta(hours=24)])
        self.position = count(1)
        self.now = NOON
        self.reminded: list[Notice] = []

    def take(self, record: Input, *notices: Notice) -> int:
        position = next(self.position)
        self.reminded += self.book.take(position, record, (), notices)
        return position

    def at(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def report(self, **fields: Any) -> int:
        report = Report(self.at(), BOB, ALICE, SPAM, "spam", **({"text": "words"} | fields))
        return self.take(
            report, Notice("abuse-report", ALICE, report.received, "routine: abuse report 00, category spam")
        )

    def appeal(self, text: str | None = "my own words") -> int:
        return self.take(Report(self.at(), ALICE, ALICE, f"{SPAM[:-4]}Appeal", "appeal", appeal=True, text=text))

    def open(self, kind: CaseKind) -> Case:
        case = self.book.find_open(kind, ALICE)
        assert case is not None
        return case


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.row(262)
def test_an_appeal_opens_an_escalated_case_that_is_not_called_by_its_words(desk: Desk) -> None:
    position = desk.appeal()
    case = desk.open(CaseKind.APPEAL)
    assert (case.escalated, case.text) == (True, "the account appeals")
    assert [(entry.position, entry.actor, entry.what, entry.text) for entry in case.entries] == [
        (position, ALICE, "appeal", "my own words")
    ]
    desk.take(Tick(NOON + timedelta(hours=25)))
    (reminder,) = desk.reminded
    assert "my own words" not in reminder.text


@pytest.mark.row(262)
def test_deciding_it_closes_it(desk: Desk) -> None:
    desk.appeal(None)
    number = desk.open(CaseKind.APPEAL).number
    desk.take(CaseAction(desk.at(), MODERATOR, number, "resolve", "appeal", ALICE, resolution="uphold", revision=0))
    assert desk.book.find_open(CaseKind.APPEAL, ALICE) is None


def test_a_report_joins_the_case_its_notice_opened(desk: Desk) -> None:
    desk.report()
    desk.report(text=None)
    case = desk.open(CaseKind.ABUSE_REPORT)
    assert [(entry.actor, entry.what, entry.text) for entry in case.entries if entry.actor == BOB] == [
        (BOB, SPAM, "words"),
        (BOB, SPAM, ""),
    ]
    assert not case.escalated


def test_a_report_nobody_was_told_of_opens_none(desk: Desk) -> None:
    desk.take(Report(desk.at(), BOB, ALICE, SPAM, "spam", text="words"))
    assert desk.book.cases == {}


def test_silence_escalates_the_case_of_the_question(desk: Desk) -> None:
    desk.take(Question(desk.at(), MODERATOR, ALICE, "why?"))
    desk.take(Tick(desk.at()), Notice("unanswered", ALICE, desk.now, "asked, and silent for 48h"))
    case = desk.open(CaseKind.ABUSE_REPORT)
    assert (case.escalated, case.entries[-1].what, len(desk.book.cases)) == (True, "unanswered", 1)


def test_silence_opens_a_case_where_the_first_was_closed(desk: Desk) -> None:
    desk.take(Question(desk.at(), MODERATOR, ALICE))
    desk.take(CaseAction(desk.at(), MODERATOR, 1, "resolve", "abuse-report", ALICE, resolution="dismiss", revision=0))
    desk.take(Tick(desk.at()), Notice("unanswered", ALICE, desk.now, "asked, and silent for 48h"))
    assert desk.open(CaseKind.ABUSE_REPORT).number == 2


def test_an_answer_is_noted_where_something_is_open(desk: Desk) -> None:
    desk.take(Answer(desk.at(), ALICE, "nobody asked"))
    desk.report()
    desk.take(Answer(desk.at(), ALICE, "sorry"))
    case = desk.open(CaseKind.ABUSE_REPORT)
    assert (case.answered, case.entries[-1].text) == (desk.now, "sorry")


def test_an_answer_a_relay_passes_on_is_noted_too(desk: Desk) -> None:
    answered = SendEvent(id="1", kind=Kind.ABUSE_ANSWERED, did=ALICE, at=NOON)
    desk.take(Batch(desk.at(), RELAY, (answered,)))
    desk.report()
    others = (SendEvent(id="2", kind=Kind.ACCEPTED, did=ALICE, at=NOON), answered)
    desk.take(Batch(desk.at(), RELAY, others))
    case = desk.open(CaseKind.ABUSE_REPORT)
    assert [entry.actor for entry in case.entries] == ["labeler", BOB, RELAY]
    assert case.answered == desk.now


@pytest.mark.row(264)
class TestTheWordsGo:
    def test_those_of_a_report(self, desk: Desk) -> None:
        first, second = desk.report(), desk.report()
        desk.book.drop_text(first)
        texts = [(entry.position, entry.text) for entry in desk.open(CaseKind.ABUSE_REPORT).entries]
        notice = "routine: abuse report 00, category spam"
        assert texts == [(first, notice), (first, ""), (second, notice), (second, "words")]

    def test_those_of_an_appeal_whose_case_is_closed(self, desk: Desk) -> None:
        position = desk.appeal()
        case = desk.open(CaseKind.APPEAL)
        desk.take(CaseAction(desk.at(), MODERATOR, 1, "resolve", "appeal", ALICE, resolution="uphold", revision=0))
        desk.book.drop_text(position)
        assert "my own words" not in [entry.text for entry in case.entries]

    def test_those_of_an_answer(self, desk: Desk) -> None:
        desk.report()
        position = desk.take(Answer(desk.at(), ALICE, "sorry"))
        desk.book.drop_text(position)
        desk.book.drop_text(position)
        entry = desk.open(CaseKind.ABUSE_REPORT).entries[-1]
        assert (entry.actor, entry.what, entry.text) == (ALICE, "answer", "")
