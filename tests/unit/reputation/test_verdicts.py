"""One subject at one moment: what the breaker holds, what is only pretended, what costs nothing, what silence owes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from labeler.reputation.findings import checks_of
from labeler.reputation.judge import Judge
from labeler.reputation.metrics import Setting
from labeler.reputation.policy import Caps, Policy
from labeler.reputation.subject import Subject
from labeler.reputation.verdicts import NOTICES_KEPT, Verdicts, calm
from tests.unit.reputation.conftest import POLICY, Story, evidence

MEMBER = "did:plc:member"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GOOD, BAD = "2.0.0", "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"
SHADOW_POLICY = POLICY.replace('mode = "enforce" ', 'mode = "shadow" ')
SHADOW_RULE = POLICY.replace('id = "invalid-recipients"', 'id = "invalid-recipients"\nmode = "shadow"')


class TestTheBreaker:
    @staticmethod
    def bad_members(story: Story, count: int, first: int = 0) -> list[str]:
        """So many list-buyers in one batch."""
        return story.batch(
            *(
                e
                for n in range(first, first + count)
                for _ in range(5)
                for e in story.message(BAD, did=f"did:plc:b{n:03}")
            )
        )

    def test_in_a_small_pool_the_count_limits(self, story: Story) -> None:
        assert self.bad_members(story, 4) == [SUSPENDED] * 2 + [THROTTLED] * 2

    def test_in_a_large_pool_the_share_limits_rounded_down(self, story: Story) -> None:
        """5 % of 79 active members are 3.95: three may be suspended, not four."""
        story.batch(*(e for n in range(71) for e in story.message(GOOD, did=f"did:plc:g{n}")))
        changes = self.bad_members(story, 8)
        assert (changes.count(SUSPENDED), changes.count(THROTTLED)) == (3, 5)

    @pytest.mark.parametrize(("good", "allowed"), [(52, 3), (51, 2)])
    def test_a_share_that_comes_out_even_counts_whole(self, story: Story, good: int, allowed: int) -> None:
        story.batch(*(e for n in range(good) for e in story.message(GOOD, did=f"did:plc:g{n}")))
        assert self.bad_members(story, 8).count(SUSPENDED) == allowed

    def test_it_refills_after_a_day_and_then_holds_nobody_back(self, story: Story) -> None:
        self.bad_members(story, 3)
        story.wait(hours=23, minutes=59)
        assert story.batch(*story.message(GOOD, did="did:plc:b002")) == []
        assert story.wait(minutes=1) == [SUSPENDED, "-mail-throttled"]
        assert story.last().label.uri == "did:plc:b002"

    def test_an_operator_s_suspensions_do_not_use_it_up(self, story: Story) -> None:
        for n in range(5):
            story.decide(apply=["mail-suspended"], did=f"did:plc:o{n}")
        assert self.bad_members(story, 2) == [SUSPENDED] * 2

    def test_says_so_once_a_day_and_member_and_goes_on_throttling(self, story: Story) -> None:
        room = [story.judge.may_suspend]
        self.bad_members(story, 3)
        room.append(story.judge.may_suspend)
        assert room == [True, False]
        assert story.active("did:plc:b002") == {"mail-throttled"}
        assert story.judge.notices[0].text == "a suspension is held back: too many recipients do not exist"
        assert story.notices() == ["breaker did:plc:b002"]
        story.wait(hours=1)
        story.mail(bad=1, did="did:plc:b002")
        assert story.notices() == []
        assert self.bad_members(story, 2, first=3) == [THROTTLED] * 2
        assert story.notices() == ["breaker did:plc:b003", "breaker did:plc:b004"]

    def test_says_so_again_the_next_day(self, story: Story) -> None:
        self.bad_members(story, 2)
        story.wait(hours=20)
        self.bad_members(story, 1, first=2)
        story.wait(hours=3)
        self.bad_members(story, 1, first=2)
        assert len(story.notices()) == 1
        story.wait(hours=1)
        assert story.wait(hours=3) == []
        assert story.active("did:plc:b002") == {"mail-suspended"}

    def test_the_held_one_follows_when_room_returns_though_nobody_speaks_of_it(self, story: Story) -> None:
        self.bad_members(story, 3)
        story.wait(hours=20)
        story.mail(good=1)
        changes = story.wait(hours=4)
        assert changes == [SUSPENDED, "-mail-throttled"]
        assert story.judge.may_suspend

    @pytest.mark.parametrize("word", [{"negate": ["mail-suspended"]}, {"apply": ["mail-throttled"]}])
    def test_what_a_human_settled_is_not_held_back(self, story: Story, word: dict[str, Any]) -> None:
        held = "did:plc:b002"
        story.decide(did=held, **word)
        story.wait(hours=2)
        self.bad_members(story, 3)
        story.mail(bad=9, did=held)
        assert f"breaker {held}" not in story.notices()

    def test_a_suspended_or_lightly_found_member_is_not_news(self, story: Story) -> None:
        self.bad_members(story, 2)
        story.mail(good=5, bad=3)
        self.bad_members(story, 2)
        assert story.notices() == []


class TestShadow:
    def test_a_policy_in_shadow_publishes_nothing_and_records_everything(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_POLICY)
        assert story.mail(good=5, bad=3) == [f"({THROTTLED})"]
        assert story.last().shadow
        assert evidence(story.last())["change"] == "apply"
        assert story.mail(bad=5) == [f"({SUSPENDED})", "(-mail-throttled)"]
        assert story.active() == set()
        assert story.judge.subjects[MEMBER].member.active == {}
        assert story.wait(days=14) == [f"({THROTTLED})"]

    def test_a_pretended_throttle_is_renewed_and_lifted_like_a_real_one(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_POLICY)
        story.mail(good=5, bad=3)
        assert story.wait(hours=12) == ["(~mail-throttled)"]
        assert story.mail(good=150) == []
        assert "(-mail-throttled)" in story.wait(hours=12)
        subject = story.judge.subjects[MEMBER]
        assert subject.shadow is not None
        assert subject.shadow.strikes

    def test_only_the_rule_in_shadow_pretends(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_RULE)
        assert story.mail(good=5, bad=5) == [f"({SUSPENDED})"]
        assert story.active() == set()
        send = [event for _ in range(301) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send) == [THROTTLED]
        assert story.active() == {"mail-throttled"}

    def test_what_is_said_in_earnest_is_not_pretended_too(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_RULE)
        assert story.mail(good=80) == ["+clean-sender"]
        assert story.judge.subjects[MEMBER].shadow is None
        send = [event for _ in range(301) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send) == [THROTTLED, "-clean-sender"]
        assert story.judge.subjects[MEMBER].shadow is None

    def test_what_both_decide_is_said_once_in_earnest(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_RULE)
        story.mail(good=5, bad=3)
        story.wait(days=9)
        shadow = story.judge.subjects[MEMBER].shadow
        assert shadow is not None, "its strike is remembered"
        assert shadow.active == {}
        send = [event for _ in range(301) for event in story.message(None, at_domain="one.example")]
        assert story.batch(*send) == [THROTTLED]
        assert len(shadow.strikes) == 2

    def test_follows_what_people_decide(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_RULE)
        story.mail(good=5, bad=5)
        story.decide(negate=["mail-suspended"])
        story.mail(good=1)
        shadow = story.judge.subjects[MEMBER].shadow
        assert shadow is None or "mail-suspended" not in shadow.active
        assert story.decide(apply=["mail-removed"]) == ["+mail-removed"]
        assert story.mail(bad=20) == []

    def test_uses_up_nothing_of_the_breaker(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_POLICY)
        for n in range(5):
            assert story.mail(bad=5, did=f"did:plc:b{n}") == [f"({SUSPENDED})"]
        assert story.judge.may_suspend

    def test_ends_with_a_policy_in_earnest(self, begin: Callable[..., Story]) -> None:
        story = begin(policy=SHADOW_RULE)
        story.mail(good=5, bad=5)
        story.activate(SHADOW_RULE)
        assert story.judge.subjects[MEMBER].shadow is not None
        story.activate(POLICY)
        assert story.judge.subjects[MEMBER].shadow is None
        assert story.mail(good=1) == [SUSPENDED]


class TestCalm:
    @staticmethod
    def calm(story: Story, did: str = MEMBER) -> bool:
        """Whether the next look at a member would be spared."""
        subject, policy, hour = story.judge.subjects[did], story.judge.policy, int(story.now.timestamp()) // 3600
        assert policy is not None
        return calm(subject, policy, story.now, hour)

    def test_good_mail_needs_one_look_in_hours(self, story: Story) -> None:
        story.mail(good=10)
        assert self.calm(story)
        story.wait(hours=6)
        assert self.calm(story)
        story.wait(hours=1)
        assert not self.calm(story)

    def test_where_little_room_is_left_for_hours_it_needs_one_an_hour(self, story: Story) -> None:
        story.mail(good=18)
        assert self.calm(story)
        story.wait(hours=1)
        assert not self.calm(story)

    def test_what_runs_out_by_itself_is_looked_at_every_hour(self, story: Story) -> None:
        story.decide(negate=["mail-suspended"], hours=900)
        story.wait(hours=800)
        story.mail(good=10)
        subject = story.judge.subjects[MEMBER]
        assert subject.calm == subject.calm_to

    def test_so_is_who_sends_in_the_future(self, story: Story) -> None:
        story.mail(good=10, at=story.now + 3 * HOUR)
        subject = story.judge.subjects[MEMBER]
        assert subject.calm == subject.calm_to

    def test_a_bounce_ends_it(self, story: Story) -> None:
        story.mail(good=10)
        events = story.message(BAD)
        subject = story.judge.subjects[MEMBER]
        story.batch(events[0])
        assert self.calm(story)
        story.batch(events[1])
        assert subject.windows.invalid.size == 1
        assert story.mail(bad=4, good=1) != []
        assert not self.calm(story)

    def test_as_much_mail_as_a_rule_needs_ends_it(self, story: Story) -> None:
        story.mail(good=10)
        subject = story.judge.subjects[MEMBER]
        assert subject.calm_until > subject.windows.volume.accepted.total
        subject.calm_until = subject.windows.volume.accepted.total
        assert not self.calm(story)

    @pytest.mark.parametrize("spoil", ["stirred", "timer", "clean"])
    def test_each_of_these_ends_it(self, story: Story, spoil: str) -> None:
        story.mail(good=10)
        subject = story.judge.subjects[MEMBER]
        if spoil == "timer":
            subject.timer = story.now
        elif spoil == "clean":
            for n in range(50):
                subject.windows.reached.record(f"r{n}", 1)
        else:
            setattr(subject.windows, spoil, True)
        assert not self.calm(story)

    def test_a_timer_to_come_does_not(self, story: Story) -> None:
        story.mail(good=10)
        subject = story.judge.subjects[MEMBER]
        subject.timer = story.now + HOUR
        assert self.calm(story)
        assert story.mail(good=1) == []

    def test_a_rate_out_of_all_recipients_is_not_steady_yet(self, story: Story) -> None:
        """Before the first delivery a rate is out of other recipients than after it: there is no calm to rely on."""
        calm = []
        for good, bad in ((0, 1), (20, 0)):
            story.mail(good, bad)
            calm.append(story.judge.subjects[MEMBER].calm)
        assert calm == [-1, int(story.now.timestamp()) // 3600]

    @pytest.mark.parametrize("bad", [0, 1, 2])
    def test_spares_work_and_no_judgement(self, monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
        def told() -> list[list[str]]:
            story = Story()
            outcomes = ([GOOD] * 9 + [BAD] * bad) * 4 + [BAD] * 12
            return story.one_by_one(outcomes)

        spared = told()
        monkeypatch.setattr("labeler.reputation.verdicts.calm", lambda *_: False)
        assert told() == spared
        assert any(spared)


class TestSilence:
    def test_what_was_held_back_in_silence_is_owed_until_the_next_word(self, story: Story) -> None:
        story.mail(good=80)
        subject = story.judge.subjects[MEMBER]
        owed = [subject.owed]
        story.wait(hours=40)
        owed.append(subject.owed)
        assert story.mail(good=1) == ["~clean-sender"]
        assert [*owed, subject.owed] == [False, True, False]

    def test_a_word_about_somebody_else_ends_the_silence_of_all(self, story: Story) -> None:
        story.mail(good=80)
        story.wait(hours=31)
        story.mail(good=1, did="did:plc:other")
        assert story.wait(hours=5) == ["~clean-sender"]

    def test_begins_after_six_hours(self, story: Story, policy: Policy) -> None:
        verdicts = story.judge._verdicts
        assert verdicts._silent(policy, story.now), "nothing was ever heard"
        story.mail(good=1)
        assert not verdicts._silent(policy, story.now + 6 * HOUR)
        assert verdicts._silent(policy, story.now + 6 * HOUR + timedelta(milliseconds=1))

    def test_a_touch_is_a_word(self, story: Story) -> None:
        story.mail(good=5, bad=2)
        story.judge.subjects[MEMBER].windows.invalid.record("one more", int(story.now.timestamp()) // 3600)
        story.judge.subjects[MEMBER].calm = -1
        (emission,) = story.judge.touch(MEMBER, story.now)
        assert emission.label.val == "mail-throttled"


def test_without_a_policy_nothing_is_reached() -> None:
    judge = Judge("did:web:labeler.example.com")
    setting = Setting(Caps(hourly=1, daily=1), {}, judge.pool, {}, 0)
    verdicts = Verdicts("did:web:labeler.example.com", {})
    assert verdicts.reach(MEMBER, Subject(), setting, checks_of(()), Story().now, pardoned=True) == []


def test_a_pardon_looks_though_all_is_calm(story: Story) -> None:
    story.mail(good=10)
    subject = story.judge.subjects[MEMBER]
    assert subject.calm > 0
    assert story.judge._judge(MEMBER, subject, story.now, pardoned=True) == []
    assert subject.calm == -1


def test_a_touch_passes_over_who_is_calm(story: Story) -> None:
    story.mail(good=10)
    looked = story.judge.subjects[MEMBER].calm
    story.wait(hours=2)
    assert story.judge.touch(MEMBER, story.now) == []
    assert story.judge.subjects[MEMBER].calm == looked


def test_notices_nobody_fetches_are_bounded(story: Story) -> None:
    for _ in range(NOTICES_KEPT + 5):
        story.judge._verdicts.note("abuse-report", MEMBER, story.now, "x")
    assert len(story.judge.notices) == NOTICES_KEPT
