"""The warm-up: earned by age and by recipients reached, lost by strikes, skipped by those agreed to be established."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from labeler.reputation.decisions import Member
from labeler.reputation.policy import Caps, Policy, Span, Stage
from labeler.reputation.warmup import Warmup, warmed_caps, warmup
from labeler.reputation.windows import SubjectWindows

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR = int(NOON.timestamp()) // 3600
DAYS = timedelta(days=1)
STAGES = ["first-steps", "second-week", "growing", "steady", "warmed-up"]
ASKED = [(None, 0), ("3d", 20), ("7d", 100), ("14d", 300), ("21d", 1_000)]  # age and recipients for each
CAPS = [(5, 20), (10, 50), (25, 100), (50, 250), (1_000_000, 1_000_000)]
LAST = (30 * DAYS, 5_000)  # old enough and known enough for the last stage


@pytest.fixture
def policy(policy: Policy) -> Policy:
    """The policy we ship with a warm-up of our own."""
    stages = [
        Stage(name=name, hourly=hourly, daily=daily, min_age=Span(age) if age else None, min_delivered=delivered)
        for name, (age, delivered), (hourly, daily) in zip(STAGES, ASKED, CAPS, strict=True)
    ]
    return msgspec.structs.replace(policy, warmup=stages)


def member(age: timedelta = 30 * DAYS, strikes: tuple[timedelta, ...] = ()) -> Member:
    """Enrolled so long ago, throttled so long ago."""
    return Member(domains={"shop.example": None}, since=NOON - age, strikes=[NOON - ago for ago in strikes])


def reached(number: int, hours_ago: int = 1) -> SubjectWindows:
    windows = SubjectWindows()
    for n in range(number):
        windows.delivered.record(f"{n:032x}", HOUR - hours_ago)
    return windows


def stage(policy: Policy, who: Member, windows: SubjectWindows) -> str:
    standing = warmup(policy, who, windows, NOON)
    assert standing is not None
    return standing.stage.name


class TestWhatIsEarned:
    @pytest.mark.parametrize(
        ("days", "delivered", "name"),
        [
            (0, 0, "first-steps"),
            (0, 5_000, "first-steps"),
            (2.99, 20, "first-steps"),
            (3, 19, "first-steps"),
            (3, 20, "second-week"),
            (7, 99, "second-week"),
            (7, 100, "growing"),
            (13.99, 300, "growing"),
            (14, 300, "steady"),
            (20.99, 1_000, "steady"),
            (21, 999, "steady"),
            (21, 1_000, "warmed-up"),
            (4_000, 0, "first-steps"),
            (4_000, 100, "growing"),
        ],
    )
    def test_age_and_recipients_and_neither_alone(self, policy: Policy, days: float, delivered: int, name: str) -> None:
        assert stage(policy, member(days * DAYS), reached(delivered)) == name

    @pytest.mark.parametrize(("hours_ago", "name"), [(720, "warmed-up"), (721, "first-steps")])
    def test_what_was_reached_more_than_a_month_ago_is_forgotten(
        self, policy: Policy, hours_ago: int, name: str
    ) -> None:
        assert stage(policy, member(), reached(1_000, hours_ago)) == name

    def test_the_same_recipient_again_earns_nothing(self, policy: Policy) -> None:
        windows = SubjectWindows()
        for hours in range(700):
            windows.delivered.record("a" * 32, HOUR - hours)
        assert stage(policy, member(), windows) == "first-steps"

    def test_no_stage_is_skipped(self, policy: Policy) -> None:
        """A later stage that asks for less than an earlier one is not reached around it."""
        easy = msgspec.structs.replace(policy.warmup[2], min_delivered=0, min_age=None)
        odd = msgspec.structs.replace(policy, warmup=[*policy.warmup[:2], easy])
        assert stage(odd, member(0 * DAYS), reached(0)) == "first-steps"

    def test_the_next_stage_is_named_until_there_is_none(self, policy: Policy) -> None:
        for index, (days, delivered) in enumerate([(0, 0), (3, 20), (7, 100), (14, 300)]):
            standing = warmup(policy, member(days * DAYS), reached(delivered), NOON)
            assert standing == Warmup(policy.warmup[index], policy.warmup[index + 1], delivered)
        done = warmup(policy, member(), reached(5_000), NOON)
        assert done == Warmup(policy.warmup[-1], None, 5_000)


class TestStrikes:
    @pytest.mark.parametrize(("strikes", "name"), list(enumerate([*STAGES[::-1], *STAGES[:1] * 2])))
    def test_each_costs_a_stage(self, policy: Policy, strikes: int, name: str) -> None:
        age, delivered = LAST
        assert stage(policy, member(age, (5 * DAYS,) * strikes), reached(delivered)) == name

    @pytest.mark.parametrize(("days", "name"), [(89.99, "steady"), (90, "warmed-up")])
    def test_until_it_decays(self, policy: Policy, days: float, name: str) -> None:
        age, delivered = LAST
        assert stage(policy, member(age, (days * DAYS,)), reached(delivered)) == name


class TestWhoSkipsIt:
    @pytest.mark.parametrize(
        "who",
        [
            Member(),
            Member(since=NOON),
            Member(domains={"shop.example": None}, since=NOON, tier="established"),
            Member(domains={"shop.example": None}, since=NOON, tier="of the future"),
            Member(domains={"shop.example": None}),
        ],
        ids=["nobody's", "left", "established", "another tier", "since when is unknown"],
    )
    def test_has_no_stage(self, policy: Policy, who: Member) -> None:
        assert warmup(policy, who, reached(50), NOON) is None


class TestCaps:
    @pytest.mark.parametrize(
        ("agreed", "caps"),
        [((1, 10_000), (1, 20)), ((1_000, 10), (5, 10)), ((1_000, 10_000), (5, 20)), ((1, 2), (1, 2))],
    )
    def test_the_stage_never_gives_more_than_was_agreed(
        self, policy: Policy, agreed: tuple[int, int], caps: tuple[int, int]
    ) -> None:
        first = warmup(policy, member(0 * DAYS), reached(0), NOON)
        given = warmed_caps(Caps(hourly=agreed[0], daily=agreed[1]), first)
        assert (given.hourly, given.daily) == caps

    def test_without_a_warm_up_the_agreement_holds(self) -> None:
        agreed = Caps(hourly=7, daily=9)
        assert warmed_caps(agreed, None) is agreed

    def test_the_last_stage_gives_way_to_the_agreement(self, policy: Policy) -> None:
        agreed = Caps(hourly=900, daily=9_000)
        assert warmed_caps(agreed, warmup(policy, member(), reached(5_000), NOON)) == agreed
