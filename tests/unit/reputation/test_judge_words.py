"""What accounts say, in the fold: reports, appeals and answers label nobody; silence is told to people once."""

from collections.abc import Callable

import pytest

from labeler.reputation.events import Kind
from labeler.reputation.inputs import Answer, Automation, Decision, Report
from tests.unit.reputation.conftest import OPERATOR, POLICY, Story

MEMBER, OTHER = "did:plc:member", "did:plc:other"
AUTO = POLICY.replace("auto_ask = false", "auto_ask = true")
UNANSWERED = f"unanswered {MEMBER}"


def report(story: Story, category: str = "spam", *, appeal: bool = False) -> list[str]:
    reporter = MEMBER if appeal else OTHER
    record = Report(story.now, reporter, MEMBER, "x.y.defs#reasonSpam", category, appeal, "private words")
    return story._tell(story.judge.step(record))


def answer(story: Story) -> list[str]:
    return story._tell(story.judge.step(Answer(story.now, MEMBER, "private words")))


def heard(story: Story, hours: int) -> list[str]:
    """Somebody else's mail goes on, an hour after another."""
    changes: list[str] = []
    for _ in range(hours):
        changes += story.wait(hours=1)
        story.batch(story.event(Kind.ACCEPTED, OTHER))
    return changes


class TestReports:
    def test_people_are_told_how_soon_to_look_and_nothing_that_was_said(self, story: Story) -> None:
        assert report(story, "scam") == []
        (notice,) = story.judge.notices
        assert (notice.kind, notice.about) == ("abuse-report", MEMBER)
        assert notice.text.startswith("urgent: abuse report ")
        assert "private" not in notice.text
        assert OTHER not in notice.text

    def test_no_number_of_them_labels_anybody(self, story: Story) -> None:
        for _ in range(50):
            report(story)
            story.wait(minutes=1)
        assert heard(story, 24 * 10) == []

    def test_an_appeal_is_told_without_its_words_and_asks_nothing(self, story: Story) -> None:
        story.decide(apply=["mail-suspended"])
        assert report(story, "appeal", appeal=True) == []
        (notice,) = story.judge.notices
        assert (notice.kind, notice.about) == ("appeal", MEMBER)
        assert "private" not in notice.text
        reports = story.judge.subjects[MEMBER].windows.reports
        assert reports is None or reports.open(0) == []

    def test_where_the_policy_asks_by_itself_a_report_starts_the_clock(self, begin: Callable[..., Story]) -> None:
        story = begin(AUTO)
        report(story)
        assert heard(story, 49) == ["+mail-throttled"]
        assert story.notices() == [f"abuse-report {MEMBER}", UNANSWERED]


class TestSilence:
    def test_it_is_told_once_at_the_deadline(self, story: Story) -> None:
        story.ask()
        assert heard(story, 47) == []
        assert story.notices() == []
        assert heard(story, 2) == ["+mail-suspended"]
        assert story.notices() == [UNANSWERED]
        heard(story, 24)
        assert story.notices() == []

    def test_an_answer_in_time_leaves_nothing_to_tell(self, story: Story) -> None:
        story.ask()
        heard(story, 40)
        assert answer(story) == []
        assert heard(story, 40) == []
        assert story.notices() == []

    def test_an_answer_that_comes_too_late_ends_no_suspension(self, story: Story) -> None:
        story.ask()
        heard(story, 49)
        assert answer(story) == []
        assert heard(story, 24) == []
        assert story.active() == {"mail-suspended"}

    def test_it_is_told_in_silence_too_when_nobody_may_be_suspended(self, story: Story) -> None:
        story.ask()
        assert story.wait(hours=49) == ["+mail-throttled"]
        assert story.notices() == [UNANSWERED]

    def test_what_a_human_forgave_is_not_told(self, story: Story) -> None:
        story.ask()
        story.decide(apply=["mail-throttled"])
        story.wait(hours=2)
        story.decide(negate=["mail-throttled"])
        heard(story, 60)
        assert story.notices() == []

    def test_a_second_question_that_is_not_answered_is_told_too(self, story: Story) -> None:
        story.ask()
        heard(story, 49)
        answer(story)
        story.notices()
        story.ask()
        heard(story, 49)
        assert story.notices() == [UNANSWERED]

    @pytest.mark.parametrize("mode", ["pause", "shadow"])
    def test_rules_that_rest_tell_of_it_when_they_are_next_asked(self, story: Story, mode: str) -> None:
        story._tell(story.judge.step(Automation(story.now, OPERATOR, mode)))
        story.ask()
        heard(story, 49)
        story.batch(story.event(Kind.ACCEPTED))
        assert story.notices() == [UNANSWERED]
        assert story.active() == set()


def test_what_was_acknowledged_waits_for_no_answer(story: Story) -> None:
    """Its case is closed, so nobody would see that silence about it suspends."""
    report(story)
    story.ask()
    story.wait(hours=1)
    assert story._tell(story.judge.step(Decision(story.now, OPERATOR, MEMBER, "acknowledge"))) == []
    assert story.judge.asked(MEMBER, story.now) == []
    assert story.judge.due() is None
    assert heard(story, 72) == []
    story.batch(*story.message())
    assert story.active() == set()
