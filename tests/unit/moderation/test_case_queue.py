"""The order in which cases are looked at, what is left out of it, and pages that go on where they ended."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.moderation.case_queue import NOBODY, PLACE_NUMBERS, Wanted, page, place
from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.reputation.events import Kind
from tests.unit.reputation.conftest import FRIDAY, MEMBER, OPERATOR

if TYPE_CHECKING:
    from tests.unit.moderation.conftest import Office

A, B, C = "did:plc:a", "did:plc:b", "did:plc:c"


def numbers(office: "Office", wanted: Wanted | None = None) -> list[int]:
    found = page(office.book, wanted or Wanted(), None, 100)
    assert found.behind is None
    assert found.total == len(found.cases)
    return [case.number for case in found.cases]


@pytest.fixture
def busy(office: "Office") -> "Office":
    """Four cases: a suspension, a report about phishing, a routine report, a closed appeal."""
    office.mail(bad=10, did=A)
    office.now += timedelta(hours=1)
    office.batch(office.event(Kind.ABUSE_REPORTED, B, category="phishing"))
    office.report(C)
    office.report(C, appeal=True)
    office.resolve(office.case(CaseKind.APPEAL, C), "uphold")
    return office


def test_the_most_urgent_first_then_the_oldest(busy: "Office") -> None:
    assert numbers(busy) == [2, 1, 3]


def test_of_the_same_urgency_the_escalated_first(busy: "Office") -> None:
    busy.book.cases[3].press("urgent")
    busy.book.cases[1].press("urgent")
    busy.book.cases[3].escalated = True
    assert numbers(busy) == [2, 3, 1]


def test_closed_ones_come_last_the_newest_first(busy: "Office") -> None:
    busy.now += timedelta(hours=1)
    busy.resolve(busy.book.cases[3], "dismiss")
    assert numbers(busy, Wanted(open=None)) == [2, 1, 3, 4]
    assert numbers(busy, Wanted(open=False)) == [3, 4]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(kind=CaseKind.SUSPENSION), [1]),
        (Wanted(about=C), [3]),
        (Wanted(about=C, open=None), [3, 4]),
        (Wanted(about=C, open=False), [4]),
        (Wanted(about=MEMBER), []),
        (Wanted(assignee=NOBODY), [2, 3]),
        (Wanted(assignee=OPERATOR), [1]),
        (Wanted(escalated=True), []),
        (Wanted(escalated=False), [2, 1, 3]),
        (Wanted(urgency="immediate"), [2]),
        (Wanted(part="PLC:B"), [2]),
        (Wanted(part="plc:"), [2, 1, 3]),
        (Wanted(urgency="routine", assignee=NOBODY, kind=CaseKind.ABUSE_REPORT), [3]),
    ],
)
def test_filters(busy: "Office", wanted: Wanted, expected: list[int]) -> None:
    busy.act(busy.book.cases[1], "claim")
    assert numbers(busy, wanted) == expected


MOMENTS = st.integers(0, 3).map(lambda hours: FRIDAY + timedelta(hours=hours))
CASES = st.lists(
    st.tuples(MOMENTS, st.none() | MOMENTS, st.sampled_from(["routine", "urgent", "immediate"]), st.booleans()),
    max_size=12,
)


@given(CASES, st.integers(1, 5))
def test_pages_end_to_end_are_the_whole_list_once(drawn: list[tuple[object, ...]], limit: int) -> None:
    book = CaseBook(())
    for number, (opened, closed, urgency, escalated) in enumerate(drawn, 1):
        case = Case(number, CaseKind.APPEAL, A, opened, opened, "", urgency, escalated=escalated)  # type: ignore[arg-type]
        case.closed = closed  # type: ignore[assignment]
        book.cases[number] = case
    whole = sorted(book.cases.values(), key=place)
    found, after = list[Case](), None
    while True:
        some, after, total = page(book, Wanted(open=None), after, limit)
        assert total == len(whole)
        found += some
        if after is None:
            break
        assert len(after) == PLACE_NUMBERS
        assert len(some) == limit
    assert found == whole
