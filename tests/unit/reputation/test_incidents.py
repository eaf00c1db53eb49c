"""Providers that fail by themselves: found by members with a past, excused where and when they fail, and only there."""

from collections.abc import Sequence
from typing import Any

import pytest

from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.incidents import Incidents
from labeler.reputation.policy import Policy
from labeler.reputation.pool import Pool
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows
from tests.unit.reputation.conftest import Story

BIG, OTHER = "mx.big.example", "mx.other.example"
GOOD, BAD = "2.0.0", "5.1.1"
THROTTLED, SUSPENDED = "+mail-throttled", "+mail-suspended"
ANNE, BERT, CARL, DORA = (f"did:plc:{name}" for name in ("anne", "bert", "carl", "dora"))
CLEAN = (ANNE, BERT, CARL)


def send(story: Story, did: str, good: int = 0, bad: int = 0, provider: str = BIG, **fields: Any) -> list[SendEvent]:
    outcomes = [GOOD] * good + [BAD] * bad
    return [event for status in outcomes for event in story.message(status, did=did, provider=provider, **fields)]


def settle_down(story: Story, dids: Sequence[str] = CLEAN, elsewhere: int = 25, at_big: int = 3) -> None:
    """A week after its first message everybody sends good mail, never much in an hour."""
    story.batch(*(event for did in dids for event in send(story, did, 1, provider=OTHER)))
    story.wait(days=7)
    story.batch(*(event for did in dids for event in send(story, did, 15, provider=OTHER)))
    story.wait(hours=2)
    story.batch(*(event for did in dids for event in send(story, did, elsewhere - 15, provider=OTHER)))
    story.batch(*(event for did in dids for event in send(story, did, at_big)))
    story.wait(hours=3)
    assert not any(story.active(did) for did in dids)


def told(story: Story) -> list[str]:
    return [notice for notice in story.notices() if notice.startswith("incident")]


class TestAnOutage:
    def test_is_found_and_lifts_at_once_what_was_only_its_doing(self, story: Story) -> None:
        settle_down(story)
        assert story.batch(*send(story, ANNE, bad=10, at_domain="big.example")) == [THROTTLED]
        assert story.batch(*send(story, BERT, bad=12)) == [SUSPENDED]
        assert story.batch(*send(story, CARL, bad=1)) == []
        assert told(story) == []
        assert story.batch(*send(story, CARL, bad=1)) == ["-mail-throttled", "-mail-suspended"]
        assert {(emission.rule, emission.reason) for emission in story.emissions[-2:]} == {
            ("incident", "the provider was to blame")
        }
        assert told(story) == [f"incident {BIG}"]
        members = [story.judge.subjects[did].member for did in (ANNE, BERT)]
        assert [(member.strikes, member.active) for member in members] == [([], {})] * 2

    def test_is_told_with_its_hours_and_how_many_it_struck(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        (notice,) = story.judge.notices
        hours = "2026-03-13T16Z to 2026-03-13T18Z"
        assert (notice.kind, notice.at) == ("incident", story.now)
        assert notice.text == f"fails for 3 members, clean elsewhere: {hours}"

    def test_excuses_later_failures_of_its_hours_and_tells_nothing_new(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert len(told(story)) == 1
        assert story.batch(*send(story, ANNE, bad=30)) == []
        assert story.batch(*send(story, DORA, bad=30)) == [], "whoever sends there, with or without a past"
        assert told(story) == []

    def test_that_goes_on_is_told_as_one_that_grew(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=3)))
        story.wait(hours=1)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=3)))
        (stretch,) = story.judge.incidents.stretches[BIG]
        assert stretch[1] - stretch[0] == 2
        assert told(story) == [f"incident {BIG}"] * 2

    def test_excuses_no_other_provider(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert story.batch(*send(story, ANNE, bad=15, provider="mx.third.example")) == [SUSPENDED]

    def test_excuses_no_other_hours(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        story.wait(hours=2)
        assert story.batch(*send(story, ANNE, bad=15)) == [SUSPENDED]

    def test_leaves_alone_what_has_other_causes(self, story: Story) -> None:
        settle_down(story)
        assert story.batch(*send(story, DORA, bad=10, provider=OTHER)) == [SUSPENDED]
        changes = story.batch(*(event for did in (*CLEAN, DORA) for event in send(story, did, bad=3)))
        assert len(told(story)) == 1
        assert changes == []
        assert story.active(DORA) == {"mail-suspended"}

    def test_leaves_a_human_s_word_alone(self, story: Story) -> None:
        settle_down(story)
        assert story.batch(*send(story, ANNE, bad=12)) == [SUSPENDED]
        assert story.decide(apply=["mail-suspended"], did=ANNE) == []
        assert story.batch(*(event for did in (BERT, CARL) for event in send(story, did, bad=2))) == []
        assert len(told(story)) == 1
        assert story.active(ANNE) == {"mail-suspended"}

    def test_may_strike_in_the_turn_of_an_hour(self, story: Story) -> None:
        settle_down(story)
        story.batch(*send(story, ANNE, bad=2))
        story.wait(hours=1)
        story.batch(*(event for did in (BERT, CARL) for event in send(story, did, bad=2)))
        assert len(told(story)) == 1

    def test_without_a_policy_is_not_looked_for(self, begin: type[Story]) -> None:
        bare = begin(policy=None)
        settle_down(bare)
        bare.batch(*(event for did in CLEAN for event in send(bare, did, bad=5)))
        bare.judge.pool.touched[BIG, 1] = None
        bare.batch()
        assert (bare.judge.incidents.stretches, bare.judge.pool.touched) == ({}, {})
        assert bare.notices() == []

    def test_is_forgotten_when_no_rule_sees_its_hours_any_more(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        for days, known in ((29, True), (3, False)):
            story.wait(days=days)
            story.batch(story.event(Kind.ACCEPTED, DORA))
            assert bool(story.judge.incidents.stretches) is known


class TestNoOutage:
    @pytest.mark.parametrize("swarm", [3, 20, 60])
    def test_a_swarm_of_fresh_accounts_makes_none(self, story: Story, swarm: int) -> None:
        dids = [f"did:plc:fresh{n:02}" for n in range(swarm)]
        story.batch(*(event for did in dids for event in send(story, did, 25, provider=OTHER)))
        changes = story.batch(*(event for did in dids for event in send(story, did, bad=12)))
        assert len(changes) >= swarm, "they are restricted, one and all"
        assert told(story) == []

    def test_a_swarm_hides_a_real_one_rather_than_help_it(self, story: Story) -> None:
        settle_down(story)
        for n in range(6):
            story.batch(*send(story, f"did:plc:fresh{n}", bad=2))
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert told(story) == [], "three of nine are less than 34 %"

    def test_two_witnesses_and_a_newcomer_are_too_few(self, story: Story) -> None:
        settle_down(story, CLEAN[:2])
        story.batch(*(event for did in (ANNE, BERT, DORA) for event in send(story, did, bad=2)))
        assert told(story) == []

    @pytest.mark.parametrize(("healthy", "found"), [(0, True), (5, True), (6, False)])
    def test_a_third_of_those_who_send_there_must_be_struck(self, story: Story, healthy: int, found: bool) -> None:
        settle_down(story)
        for n in range(healthy):
            story.batch(*send(story, f"did:plc:fine{n}", 1))
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert bool(told(story)) is found

    def test_who_fails_elsewhere_too_bears_no_witness(self, story: Story) -> None:
        settle_down(story)
        story.batch(*send(story, CARL, bad=1, provider=OTHER))
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert told(story) == [], "1 of 26 is more than 3 %"

    def test_who_reached_too_few_elsewhere_bears_no_witness(self, story: Story) -> None:
        settle_down(story, elsewhere=18)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert told(story) == []

    def test_who_failed_there_before_bears_no_witness(self, story: Story) -> None:
        settle_down(story)
        story.batch(*send(story, CARL, bad=2))
        story.wait(hours=3)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert told(story) == []

    def test_one_failure_there_before_is_forgiven(self, story: Story) -> None:
        settle_down(story)
        story.batch(*send(story, CARL, bad=1))
        story.wait(hours=3)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=2)))
        assert len(told(story)) == 1

    def test_failures_of_an_earlier_outage_are_forgiven(self, story: Story) -> None:
        settle_down(story)
        for _ in range(2):
            story.batch(*(event for did in CLEAN for event in send(story, did, bad=3)))
            assert len(told(story)) == 1
            story.wait(hours=5)
        assert len(story.judge.incidents.stretches[BIG]) == 2

    def test_few_failures_among_much_mail_are_none(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, 8, 2)))
        assert told(story) == [], "a fifth, and not more"

    def test_a_single_failure_each_is_none(self, story: Story) -> None:
        settle_down(story)
        story.batch(*(event for did in CLEAN for event in send(story, did, bad=1)))
        assert told(story) == []


class TestStretches:
    @pytest.mark.parametrize(
        ("blamed", "stretches"),
        [
            ([(1, 2), (5, 6)], [(1, 2), (5, 6)]),
            ([(5, 6), (1, 2)], [(1, 2), (5, 6)]),
            ([(1, 2), (3, 4)], [(1, 4)]),
            ([(3, 4), (1, 2)], [(1, 4)]),
            ([(1, 2), (4, 5)], [(1, 2), (4, 5)]),
            ([(1, 9), (3, 4)], [(1, 9)]),
            ([(3, 4), (1, 9)], [(1, 9)]),
        ],
    )
    def test_that_touch_become_one(self, blamed: list[tuple[int, int]], stretches: list[tuple[int, int]]) -> None:
        incidents = Incidents()
        for first, last in blamed:
            incidents._blame(BIG, first, last)
        assert incidents.stretches == {BIG: stretches}
        hours = {hour for first, last in blamed for hour in range(first, last + 1)}
        assert {hour for hour in range(20) if incidents.blamed(BIG, hour)} == hours
        assert not incidents.blamed(OTHER, blamed[0][0])

    def test_are_forgotten_once_they_ended_before_the_floor(self) -> None:
        incidents = Incidents()
        for provider, first, last in ((BIG, 1, 2), (BIG, 5, 6), (OTHER, 1, 3)):
            incidents._blame(provider, first, last)
        incidents.expire(3)
        assert incidents.stretches == {BIG: [(5, 6)], OTHER: [(1, 3)]}
        incidents.expire(6)
        assert incidents.stretches == {BIG: [(5, 6)]}
        incidents.expire(7)
        assert incidents.stretches == {}

    def test_the_newest_are_kept(self) -> None:
        incidents = Incidents()
        for n in range(1_005):
            incidents._blame(BIG, n * 3, n * 3 + 1)
        assert (len(incidents.stretches[BIG]), incidents.stretches[BIG][0]) == (1_000, (15, 16))


def test_who_knows_nothing_of_the_provider_bears_no_witness(policy: Policy) -> None:
    """A member may send by more providers than are told apart for it; the pool still knows of them."""
    windows, incidents, pool, hour = SubjectWindows(), Incidents(), Pool(), 500_000
    windows.volume.accept((hour - 200) * HOUR_S)
    for did in CLEAN:
        pool.answer(BIG, did, hour)
        pool.fail(BIG, did, hour)
    assert incidents.look(pool, lambda _: windows, policy.incident) == {}
    assert (pool.touched, incidents.stretches) == ({}, {})
