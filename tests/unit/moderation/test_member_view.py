"""What a member is told of the cases about it, and what not."""

from datetime import UTC, datetime, timedelta

from labeler.moderation.case_entries import CaseEntry
from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.moderation.member_view import SHOWN_MAX, told_to_member

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALICE = "did:plc:alice"
OPEN = {"id": 1, "kind": "abuse-report", "openedAt": "2026-03-02T12:00:00.000Z"}


def case(kind: CaseKind = CaseKind.ABUSE_REPORT, number: int = 1) -> Case:
    made = Case(number, kind, ALICE, NOON, NOON, "phishing: reported by did:plc:reporter")
    made.add(CaseEntry(NOON, 1, "did:plc:reporter", "phishing", "he wrote to my mother"))
    made.add(CaseEntry(NOON, 2, "did:plc:moderator", "comment", "looks bad"))
    made.assignee = "did:plc:moderator"
    return made


def test_neither_reporter_nor_operator_nor_a_word_of_theirs_is_told() -> None:
    assert told_to_member([case()]) == [OPEN]


def test_how_it_stands_is_told_but_not_who_decided() -> None:
    closed = case()
    closed.answered = NOON + timedelta(hours=1)
    closed.closed, closed.closed_by, closed.resolution = NOON + timedelta(hours=2), "did:plc:moderator", "dismiss"
    more = {
        "answeredAt": "2026-03-02T13:00:00.000Z",
        "closedAt": "2026-03-02T14:00:00.000Z",
        "resolution": "dismiss",
    }
    assert told_to_member([closed]) == [OPEN | more]


def test_what_operators_only_consider_is_not_told() -> None:
    hidden = [case(CaseKind.REMOVAL), case(CaseKind.BREAKER), case(CaseKind.INCIDENT)]
    assert told_to_member(hidden) == []


def test_the_newest_are_told() -> None:
    many = [case(number=number) for number in range(30, 0, -1)]
    assert [record["id"] for record in told_to_member(many)] == list(range(30, 30 - SHOWN_MAX, -1))


def test_a_book_without_cases_tells_nothing() -> None:
    assert told_to_member(CaseBook([]).about(ALICE)) == []
