"""Abuse reports: whose clock runs, what stops it, and what a flood of forged ones can do."""

from collections.abc import Callable
from typing import Any

import pytest

from labeler.reputation import reports as module
from labeler.reputation.events import Kind
from labeler.reputation.reports import AbuseReports

HOUR_S, DAY_S = 3_600, 86_400
WITHIN_S = 48 * HOUR_S


def overdue(reports: AbuseReports, now_s: int, since_s: int = 0) -> tuple[int, int]:
    """How many questions are overdue: an operator's, and those asked by themselves."""
    return (
        reports.overdue(since_s, now_s, WITHIN_S, by_operator=True),
        reports.overdue(since_s, now_s, WITHIN_S, by_operator=False),
    )


class TestTheClock:
    def test_a_report_alone_starts_none(self) -> None:
        reports = AbuseReports()
        reports.report("r", 0, "spam", None)
        assert overdue(reports, 10**9) == (0, 0)
        assert reports.deadlines(WITHIN_S) == []
        assert len(reports.open(0)) == 1

    @pytest.mark.parametrize(("now_s", "late"), [(WITHIN_S, 0), (WITHIN_S + 9, 0), (WITHIN_S + 10, 1)])
    def test_an_operator_s_question_starts_it(self, now_s: int, late: int) -> None:
        reports = AbuseReports()
        reports.report("r", 0, "spam", None)
        reports.ask("q", 10, 10, 0)
        assert overdue(reports, now_s) == (late, 0)
        assert reports.deadlines(WITHIN_S) == [WITHIN_S + 10]

    def test_a_question_needs_no_report(self) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 10, 0)
        assert [report.id for report in reports.open(0)] == ["q"]
        assert overdue(reports, WITHIN_S + 10) == (1, 0)

    def test_a_question_is_about_every_open_report(self) -> None:
        reports = AbuseReports()
        for n in range(3):
            reports.report(f"r{n}", n, None, None)
        reports.ask("q", 10, 10, 0)
        assert [report.id for report in reports.open(0)] == ["r0", "r1", "r2"]
        assert overdue(reports, WITHIN_S + 10) == (3, 0)

    @pytest.mark.parametrize("reported", [True, False])
    def test_asking_again_starts_no_second_clock_while_the_first_runs(self, reported: bool) -> None:
        reports = AbuseReports()
        if reported:
            reports.report("r", 0, None, None)
        reports.ask("q1", 10, 10, 0)
        reports.ask("q2", 20, 20, 0)
        assert reports.deadlines(WITHIN_S) == [WITHIN_S + 10]
        assert overdue(reports, WITHIN_S + 10) == (1, 0)
        assert [report.asked_by for report in reports.asked(0)] == ["q1"]

    def test_asking_again_is_about_what_was_reported_since(self) -> None:
        reports = AbuseReports()
        reports.ask("q1", 10, 10, 0)
        reports.report("r", 15, None, None)
        reports.ask("q2", 20, 20, 0)
        assert sorted(reports.deadlines(WITHIN_S)) == [WITHIN_S + 10, WITHIN_S + 20]
        assert [report.asked_by for report in reports.asked(0)] == ["q1", "q2"]

    def test_what_was_answered_or_counts_no_more_may_be_asked_anew(self) -> None:
        reports = AbuseReports()
        reports.ask("q1", 10, 10, 0)
        reports.ask("q2", 20, 20, 11)
        assert [report.id for report in reports.open(0)] == ["q1", "q2"]
        reports.answer(25)
        reports.ask("q3", 30, 30, 0)
        assert [report.id for report in reports.open(0)] == ["q3"]

    def test_the_clock_may_start_later_than_the_question(self) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 3_600, 0)
        assert (overdue(reports, WITHIN_S + 10), overdue(reports, WITHIN_S + 3_600)) == ((0, 0), (1, 0))
        reports.answer(11)
        assert overdue(reports, 10**9) == (0, 0), "an answer needs not wait for it"

    def test_where_the_policy_says_so_a_report_asks_by_itself(self) -> None:
        reports = AbuseReports()
        reports.report("r", 0, None, 5)
        assert (overdue(reports, WITHIN_S + 4), overdue(reports, WITHIN_S + 5)) == ((0, 0), (0, 1))

    def test_an_operator_takes_over_what_asked_by_itself(self) -> None:
        """From then on a human stands behind the question, and the member has the whole term for it."""
        reports = AbuseReports()
        reports.report("r", 0, None, 0)
        reports.ask("q", 40 * HOUR_S, 40 * HOUR_S, 0)
        assert overdue(reports, WITHIN_S) == (0, 0)
        assert overdue(reports, 40 * HOUR_S + WITHIN_S) == (1, 0)


class TestTheWindow:
    def test_old_reports_leave_it(self) -> None:
        reports = AbuseReports()
        reports.report("r", 10, None, 10)
        assert overdue(reports, 10**9, since_s=10) == (0, 1)
        assert overdue(reports, 10**9, since_s=11) == (0, 0)

    def test_an_old_report_asked_about_now_is_open_from_now_on(self) -> None:
        """Else the report would leave the window before the answer is due."""
        reports = AbuseReports()
        reports.report("r", 0, None, None)
        asked = 29 * DAY_S
        reports.ask("q", asked, asked, 0)
        now = asked + WITHIN_S
        assert overdue(reports, now, since_s=now - 30 * DAY_S) == (1, 0)
        assert overdue(reports, asked + 31 * DAY_S, since_s=asked + DAY_S) == (0, 0)


class TestTheAnswer:
    def test_it_answers_everything_known_by_then(self) -> None:
        reports = AbuseReports()
        reports.report("r", 0, None, 0)
        reports.ask("q", 10, 10, 0)
        reports.report("later", 30, None, 30)
        reports.answer(20)
        assert [report.id for report in reports.open(0)] == ["later"]
        assert reports.deadlines(WITHIN_S) == [WITHIN_S + 30]

    def test_the_first_answer_stays(self) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 10, 0)
        for at_s in (9, 20, 30):
            reports.answer(at_s)
        assert [report.answered_s for report in reports.reports] == [20]

    def test_an_answered_report_is_not_asked_about_again(self) -> None:
        reports = AbuseReports()
        reports.report("r", 0, None, None)
        reports.answer(5)
        reports.ask("q", 10, 10, 0)
        assert [report.id for report in reports.open(0)] == ["q"]


class TestFloods:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "REPORTS_MAX", 5)

    @staticmethod
    def flood(reports: AbuseReports, number: int = 100, *, auto_ask: bool = False) -> None:
        for n in range(number):
            reports.report(f"forged {n}", 100 + n, "spam", 100 + n if auto_ask else None)
            assert len(reports.reports) <= 5

    @pytest.mark.parametrize("auto_ask", [False, True])
    def test_forged_reports_push_no_operator_s_question_out(self, auto_ask: bool) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 10, 0)
        self.flood(reports, auto_ask=auto_ask)
        assert "q" in [report.id for report in reports.open(0)]
        assert overdue(reports, WITHIN_S + 10)[0] == 1

    def test_not_even_where_nothing_but_questions_is_kept(self) -> None:
        reports = AbuseReports()
        for n in range(5):
            reports.ask(f"q{n}", n, n, n)
        self.flood(reports)
        assert [report.id for report in reports.reports] == [f"q{n}" for n in range(5)]

    def test_a_report_asked_about_counts_as_a_question(self) -> None:
        reports = AbuseReports()
        reports.report("real", 0, None, None)
        reports.ask("q", 10, 10, 0)
        self.flood(reports)
        assert overdue(reports, WITHIN_S + 10)[0] == 1

    def test_answered_ones_go_first(self) -> None:
        reports = AbuseReports()
        reports.report("open", 0, None, None)
        reports.report("answered", 0, None, None)
        reports.reports[1].answered_s = 1
        for n in range(4):
            reports.report(f"new {n}", 10, None, None)
        assert [report.id for report in reports.reports] == ["open", "new 0", "new 1", "new 2", "new 3"]

    def test_questions_without_end_give_up_the_oldest(self) -> None:
        reports = AbuseReports()
        for n in range(8):
            reports.ask(f"q{n}", n, n, n)
        assert [report.id for report in reports.reports] == ["q3", "q4", "q5", "q6", "q7"]


@pytest.fixture
def asking(begin: Callable[..., Any], shipped: str) -> Any:
    """A story under a policy that asks by itself."""
    assert shipped.count("auto_ask = false") == 1
    return begin(shipped.replace("auto_ask = false", "auto_ask = true"))


def test_a_report_told_late_asks_when_it_is_told(asking: Any) -> None:
    """It may come a week after the fact; the member still has its 48 hours."""
    asking.batch(asking.event(Kind.ABUSE_REPORTED, at=asking.now.replace(day=1)))
    assert asking.wait(hours=47.9) == []
    asking.batch(*asking.message())
    assert asking.wait(hours=0.2) == ["+mail-throttled"]


def test_a_question_right_after_a_lift_runs_out_too(story: Any) -> None:
    """The rest of the lifted hour is given to the member, not to the question asked in it."""
    story.decide(apply=["mail-throttled"])
    story.wait(minutes=10)
    story.decide(negate=["mail-throttled"], hours=1)
    story.ask()
    story.wait(hours=40)
    story.batch(*story.message())
    story.wait(hours=7)
    assert "mail-suspended" not in story.active()
    story.batch(*story.message())
    story.wait(hours=2)
    assert "mail-suspended" in story.active()


class TestSilence:
    def test_each_question_that_runs_out_is_told_once(self) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 10, 0)
        reports.report("r", 11, None, None)
        assert reports.fell_silent(0, WITHIN_S + 9, WITHIN_S) == 0
        assert reports.fell_silent(0, WITHIN_S + 10, WITHIN_S) == 1
        assert reports.fell_silent(0, WITHIN_S + 11, WITHIN_S) == 0

    def test_an_answer_or_a_clean_slate_is_no_silence(self) -> None:
        reports = AbuseReports()
        reports.ask("q", 10, 10, 0)
        assert reports.fell_silent(11, 10**9, WITHIN_S) == 0
        reports.answer(20)
        assert reports.fell_silent(0, 10**9, WITHIN_S) == 0

    def test_asked_by_a_human_after_it_ran_out_by_itself_it_is_told_again(self) -> None:
        reports = AbuseReports()
        reports.report("r", 0, None, 0)
        assert reports.fell_silent(0, WITHIN_S, WITHIN_S) == 1
        reports.ask("q", WITHIN_S + 5, WITHIN_S + 5, 0)
        assert reports.fell_silent(0, WITHIN_S + 6, WITHIN_S) == 0
        assert reports.fell_silent(0, 2 * WITHIN_S + 5, WITHIN_S) == 1
