"""The runs of a simulation, spread over processes; the same figures come out however many there are."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from time import process_time
from typing import Final, NamedTuple

import typer

from labeler.cli.console import Meter
from labeler.simulation.passage import Outcome
from labeler.simulation.populations import NAMED, POPULATIONS
from labeler.simulation.runs import Cell, Task, cells, looks, tasks, work
from labeler.simulation.tally import Tally

MOST_JOBS: Final = 8  # unless more are asked for


class Done(NamedTuple):
    """What the runs of a cell came to, and how many seconds of a processor they took."""

    tally: Tally
    seconds: float


def wanted(
    names: Sequence[str], volumes: Sequence[int], runs: int | None, days: int, budget_s: float | None
) -> list[Cell]:
    """List what to run, in the order of the populations; all of them where no names are given."""
    for name in names:
        if name not in NAMED:
            known = ", ".join(NAMED)
            raise typer.BadParameter(f"{name!r} is no population; there are {known}", param_hint="--population")
    chosen = [population for population in POPULATIONS if not names or population.name in names]
    return cells(chosen, volumes, runs, days, budget_s)


def carry_out(policy: str, wanted: Sequence[Cell], *, seed: int, days: int, jobs: int | None) -> dict[Cell, Done]:
    """Run the cells in `jobs` processes, one a processor where that is None, with a progress bar."""
    todo = list(tasks(policy, seed, days, wanted))
    outcomes: dict[tuple[str, int], dict[int, list[Outcome]]] = defaultdict(dict)
    seconds: dict[tuple[str, int], float] = defaultdict(float)
    meter, looked = Meter("simulating", round(sum(looks(cell, days) for cell in wanted))), 0.0
    try:
        for task, found, took in _worked(todo, jobs or min(os.cpu_count() or 1, MOST_JOBS)):
            outcomes[task.population, task.volume][task.first] = found
            seconds[task.population, task.volume] += took
            looked += looks(Cell(task.population, task.volume, task.last - task.first), days)
            meter.at(round(looked))
    finally:
        meter.close()
    return {cell: Done(Tally(_in_order(outcomes[cell[:2]])), seconds[cell[:2]]) for cell in wanted}


def _worked(todo: Sequence[Task], jobs: int) -> Iterator[tuple[Task, list[Outcome], float]]:
    if min(jobs, len(todo)) <= 1:
        yield from map(_timed, todo)
        return
    with get_context("spawn").Pool(min(jobs, len(todo))) as pool:  # "spawn" everywhere: no thread is ever forked
        yield from pool.imap_unordered(_timed, todo)


def _timed(task: Task) -> tuple[Task, list[Outcome], float]:
    began = process_time()
    _, found = work(task)
    return task, found, process_time() - began


def _in_order(parts: dict[int, list[Outcome]]) -> list[Outcome]:
    return [outcome for first in sorted(parts) for outcome in parts[first]]
