"""What an operator's events about a member do to the member's cases."""

from datetime import timedelta
from typing import Any

import pytest

from labeler.moderation.cases import CaseBook, CaseKind
from tests.unit.moderation.words import ALICE, BOB, MODERATOR, action, at, decision, label, notice, report, tick


def book() -> CaseBook:
    """A member suspended, reported and appealing; another one reported."""
    cases = CaseBook([timedelta(hours=24)])
    cases.take(1, tick(), [label("mail-suspended")], [])
    cases.take(2, report(), [], [notice("abuse-report")])
    cases.take(3, report(appeal=True, reporter=ALICE), [], [])
    cases.take(4, tick(), [], [notice("abuse-report", about=BOB)])
    return cases


def test_an_acknowledgement_closes_the_abuse_report_and_nothing_else() -> None:
    cases = book()
    reported = cases.find_open(CaseKind.ABUSE_REPORT, ALICE)
    cases.take(5, decision("acknowledge", 1, comment="spoke to them"), [], [])
    assert reported is not None
    assert (reported.closed, reported.closed_by, reported.resolution) == (at(1), MODERATOR, "acknowledged")
    assert (reported.entries[-1].what, reported.entries[-1].text) == ("acknowledge", "spoke to them")
    assert {case.kind for case in cases.about(ALICE) if case.closed is None} == {CaseKind.SUSPENSION, CaseKind.APPEAL}
    assert cases.find_open(CaseKind.ABUSE_REPORT, BOB) is not None


def test_an_acknowledgement_where_nothing_waits_changes_nothing() -> None:
    cases = CaseBook([])
    cases.take(1, decision("acknowledge"), [], [])
    assert cases.cases == {}


def test_an_escalation_escalates_every_open_case_of_the_member() -> None:
    cases = book()
    cases.take(5, decision("acknowledge"), [], [])
    cases.take(6, decision("escalate", 1), [], [])
    assert {case.kind: case.escalated for case in cases.about(ALICE)} == {
        CaseKind.SUSPENSION: True, CaseKind.APPEAL: True, CaseKind.ABUSE_REPORT: False,
    }  # fmt: skip
    assert not any(case.escalated for case in cases.about(BOB))


def test_the_end_of_an_appeal_closes_its_case() -> None:
    cases = book()
    appeal = cases.find_open(CaseKind.APPEAL, ALICE)
    cases.take(5, decision("resolve-appeal", 1), [], [])
    assert appeal is not None
    assert (appeal.closed, appeal.resolution) == (at(1), "resolved")


def test_a_comment_closes_nothing() -> None:
    cases = book()
    cases.take(5, decision("comment"), [], [])
    assert all(case.closed is None for case in cases.about(ALICE))


@pytest.mark.parametrize("fields", [{"kind": "suspension"}, {"kind": "abuse-report", "did": BOB}])
def test_an_action_that_names_another_kind_or_member_decides_nothing(fields: dict[str, Any]) -> None:
    """A number alone is not trusted; the intake has counted the action, though, and so must the case."""
    cases = book()
    case = cases.find_open(CaseKind.ABUSE_REPORT, ALICE)
    assert case is not None
    entries = list(case.entries)
    for act in ("claim", "resolve"):
        cases.take(5, action(act, hours=1, case=case.number, resolution="dismiss", **fields), [], [])
    assert (case.closed, case.assignee, case.entries, case.revision) == (None, None, entries, 2)
    cases.take(6, action("resolve", "abuse-report", 2, case.number, resolution="dismiss"), [], [])
    assert case.closed == at(2)
