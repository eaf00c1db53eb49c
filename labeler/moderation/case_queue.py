"""Cases in the order people should look at them, page by page.

Open ones first: the most urgent, then the escalated, then the oldest. After them the closed, the newest first. A place
in that order is five whole numbers; a page goes on after the place of the last case shown, whatever happened meanwhile.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from labeler.moderation.cases import URGENCIES, Case, CaseBook, CaseKind

NOBODY: Final = ""  # as an assignee: cases that nobody has claimed
PLACE_NUMBERS: Final = 5
Place = tuple[int, ...]


class Wanted(NamedTuple):
    """Which cases are looked for. None: any; `assignee` is an operator's DID, or `NOBODY`.

    `about` is a member or provider, `part` what its name holds, in any case.
    """

    open: bool | None = True
    kind: CaseKind | None = None
    about: str | None = None
    assignee: str | None = None
    escalated: bool | None = None
    urgency: str | None = None
    part: str = ""


class Page(NamedTuple):
    """Some cases in order, the place to go on from (None: these are the last), and how many fit, shown or not."""

    cases: list[Case]
    behind: Place | None
    total: int


def page(book: CaseBook, wanted: Wanted, after: Place | None, limit: int) -> Page:
    """The next `limit` cases behind `after`."""
    places = [(place(case), case) for case in _candidates(book, wanted) if _fits(case, wanted)]
    behind = (found for found in places if after is None or found[0] > after)
    found = heapq.nsmallest(limit + 1, behind, key=lambda found: found[0])
    return Page([case for _, case in found[:limit]], found[limit - 1][0] if len(found) > limit else None, len(places))


def place(case: Case) -> Place:
    """Where a case stands in the order."""
    if case.closed is not None:
        return (1, -int(case.closed.timestamp() * 1000), -case.number, 0, 0)
    urgency = URGENCIES.index(case.urgency)
    return (0, -urgency, int(not case.escalated), int(case.opened.timestamp() * 1000), case.number)


def _candidates(book: CaseBook, wanted: Wanted) -> Iterable[Case]:
    if wanted.about is not None:
        return book.about(wanted.about) if wanted.open is not True else book.open_about(wanted.about)
    return book.open() if wanted.open is True else book.cases.values()


def _fits(case: Case, wanted: Wanted) -> bool:
    return all(_answers(case, wanted))


def _answers(case: Case, wanted: Wanted) -> Iterator[bool]:
    if wanted.open is not None:
        yield (case.closed is None) is wanted.open
    if wanted.kind is not None:
        yield case.kind is wanted.kind
    if wanted.assignee is not None:
        yield (case.assignee or NOBODY) == wanted.assignee
    if wanted.escalated is not None:
        yield case.escalated is wanted.escalated
    if wanted.urgency is not None:
        yield case.urgency == wanted.urgency
    if wanted.part:
        yield wanted.part.lower() in case.about.lower()
