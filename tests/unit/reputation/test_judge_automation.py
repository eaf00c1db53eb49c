"""Pause, resume and shadow: what the rules do meanwhile, what timers do, and what is looked at afterwards."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from labeler.reputation.events import Kind
from labeler.reputation.inputs import Answer, Automation, CaseAction, Decision, Input
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Mode
from labeler.reputation.standing import standing
from tests.unit.reputation.conftest import MEMBER, OPERATOR, POLICY, Story
from tests.unit.reputation.test_incidents import ANNE, CARL, send, settle_down

OTHER = "did:plc:other"
SUSPENDED, THROTTLED = "+mail-suspended", "+mail-throttled"


def automate(story: Story, mode: str) -> list[str]:
    """The rules shall decide, pretend or rest."""
    return story._tell(story.judge.step(Automation(story.now, OPERATOR, mode)))


class TestPause:
    def test_nothing_is_judged_and_everything_is_counted(self, story: Story) -> None:
        assert automate(story, "pause") == []
        assert story.mail(bad=10) == []
        assert story.judge.due() is None
        assert story.wait(days=1) == []
        assert automate(story, "enforce") == [], "with the next mail, not before"
        assert story.mail(good=1) == [SUSPENDED]

    def test_timers_that_came_due_fire_when_it_goes_on(self, story: Story) -> None:
        """A suspension that ran out unreviewed ends as dated, and falls to a throttle when the rules go on."""
        story.mail(bad=10)
        automate(story, "pause")
        story.wait(days=15)
        assert story.active() == set()
        assert story.tick() == []
        assert automate(story, "enforce") == [THROTTLED]
        assert story.last().rule == "unreviewed"
        due = story.judge.due()
        assert due is not None
        assert due > story.now

    @pytest.mark.parametrize(
        "word",
        [
            lambda story: story.decide(),
            lambda story: story.decide(apply=["clean-sender"], negate=["relay-member"]),
            lambda story: story.ask(),
            lambda story: story._tell(story.judge.step(Answer(story.now, MEMBER, "sorry"))),
        ],
    )
    def test_a_word_meanwhile_does_not_make_it_forget_what_ran_out(
        self, story: Story, word: Callable[[Story], object]
    ) -> None:
        story.mail(bad=10)
        automate(story, "pause")
        story.wait(days=15)
        word(story)
        assert automate(story, "enforce")[-1] == THROTTLED
        assert story.last().rule == "unreviewed"

    @pytest.mark.parametrize("fields", [{"negate": ["mail-suspended"]}, {"apply": ["mail-throttled"], "hours": 1}])
    def test_a_person_s_word_on_the_restriction_settles_it(self, story: Story, fields: dict[str, Any]) -> None:
        story.mail(bad=10)
        automate(story, "pause")
        story.wait(days=15)
        story.decide(**fields)
        assert automate(story, "enforce") == []

    def test_what_came_due_before_it_happens_before_it(self, story: Story) -> None:
        story.mail(bad=10)
        story.now += timedelta(days=15)
        assert automate(story, "pause") == [THROTTLED]

    def test_a_renewal_that_was_missed_is_no_gap_that_opens_twice(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        automate(story, "pause")
        story.wait(hours=20)
        assert story.active() == {"mail-throttled"}
        assert automate(story, "enforce") == ["~mail-throttled"]

    def test_people_decide_on(self, story: Story) -> None:
        story.mail(bad=10)
        automate(story, "pause")
        assert story.decide(negate=["mail-suspended"]) == ["-mail-suspended"]
        assert story.decide(apply=["mail-throttled"], hours=1) == [THROTTLED]
        assert story.override(exempt=["invalid-recipients"]) == []
        assert story.ask() == []

    def test_enrolment_goes_on_and_a_removed_domain_is_told_only(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.decide(apply=["mail-removed"])
        automate(story, "pause")
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]
        assert story.notices() == [f"removed-domain {OTHER}"]

    def test_an_incident_found_meanwhile_pardons_when_it_goes_on(self, story: Story) -> None:
        settle_down(story)
        assert story.batch(*send(story, ANNE, bad=10, at_domain="big.example")) == [THROTTLED]
        automate(story, "pause")
        assert story.batch(*send(story, CARL, bad=2), *send(story, "did:plc:bert", bad=2)) == []
        assert automate(story, "pause") == []
        assert automate(story, "enforce") == ["-mail-throttled"]
        assert story.last().rule == "incident"
        assert automate(story, "enforce") == []

    def test_before_the_first_policy_there_is_nothing_to_rest(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        assert automate(story, "pause") == []
        assert (story.judge.enacted, story.judge.policy) == (None, None)
        story.activate(POLICY)
        assert story.mail(bad=10) == []
        assert automate(story, "enforce") == []

    def test_a_policy_taken_up_meanwhile_rests_too(self, story: Story) -> None:
        automate(story, "pause")
        story.activate(POLICY)
        assert story.mail(bad=10) == []


class TestShadow:
    def test_it_pretends_and_publishes_nothing(self, story: Story) -> None:
        automate(story, "shadow")
        assert story.mail(bad=10) == [f"({SUSPENDED})"]
        assert story.active() == set()
        assert story.judge.enacted is not None
        assert story.judge.policy is not None
        assert (story.judge.policy.mode, story.judge.enacted.mode) == (Mode.SHADOW, Mode.ENFORCE)
        assert story.judge.policy.hash == story.judge.enacted.hash

    def test_what_was_decided_before_ends_as_dated(self, story: Story) -> None:
        story.mail(bad=10)
        automate(story, "shadow")
        story.wait(days=15)
        assert story.active() == set()
        assert not [emission for emission in story.emissions[1:] if not emission.shadow]

    def test_a_policy_taken_up_meanwhile_pretends_too(self, story: Story) -> None:
        automate(story, "shadow")
        story.activate(POLICY)
        assert story.mail(bad=10) == [f"({SUSPENDED})"]

    def test_back_in_force_it_judges_what_is_and_forgets_what_it_pretended(self, story: Story) -> None:
        automate(story, "shadow")
        story.mail(bad=10)
        automate(story, "enforce")
        assert story.judge.subjects[MEMBER].shadow is None
        assert story.mail(good=1) == [SUSPENDED]

    def test_a_removed_domain_is_told_only(self, story: Story) -> None:
        story.batch(story.event(Kind.ENROLLED, domain="shop.example"))
        story.decide(apply=["mail-removed"])
        automate(story, "shadow")
        assert story.batch(story.event(Kind.ENROLLED, OTHER, domain="shop.example")) == ["+relay-member"]


@pytest.mark.parametrize("mode", ["pause", "shadow", "enforce"])
def test_replayed_it_is_the_same(story: Story, mode: str) -> None:
    log: list[Input] = [
        Automation(story.now, OPERATOR, mode),
        Decision(story.now, OPERATOR, MEMBER, apply=("mail-suspended",), duration_h=2),
        CaseAction(story.now, OPERATOR, 1, "resolve", "suspension", MEMBER, "lift", negate=("mail-suspended",)),
        Automation(story.now + timedelta(days=3), OPERATOR, "enforce"),
    ]
    judges = [Judge("did:web:a.example"), Judge("did:web:a.example")]
    said = [[emission.label.unsigned_bytes() for record in log for emission in judge.step(record)] for judge in judges]
    assert said[0] == said[1]
    assert standing(judges[0], MEMBER, story.now) == standing(judges[1], MEMBER, story.now)
