"""What operators decide, ask and grant, and what they are told to look at."""

from datetime import timedelta

import pytest

from labeler.reputation.events import Kind
from tests.unit.reputation.conftest import Story

MEMBER, OTHER = "did:plc:member", "did:plc:other"
DAY = timedelta(days=1)
BAD = "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"


class TestOperators:
    @pytest.mark.row(65, 66)
    def test_a_lift_negates_blocks_and_gives_a_clean_slate(self, story: Story) -> None:
        story.mail(good=5, bad=10)
        assert story.decide(negate=["mail-suspended", "mail-throttled"]) == ["-mail-suspended"]
        assert story.mail(bad=10) == [], "mail of the lifted hour is forgiven"
        story.wait(hours=1)
        assert story.mail(bad=10) == [], "the rules may not say it again for seven days"
        story.wait(days=7)
        assert story.mail(bad=10) == [SUSPENDED]

    def test_bounces_of_mail_before_the_lift_do_not_count_though_they_come_after(self, story: Story) -> None:
        old = [event for _ in range(10) for event in story.message(BAD)]
        story.batch(*old[::2])
        story.decide(negate=["mail-suspended", "mail-throttled"], hours=1)
        story.wait(hours=2)
        assert story.batch(*old[1::2]) == []
        assert story.judge.subjects[MEMBER].windows.invalid.count(0) == 10

    def test_a_decision_does_not_need_to_have_met_its_subject(self, story: Story) -> None:
        assert story.decide(apply=["mail-throttled"], did="did:web:stranger.example") == [THROTTLED]

    def test_what_an_operator_set_is_not_touched_by_rules_until_it_ends(self, story: Story) -> None:
        story.decide(apply=["mail-throttled"], hours=48)
        assert story.mail(bad=10) == []
        assert story.wait(hours=47) == []
        assert story.wait(hours=1) == [THROTTLED], "in silence nobody is suspended, but the findings stand"

    def test_a_suspension_an_operator_dated_ends_there(self, story: Story) -> None:
        story.decide(apply=["mail-suspended"], hours=24)
        assert story.wait(days=30) == []
        assert story.active() == set()

    def test_a_suspension_an_operator_confirmed_was_reviewed(self, story: Story) -> None:
        story.mail(bad=5)
        assert story.decide(apply=["mail-suspended"]) == []
        assert story.wait(days=20) == []
        assert story.active() == set()

    def test_removal_negates_everything_good_and_the_rules_stop(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED))
        story.mail(good=80)
        assert story.active() == {"relay-member", "clean-sender"}
        assert story.decide(apply=["mail-removed"]) == ["+mail-removed", "-clean-sender", "-relay-member"]
        assert story.mail(bad=50) == []
        assert story.batch(story.event(Kind.ENROLLED)) == []
        assert story.wait(days=60) == []
        assert story.active() == {"mail-removed"}

    def test_a_lighter_label_does_not_take_a_removal_back(self, story: Story) -> None:
        story.decide(apply=["mail-removed"])
        assert story.decide(apply=["mail-throttled"]) == ["+mail-throttled"]
        assert story.decide(negate=["mail-removed"]) == ["-mail-removed"]

    def test_what_came_due_before_a_decision_happens_before_it(self, story: Story) -> None:
        """The suspension ran out while nobody wrote a tick; a decision about another matter must not swallow it."""
        story.mail(bad=5)
        story.now += 15 * DAY
        assert story.decide(negate=["clean-sender"]) == [THROTTLED]

    def test_a_decision_without_labels_emits_nothing(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        assert story.decide() == []
