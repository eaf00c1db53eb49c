"""What actions on cases, reports and answers do to the judgement of a member: what they carry, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from labeler.reputation.inputs import Answer, CaseAction, Report
from tests.unit.reputation.conftest import MEMBER, OPERATOR, POLICY, Story

SUSPENDED = "+mail-suspended"


def act(story: Story, act: str = "resolve", kind: str = "suspension", did: str = MEMBER, **fields: Any) -> list[str]:
    return story._tell(story.judge.step(CaseAction(story.now, OPERATOR, 1, act, kind, did, **fields)))


def report(story: Story, *, appeal: bool = False, category: str = "phishing") -> list[str]:
    word = Report(story.now, "did:plc:reporter", MEMBER, "reasonOther", category, appeal)
    return story._tell(story.judge.step(word))


def answer(story: Story) -> list[str]:
    return story._tell(story.judge.step(Answer(story.now, MEMBER, "sorry")))


class TestActions:
    @pytest.mark.parametrize("name", ["claim", "release", "comment", "reopen", "resolve"])
    def test_most_change_nothing(self, story: Story, name: str) -> None:
        story.mail(bad=10)
        assert act(story, name) == []
        assert story.active() == {"mail-suspended"}

    def test_a_lift_is_a_negation_a_block_and_a_clean_slate(self, story: Story) -> None:
        story.mail(bad=10)
        assert act(story, resolution="lift", negate=("mail-suspended",), duration_h=48) == ["-mail-suspended"]
        member = story.judge.subjects[MEMBER].member
        assert member.clean_slate == story.now
        assert "mail-suspended" in member.blocked

    def test_an_override_grants_first_and_lifts_then(self, story: Story) -> None:
        story.mail(bad=10)
        fields: dict[str, Any] = {"exempt": ("invalid-recipients",), "duration_h": 72}
        assert act(story, resolution="override", negate=("mail-suspended",), **fields) == ["-mail-suspended"]
        assert story.judge.subjects[MEMBER].member.grant is not None
        assert act(story, hourly_cap=7) == []
        assert act(story, daily_cap=70) == []
        assert story.judge.caps(story.judge.subjects[MEMBER].member, story.now).daily == 70

    def test_a_decided_report_waits_for_no_answer(self, story: Story) -> None:
        story.batch(*story.message())
        story.ask()
        assert act(story, kind="abuse-report", resolution="dismiss") == []
        assert story.judge.due() is None
        assert act(story, kind="abuse-report", did="did:plc:nobody") == []
        assert act(story, "comment", kind="abuse-report") == []

    def test_what_came_due_before_it_happens_before_it(self, story: Story) -> None:
        story.batch(*story.message())
        story.ask()
        story.wait(hours=47)
        story.batch(*story.message())
        story.now += timedelta(hours=2)
        assert act(story, kind="abuse-report", resolution="dismiss") == [SUSPENDED]


class TestReports:
    def test_one_is_told_with_its_urgency_and_judges_nobody(self, story: Story) -> None:
        assert report(story) == []
        (notice,) = story.judge.notices
        assert notice.text.startswith("immediate: abuse report ")
        assert story.judge.due() is None

    def test_asked_by_itself_its_clock_runs_and_an_answer_stops_it(self) -> None:
        story = Story(POLICY.replace("auto_ask = false", "auto_ask = true"))
        report(story)
        assert story.judge.due() is not None
        assert answer(story) == []
        assert story.judge.due() is None

    def test_an_appeal_is_no_report(self, story: Story) -> None:
        assert report(story, appeal=True) == []
        assert story.notices() == [f"appeal {MEMBER}"]

    def test_before_a_policy_it_is_kept(self) -> None:
        story = Story(None)
        assert report(story) == []
        assert story.judge.notices[0].text.startswith("routine: ")
