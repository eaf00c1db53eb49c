"""Runs are cut into tasks, and what they give depends on seed and number only."""

import pytest

from labeler.simulation.passage import Outcome
from labeler.simulation.populations import NAMED, POPULATIONS, VOLUMES
from labeler.simulation.runs import FEWEST_RUNS, LABELER, Task, activated_policy, cells, generator, looks, tasks, work


def outcomes(policy: str, first: int, last: int, *, seed: int = 5) -> list[Outcome]:
    return work(Task(policy, seed, 14, "list-buyer-30", 10, first, last))[1]


def test_runs_are_the_same_however_they_are_cut(shipped: str) -> None:
    whole = work(Task(shipped, 5, 14, "list-buyer-30", 10, 0, 6))[1]
    parts = [work(Task(shipped, 5, 14, "list-buyer-30", 10, first, first + 2))[1] for first in (4, 0, 2)]
    assert whole == [*parts[1], *parts[2], *parts[0]]
    assert len(set(whole)) > 1


def test_another_seed_or_population_is_another_draw(shipped: str) -> None:
    assert outcomes(shipped, 0, 4) != outcomes(shipped, 0, 4, seed=6)
    draws = [generator(*of).random() for of in ((1, "a", 10, 0), (2, "a", 10, 0), (1, "b", 10, 0), (1, "a", 50, 0))]
    assert len({*draws, generator(1, "a", 10, 1).random()}) == 5
    assert generator(1, "a", 10, 0).random() == draws[0]


def test_tasks_cover_every_run_once() -> None:
    wanted = cells(POPULATIONS, [], 333, 30)
    covered: dict[tuple[str, int], list[int]] = {}
    for task in tasks("", 1, 30, wanted):
        covered.setdefault((task.population, task.volume), []).extend(range(task.first, task.last))
    assert covered == {(cell.population, cell.volume): list(range(333)) for cell in wanted}


def test_without_a_number_each_cell_gets_what_is_quickly_done() -> None:
    few = {(cell.population, cell.volume): cell.runs for cell in cells(POPULATIONS, [], None, 30)}
    assert few["honest", 10] > few["honest", 10_000] >= 6
    assert few["honest", 200] > few["forged-bounces", 200]


def test_a_budget_gives_fewer_runs_only_where_they_are_dear() -> None:
    asked = cells(POPULATIONS, [], 1_000, 30)
    bounded = cells(POPULATIONS, [], 1_000, 30, 20.0)
    assert {cell.runs for cell in asked} == {1_000}
    runs = {(cell.population, cell.volume): cell.runs for cell in bounded}
    assert runs["few-complaints", 200] == runs["honest", 10] == 1_000
    assert FEWEST_RUNS < runs["snowshoe", 50] < runs["honest", 10_000] < 1_000
    assert all(looks(cell, 30) <= 20.0 * 12_000 for cell in bounded)
    assert {cell.runs for cell in cells(POPULATIONS, [], 1_000, 30, 0.001)} == {FEWEST_RUNS}
    assert {cell.runs for cell in cells(POPULATIONS, [], 3, 30, 0.001)} == {3}, "never more than asked for"


def test_volumes_may_be_chosen() -> None:
    assert [cell.volume for cell in cells([NAMED["honest"]], [7, 70], 1, 30)] == [7, 70]
    assert [cell.volume for cell in cells([NAMED["honest"]], [], 1, 30)] == list(VOLUMES)


def test_a_judge_without_a_policy_cannot_run() -> None:
    from labeler.reputation.judge import Judge  # noqa: PLC0415 - the only place it is bare

    with pytest.raises(ValueError, match="policy"):
        activated_policy(Judge(LABELER))
