"""The fold forgets what no rule can see any more, also of those nobody hears of."""

from collections.abc import Callable

import pytest

from labeler.reputation import sweeping
from labeler.reputation.events import Kind
from tests.unit.reputation.conftest import Story

MEMBER = "did:plc:member"


class TestMemory:
    def test_members_nobody_hears_of_any_more_leave_no_recipients_behind(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweeping, "SWEPT_A_BATCH", 2)
        for n in range(4):
            story.mail(good=3, did=f"did:plc:gone{n}")
        for _ in range(100):
            story.wait(days=1)
            story.batch(story.event(Kind.ACCEPTED, did="did:plc:stays"))
        for n in range(4):
            windows = story.judge.subjects[f"did:plc:gone{n}"].windows
            assert not windows.acceptances
            assert not windows.first_delivered
            assert not windows.addressed.last

    def test_nothing_is_swept_before_there_is_a_policy(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        story.mail(good=1)
        assert story.judge.subjects[MEMBER].windows.swept_hour == 0

    def test_the_pool_forgets_who_was_active_days_ago(self, story: Story) -> None:
        story.mail(good=1)
        story.wait(days=3)
        story.mail(good=1, did="did:plc:other")
        assert list(story.judge._verdicts.breaker._members.last) == ["did:plc:other"]
