"""Providers that fail by themselves, told from senders that fail at them."""

from dataclasses import dataclass, field

import pytest

from labeler.reputation import incidents as module
from labeler.reputation.counters import DistinctWindow
from labeler.reputation.incidents import Incidents
from labeler.reputation.policy import Policy
from labeler.reputation.pool import Pool
from labeler.reputation.windows import ProviderWindows, SubjectWindows

HOUR = 490_000
WEEK = 7 * 24
MX, REST = "mx.big.example", "mx.rest.example"


@dataclass
class Town:
    """Members that send to two providers, and what was found so far."""

    policy: Policy
    pool: Pool = field(default_factory=Pool)
    members: dict[str, SubjectWindows] = field(default_factory=dict)
    incidents: Incidents = field(default_factory=Incidents)

    def member(self, did: str, age: int = 2 * WEEK, elsewhere: int = 20, failed_elsewhere: int = 0) -> SubjectWindows:
        """A member first heard of so many hours ago, and what became of its mail to the other provider."""
        windows = self.members[did] = SubjectWindows()
        windows.volume.accepted.add(HOUR - age)
        self.mail(did, REST, elsewhere - failed_elsewhere, failed_elsewhere, HOUR - min(age, 30))
        return windows

    def mail(self, did: str, provider: str, good: int, bad: int = 0, hour: int = HOUR) -> None:
        """So many answers of a provider, some of them that nobody is there."""
        windows = self.members[did]
        there = windows.by_provider.setdefault(provider, ProviderWindows())
        for number in range(good + bad):
            windows.volume.accepted.add(hour)
            there.answered.add(hour)
            self.pool.answer(provider, did, hour)
            if number >= good:
                there.invalid = there.invalid or DistinctWindow()
                there.invalid.record(f"{hour} {number}", hour)
                self.pool.fail(provider, did, hour)

    def look(self) -> dict[str, list[str]]:
        return self.incidents.look(self.pool, self.members.__getitem__, self.policy.incident)


@pytest.fixture
def town(policy: Policy) -> Town:
    """Three members with a past, none of whom failed yet."""
    town = Town(policy)
    for did in "abc":
        town.member(did)
    return town


def outage(town: Town, dids: str = "abc", hour: int = HOUR) -> None:
    """Half of what each of them sent there comes back."""
    for did in dids:
        town.mail(did, MX, 3, 3, hour)


class TestAnOutage:
    def test_is_found_when_enough_witnesses_fail_at_once(self, town: Town) -> None:
        outage(town, "ab")
        assert town.look() == {}
        outage(town, "c")
        assert town.look() == {MX: ["a", "b", "c"]}
        assert town.incidents.stretches == {MX: [(HOUR - 1, HOUR)]}
        assert town.incidents.blamed(MX, HOUR)
        assert not town.incidents.blamed(MX, HOUR + 1)
        assert not town.incidents.blamed(REST, HOUR)

    def test_is_looked_for_only_where_something_failed_since(self, town: Town) -> None:
        outage(town)
        town.look()
        assert town.pool.touched == {}
        assert town.look() == {}

    def test_may_span_two_hours(self, town: Town) -> None:
        outage(town, "ab", HOUR - 1)
        assert town.look() == {}
        outage(town, "c")
        assert town.look() == {MX: ["a", "b", "c"]}

    def test_not_three(self, town: Town) -> None:
        outage(town, "ab", HOUR - 2)
        town.look()
        outage(town, "c")
        assert town.look() == {}

    def test_concerns_everybody_who_fails_in_an_hour_already_blamed(self, town: Town) -> None:
        outage(town)
        town.look()
        town.member("newcomer", age=1)
        town.mail("newcomer", MX, 0, 1)
        assert town.look() == {MX: ["a", "b", "c", "newcomer"]}
        assert town.incidents.stretches == {MX: [(HOUR - 1, HOUR)]}

    def test_that_goes_on_is_one_stretch(self, town: Town) -> None:
        for hour in (HOUR, HOUR + 1, HOUR + 2):
            outage(town, hour=hour)
            assert MX in town.look()
        assert town.incidents.stretches == {MX: [(HOUR - 1, HOUR + 2)]}

    def test_that_comes_back_is_another(self, town: Town) -> None:
        outage(town, hour=HOUR)
        town.look()
        outage(town, hour=HOUR + 9)
        town.look()
        assert town.incidents.stretches == {MX: [(HOUR - 1, HOUR), (HOUR + 8, HOUR + 9)]}

    def test_told_of_late_stands_where_it_was(self, town: Town) -> None:
        outage(town, hour=HOUR)
        town.look()
        outage(town, hour=HOUR - 9)
        town.look()
        assert town.incidents.stretches == {MX: [(HOUR - 10, HOUR - 9), (HOUR - 1, HOUR)]}

    def test_only_so_many_are_kept_and_none_for_ever(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_STRETCHES_KEPT", 2)
        for number in range(4):
            town.incidents._blame(MX, 10 * number, 10 * number + 1)
        assert town.incidents.stretches == {MX: [(20, 21), (30, 31)]}
        town.incidents._blame(REST, 0, 1)
        town.incidents.expire(22)
        assert town.incidents.stretches == {MX: [(30, 31)]}

    @pytest.mark.parametrize("order", [(1, 4, 7), (7, 4, 1), (4, 1, 7), (1, 7, 4)])
    def test_no_hour_lies_in_two_stretches(self, town: Town, order: tuple[int, ...]) -> None:
        """Or what failed in it would be excused twice."""
        for last in (*order, 5, 3, 2, 8):
            if not town.incidents.blamed(MX, last):
                town.incidents._blame(MX, last - 1, last)
        hours = [hour for first, last in town.incidents.stretches[MX] for hour in range(first, last + 1)]
        assert sorted(hours) == sorted(set(hours))
        assert all(town.incidents.blamed(MX, hour) for hour in (0, 1, 2, 3, 4, 5, 6, 7, 8))


class TestAWitness:
    """The third of three: with it there is an incident, without it none."""

    @staticmethod
    def bears(town: Town, did: str = "c") -> bool:
        outage(town, "ab")
        town.mail(did, MX, 3, 3)
        return bool(town.look())

    def test_is_a_member_with_a_past_that_is_clean_elsewhere(self, town: Town) -> None:
        assert self.bears(town)

    @pytest.mark.parametrize(("age", "bears"), [(WEEK, True), (WEEK - 1, False)])
    def test_was_first_heard_of_a_week_ago(self, town: Town, age: int, bears: bool) -> None:
        town.member("c", age=age)
        assert self.bears(town) is bears

    @pytest.mark.parametrize(
        ("reached", "failed", "bears"), [(20, 0, True), (19, 0, False), (20, 1, False), (40, 1, True), (100, 3, False)]
    )
    def test_reached_enough_elsewhere_and_hardly_failed(
        self, town: Town, reached: int, failed: int, bears: bool
    ) -> None:
        town.member("c", elsewhere=reached, failed_elsewhere=failed)
        assert self.bears(town) is bears

    @pytest.mark.parametrize(
        ("before", "failed", "bears"), [(50, 1, True), (50, 2, False), (100, 3, True), (100, 4, False)]
    )
    def test_hardly_failed_there_before(self, town: Town, before: int, failed: int, bears: bool) -> None:
        """One failure long ago says nothing of anybody."""
        town.mail("c", MX, before - failed, failed, HOUR - 30)
        assert self.bears(town) is bears

    def test_what_a_former_outage_took_is_no_past(self, town: Town) -> None:
        for hour in (HOUR - 50, HOUR - 20):
            outage(town, hour=hour)
            town.look()
        outage(town)
        assert town.look() == {MX: ["a", "b", "c"]}

    def test_former_outages_out_of_sight_excuse_nothing(self, town: Town) -> None:
        town.incidents.stretches[MX] = [(HOUR - 300, HOUR - 299), (HOUR + 5, HOUR + 6)]
        town.mail("c", MX, 10, 5, HOUR - 30)
        assert not self.bears(town)

    @pytest.mark.parametrize(("good", "bad", "bears"), [(7, 2, True), (8, 2, False), (0, 1, False), (100, 25, False)])
    def test_loses_several_recipients_and_a_fifth_of_them(self, town: Town, good: int, bad: int, bears: bool) -> None:
        outage(town, "ab")
        town.mail("c", MX, good, bad)
        assert bool(town.look()) is bears

    def test_is_nobody_who_lost_nobody_there(self, town: Town) -> None:
        """The third failing is no witness: nothing is known of it at the provider, or no failure."""
        outage(town, "ab")
        for there in (None, ProviderWindows()):
            windows = town.member("d")
            if there is not None:
                windows.by_provider[MX] = there
            town.pool.answer(MX, "d", HOUR)
            town.pool.fail(MX, "d", HOUR)
            assert town.look() == {}

    def test_who_never_sent_anything_has_no_past(self, town: Town) -> None:
        town.members["c"].volume.accepted.expire(HOUR + 1)
        assert not town.incidents._witness(SubjectWindows(), MX, HOUR, town.policy.incident)


class TestTheShare:
    def test_witnesses_must_be_a_third_of_all_who_send_there(self, town: Town) -> None:
        for number in range(6):
            town.member(f"fine{number}")
            town.mail(f"fine{number}", MX, 1)
        outage(town)
        assert town.look() == {}, "three of nine"

    def test_eight_are_few_enough(self, town: Town) -> None:
        for number in range(5):
            town.member(f"fine{number}")
            town.mail(f"fine{number}", MX, 1)
        outage(town)
        assert town.look() == {MX: ["a", "b", "c"]}, "three of eight"

    def test_who_sent_there_more_than_a_day_ago_does_not_count(self, town: Town) -> None:
        for number in range(6):
            town.member(f"fine{number}")
            town.mail(f"fine{number}", MX, 1, hour=HOUR - 25)
        outage(town)
        assert MX in town.look()

    def test_a_swarm_of_fresh_accounts_bears_no_witness(self, town: Town) -> None:
        for number in range(50):
            town.member(f"snow{number}", age=5)
            town.mail(f"snow{number}", MX, 2, 8)
        assert town.look() == {}

    def test_and_hides_an_incident_rather_than_making_one(self, town: Town) -> None:
        outage(town)
        for number in range(6):
            town.member(f"snow{number}", age=5)
            town.mail(f"snow{number}", MX, 2, 8)
        assert town.look() == {}, "three witnesses of nine senders"
