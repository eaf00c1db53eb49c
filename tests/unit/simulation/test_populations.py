"""Every population in the table runs, and the clear cases come out as they must."""

import pytest

from labeler.simulation.populations import NAMED, POPULATIONS, Population
from labeler.simulation.runs import Task, work
from labeler.simulation.tally import Tally

DAYS = 14


def tally(policy: str, name: str, volume: int, runs: int) -> Tally:
    return Tally(work(Task(policy, 77, DAYS, name, volume, 0, runs))[1])


def test_names_are_told_apart_and_every_one_is_described() -> None:
    assert len(NAMED) == len(POPULATIONS)
    for population in POPULATIONS:
        assert population.about
        assert list(population.volumes) == sorted(set(population.volumes))


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda population: population.name)
def test_each_runs(shipped: str, population: Population) -> None:
    found = tally(shipped, population.name, population.volumes[0], 1)
    assert found.n >= 1
    assert all(outcome.sent > 0 for outcome in found.outcomes)


def test_list_buyers_are_stopped_and_honest_members_are_not(shipped: str) -> None:
    bought = tally(shipped, "list-buyer-30", 50, 15)
    assert bought.suspended.k == 15
    assert bought.after(bought.throttled_after, 0.5) < 20
    honest = tally(shipped, "honest", 50, 60)
    assert honest.suspended.k == 0
    assert honest.throttled.k <= 3


def test_slander_never_suspends(shipped: str) -> None:
    assert tally(shipped, "forged-bounces", 50, 3).throttled.k == 0
