"""The runs of a simulation, spread over processes; the same figures come out however many there are."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from typing import Final

import typer

from labeler.cli.console import Meter
from labeler.simulation.passage import Outcome
from labeler.simulation.populations import NAMED, POPULATIONS
from labeler.simulation.runs import Cell, Task, cells, tasks, work
from labeler.simulation.tally import Tally

MOST_JOBS: Final = 8  # unless more are asked for


def wanted(names: Sequence[str], volumes: Sequence[int], runs: int | None, days: int) -> list[Cell]:
    """List what to run, in the order of the populations; all of them where no names are given."""
    for name in names:
        if name not in NAMED:
            known = ", ".join(NAMED)
            raise typer.BadParameter(f"{name!r} is no population; there are {known}", param_hint="--population")
    chosen = [population for population in POPULATIONS if not names or population.name in names]
    return cells(chosen, volumes, runs, days)


def carry_out(policy: str, wanted: Sequence[Cell], *, seed: int, days: int, jobs: int | None) -> dict[Cell, Tally]:
    """Run the cells in `jobs` processes, one a processor where that is None, with a progress bar."""
    todo = list(tasks(policy, seed, days, wanted))
    done: dict[tuple[str, int], dict[int, list[Outcome]]] = defaultdict(dict)
    total = sum(task.last - task.first for task in todo)
    meter, runs = Meter("simulating", total), 0
    try:
        for task, outcomes in _worked(todo, jobs or min(os.cpu_count() or 1, MOST_JOBS)):
            done[task.population, task.volume][task.first] = outcomes
            runs += task.last - task.first
            meter.at(runs)
    finally:
        meter.close()
    return {cell: Tally(_in_order(done[cell.population, cell.volume])) for cell in wanted}


def _worked(todo: Sequence[Task], jobs: int) -> Iterator[tuple[Task, list[Outcome]]]:
    if min(jobs, len(todo)) <= 1:
        yield from map(work, todo)
        return
    with get_context("spawn").Pool(min(jobs, len(todo))) as pool:  # "spawn" everywhere: no thread is ever forked
        yield from pool.imap_unordered(work, todo)


def _in_order(parts: dict[int, list[Outcome]]) -> list[Outcome]:
    return [outcome for first in sorted(parts) for outcome in parts[first]]
