"""What time does to labels: they end, are renewed and lifted, and silence is no news."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from labeler.reputation.findings import fresh
from labeler.reputation.policy import Policy
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows
from tests.unit.reputation.conftest import Story

MEMBER = "did:plc:member"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"


class TestTime:
    @pytest.mark.row(75)
    def test_a_throttle_clears_by_itself_without_a_word(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        assert story.active() == {"mail-throttled"}
        renewals = story.wait(days=9)
        assert set(renewals) == {"~mail-throttled"}
        assert story.active() == set()
        assert story.judge.subjects[MEMBER].member.active == {}
        assert story.judge.due() is None

    @pytest.mark.row(76)
    def test_renewals_come_at_half_life_and_do_not_drift(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        story.wait(days=3)
        spans = [emission.received - story.emissions[0].received for emission in story.emissions]
        assert spans == [number * 12 * HOUR for number in range(7)]
        assert {emission.label.exp for emission in story.emissions[-1:]} == {"2026-03-10T12:00:00.000Z"}

    def test_a_throttle_is_lifted_after_its_hold_once_enough_good_mail_went_out(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        story.wait(hours=23)
        assert story.mail(good=95) == []
        assert story.wait(minutes=59) == []
        assert story.wait(minutes=1) == ["-mail-throttled"]

    def test_mail_of_the_hour_the_throttle_began_in_proves_nothing(self, story: Story) -> None:
        """Buckets are hours: what may have been sent before the throttle is not taken as after it."""
        story.mail(good=5, bad=3)
        story.wait(minutes=1)
        assert story.mail(good=200) == []
        assert "-mail-throttled" not in story.wait(hours=36)

    def test_what_no_rule_looks_back_to_is_no_fresh_evidence_either(self, policy: Policy) -> None:
        windows, hour = SubjectWindows(), 500_000
        for number, age in enumerate([1, 24, 720, 721, 722, 900]):
            windows.reached.record(f"r{number}", hour - age)
        moment = datetime.fromtimestamp((hour - 800) * HOUR_S, tz=UTC)
        assert fresh(policy, windows, moment, hour * HOUR_S) == 3

    def test_repeats_last_24_then_72_hours_then_7_days(self, story: Story) -> None:
        for hours in (24, 72, 168, 168):
            story.mail(good=5, bad=3)
            label = story.last().label
            assert label.exp is not None
            assert datetime.fromisoformat(label.exp) - datetime.fromisoformat(label.cts) == hours * HOUR
            story.wait(days=16)
            assert story.active() == set()
        story.wait(days=91)
        story.mail(good=5, bad=3)
        assert story.last().label.exp == (story.now + DAY).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def test_a_suspension_nobody_reviewed_lapses_to_a_throttle(self, story: Story) -> None:
        story.mail(bad=5)
        assert story.wait(days=13, hours=23) == []
        assert story.active() == {"mail-suspended"}
        assert story.wait(hours=1) == [THROTTLED]
        assert (story.active(), story.last().rule) == ({"mail-throttled"}, "unreviewed")
        assert story.wait(days=2) == []
        assert story.active() == set()

    def test_clean_is_said_renewed_and_lapses_when_mail_stops(self, story: Story) -> None:
        assert story.mail(good=80) == ["+clean-sender"]
        changes = []
        for _ in range(60):
            changes += story.wait(hours=4)
            story.batch(*story.message(None, did="did:plc:somebody-else"))
        assert changes == ["~clean-sender"] * 4, "every 36 hours, while seven days of evidence last"
        assert story.active() == set()

    def test_what_silence_held_back_is_made_up_when_it_ends(self, story: Story) -> None:
        story.mail(good=80)
        assert story.wait(hours=40) == [], "no renewal in silence"
        assert story.mail(good=1) == ["~clean-sender"]
        assert story.mail(good=1) == []

    def test_in_silence_what_was_good_lapses(self, story: Story) -> None:
        story.mail(good=80)
        assert story.wait(days=4) == []
        assert story.active() == set()

    def test_in_silence_nobody_is_newly_suspended(self, story: Story) -> None:
        """A deadline passes while nothing at all is reported; what follows from it waits for the relay's next word."""
        story.ask()
        assert story.wait(hours=49) == ["+mail-throttled"]
        story.batch(*story.message(None))
        assert story.active() == {"mail-suspended"}

    def test_time_alone_suspends_nobody(self, story: Story) -> None:
        """Good mail leaves the window, bad mail stays: the rate rises, though nothing more went wrong."""
        story.mail(good=10)
        story.wait(days=1)
        story.mail(good=7, bad=5)
        assert story.active() == {"mail-throttled"}
        story.wait(days=6, hours=12)
        story.batch(*story.message(None))
        assert story.active() == {"mail-throttled"}
        story.mail(bad=1)
        assert story.active() == {"mail-suspended"}

    def test_a_tick_too_early_or_twice_does_nothing(self, story: Story) -> None:
        story.mail(good=5, bad=3)
        assert story.tick() == []
        story.wait(hours=12)
        assert story.tick() == []

    def test_ticks_before_any_policy_end_what_operators_dated(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=None)
        story.decide(apply=["mail-throttled"], hours=1)
        assert story.wait(hours=2) == []
        assert (story.active(), story.judge.due()) == (set(), None)
        assert story.mail(bad=10) == []

    def test_superseded_timers_never_fire(self, story: Story) -> None:
        story.decide(apply=["mail-throttled"], hours=1)
        story.decide(apply=["mail-throttled"], hours=5)
        story.decide(apply=["mail-throttled"], hours=3)
        assert story.judge.due() == story.now + 3 * HOUR
        story.decide(negate=["mail-throttled"])
        assert story.judge.due() is None
