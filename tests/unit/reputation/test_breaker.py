"""So many suspensions a day and no more: what fills it, what holds, when there is room again."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from labeler.reputation.breaker import Breaker
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Guards, Policy

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR = int(NOON.timestamp()) // 3600
HOURS = timedelta(hours=1)
ANNE, BERT, CARL = "did:plc:anne", "did:plc:bert", "did:plc:carl"


@pytest.fixture
def guards(policy: Policy) -> Guards:
    """At most two suspensions, or 5 % of the members active in a day."""
    assert (policy.guards.breaker_count, policy.guards.breaker_share) == (2, 0.05)
    return policy.guards


def breaker_with(members: int, guards: Guards, hour: int = HOUR) -> Breaker:
    breaker = Breaker()
    for n in range(members):
        breaker.heard(f"did:plc:m{n}", hour)
    breaker.refill(guards, NOON)
    return breaker


def room(breaker: Breaker, now: datetime = NOON) -> int:
    """How many suspensions fit in, counted by suspending."""
    number = 0
    while breaker.closed:
        breaker.count(f"did:plc:s{number}", now)
        number += 1
    return number


class TestTheAllowance:
    def test_before_a_policy_there_is_none(self) -> None:
        assert not Breaker().closed

    @pytest.mark.parametrize(
        ("members", "allowed"), [(0, 2), (40, 2), (59, 2), (60, 3), (79, 3), (80, 4), (140, 7), (1_000, 50)]
    )
    def test_the_larger_of_a_count_and_a_share(self, members: int, allowed: int, guards: Guards) -> None:
        assert room(breaker_with(members, guards)) == allowed

    @pytest.mark.parametrize("percent", range(1, 100))
    def test_rounding_takes_nothing_away(self, percent: int, guards: Guards) -> None:
        share = msgspec.structs.replace(guards, breaker_share=percent / 100, breaker_count=1)
        assert room(breaker_with(100, share)) == percent

    @pytest.mark.parametrize(("hours", "allowed"), [(0, 5), (24, 5), (25, 2), (49, 2)])
    def test_who_was_heard_of_in_a_day_counts(self, hours: int, allowed: int, guards: Guards) -> None:
        assert room(breaker_with(100, guards, HOUR - hours)) == allowed

    def test_a_member_counts_once_however_much_it_sends(self, guards: Guards) -> None:
        breaker = Breaker()
        for n in range(1_000):
            breaker.heard("did:plc:busy", HOUR - n % 24)
        breaker.refill(guards, NOON)
        assert room(breaker) == 2

    def test_members_of_the_day_before_yesterday_are_forgotten(self, guards: Guards) -> None:
        breaker = breaker_with(100, guards)
        breaker.refill(guards, NOON + 48 * HOURS)
        assert breaker._members.size == 100
        breaker.refill(guards, NOON + 49 * HOURS)
        assert breaker._members.size == 0


class TestTheWindow:
    def test_room_comes_back_when_a_suspension_is_a_day_old(self, guards: Guards) -> None:
        breaker = breaker_with(0, guards)
        breaker.count(ANNE, NOON)
        room = [breaker.closed]
        breaker.count(BERT, NOON + HOURS)
        room.append(breaker.closed)
        breaker.refill(guards, NOON + 24 * HOURS - timedelta(milliseconds=1))
        room.append(breaker.closed)
        breaker.refill(guards, NOON + 24 * HOURS)
        room.append(breaker.closed)
        assert room == [True, False, False, True]
        breaker.count(CARL, NOON + 24 * HOURS)
        assert not breaker.closed
        breaker.refill(guards, NOON + 25 * HOURS)
        assert breaker.closed

    def test_in_no_24_hours_are_there_more(self, guards: Guards) -> None:
        breaker, suspended, now = breaker_with(0, guards), list[datetime](), NOON
        for minutes in (0, 1, 2, 700, 700, 30, 9, 1, 800, 600, 40, 1, 1_441, 0, 0, 0):
            now += timedelta(minutes=minutes)
            breaker.refill(guards, now)
            if breaker.closed:
                breaker.count(ANNE, now)
                suspended.append(now)
            assert sum(moment > now - 24 * HOURS for moment in suspended) <= 2
        assert len(suspended) == 8

    def test_a_stricter_policy_holds_at_once(self, guards: Guards) -> None:
        breaker = breaker_with(100, guards)
        breaker.count(ANNE, NOON)
        breaker.refill(msgspec.structs.replace(guards, breaker_count=1, breaker_share=0.001), NOON)
        assert not breaker.closed


class TestWhatIsHeldBack:
    def test_is_news_once_a_day_and_member(self, guards: Guards) -> None:
        breaker = breaker_with(0, guards)
        told = [breaker.hold(ANNE, NOON + hours * HOURS) for hours in (0, 1, 23.9, 24, 25, 48)]
        assert told == [True, False, False, True, False, True]
        assert breaker.hold(BERT, NOON + 48 * HOURS)

    def test_is_forgotten_after_a_day_when_others_are_held(self, guards: Guards) -> None:
        breaker = breaker_with(0, guards)
        breaker.count(CARL, NOON)
        breaker.hold(ANNE, NOON)
        breaker.hold(BERT, NOON + 24 * HOURS)
        assert (breaker.room_at(ANNE), breaker.room_at(BERT)) == (None, NOON + 24 * HOURS)

    def test_knows_when_there_is_room(self, guards: Guards) -> None:
        breaker = breaker_with(0, guards)
        breaker.count(ANNE, NOON)
        breaker.count(BERT, NOON + 3 * HOURS)
        assert breaker.room_at(CARL) is None, "nothing of it is held back"
        breaker.hold(CARL, NOON + 4 * HOURS)
        assert breaker.room_at(CARL) == NOON + 24 * HOURS
        breaker.refill(guards, NOON + 24 * HOURS)
        assert breaker.room_at(CARL) == NOON + 27 * HOURS
        breaker.refill(guards, NOON + 27 * HOURS)
        assert breaker.room_at(CARL) is None, "there is room now"

    def test_is_held_no_longer_once_suspended(self, guards: Guards) -> None:
        breaker = breaker_with(0, guards)
        breaker.hold(ANNE, NOON)
        breaker.count(ANNE, NOON)
        assert breaker.room_at(ANNE) is None


def test_it_says_how_much_of_it_is_used(guards: Guards) -> None:
    breaker = breaker_with(100, guards)
    assert (breaker.used, breaker.allowance) == (0, 5)
    breaker.count(ANNE, NOON)
    assert (breaker.used, breaker.allowance) == (1, 5)
    assert (Breaker().used, Breaker().allowance) == (0, 0)


def test_the_judge_shows_its_own() -> None:
    judge = Judge("did:web:labeler.example.com")
    assert judge.may_suspend  # before the first telemetry there is nothing to hold back
    assert (judge.breaker.used, judge.breaker.closed) == (0, False)
