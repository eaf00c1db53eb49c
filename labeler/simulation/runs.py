"""Runs of populations: each under a judge of its own and with a generator of its own, so that any may be done anywhere.

What a run draws depends on the seed, the population, the volume and the number of the run, and on nothing else.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from labeler.reputation.inputs import PolicyActivated
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Policy
from labeler.simulation.counts_path import CountsPath, countable
from labeler.simulation.events_path import EventsPath
from labeler.simulation.mail import START
from labeler.simulation.passage import Outcome, Passage
from labeler.simulation.populations import NAMED, Population

LABELER: Final = "did:web:simulate.invalid"  # source of labels that nobody signs
FEWEST_RUNS: Final = 6  # of a cell, however dear one is
_QUICK_RUNS: Final = 2_000  # the most of a cell, when nobody says how many
_QUICK_S: Final = 1.0  # of work at a cell then
_LOOKS_A_SECOND: Final = (
    12_000  # of the judge, on one processor of 2026; the cells lie between a quarter and twice that
)
_LOOKS_A_TASK: Final = 10_000
_A_RUN: Final = 60  # looks that a run costs before the first mail
_A_COUNTED_MAIL: Final = 0.015  # looks that one costs


class Cell(NamedTuple):
    """A population at a volume, and how often it is run."""

    population: str
    volume: int
    runs: int


class Task(NamedTuple):
    """Some runs of one cell, for whatever process is free: those numbered `first` … `last` − 1."""

    policy: str
    seed: int
    days: int
    population: str
    volume: int
    first: int
    last: int


def cells(
    populations: Sequence[Population],
    volumes: Sequence[int],
    runs: int | None,
    days: int,
    budget_s: float | None = None,
) -> list[Cell]:
    """List what to run: every volume of the populations, or `volumes`.

    Each is run `runs` times, or as often as is quickly done; no cell for longer than about `budget_s` seconds of work,
    but at least `FEWEST_RUNS` times where so many are asked for. The cost of a run is reckoned, not measured: the same
    words make the same table on every machine.
    """
    most = runs if runs is not None else _QUICK_RUNS
    seconds = budget_s if budget_s is not None or runs is not None else _QUICK_S
    return [
        Cell(population.name, volume, _within(most, seconds, _looks(population, volume, days)))
        for population in populations
        for volume in (volumes or population.volumes)
    ]


def looks(cell: Cell, days: int) -> float:
    """About how often the runs of a cell have the judge look, in all."""
    return cell.runs * _looks(NAMED[cell.population], cell.volume, days)


def _looks(population: Population, volume: int, days: int) -> float:
    """About how often a run has the judge look."""
    mails: float = volume * days * population.members
    if population.through is not None:
        mails = min(mails, population.through)
    elif population.counted:
        mails *= _A_COUNTED_MAIL
    return _A_RUN + mails


def _within(runs: int, seconds: float | None, looks_a_run: float) -> int:
    if seconds is None:
        return runs
    return min(runs, max(FEWEST_RUNS, int(seconds * _LOOKS_A_SECOND / looks_a_run)))


def tasks(policy: str, seed: int, days: int, wanted: Sequence[Cell]) -> Iterator[Task]:
    """Cut the cells into tasks of a few seconds at most."""
    for cell in wanted:
        size = max(1, math.ceil(_LOOKS_A_TASK / _looks(NAMED[cell.population], cell.volume, days)))
        for first in range(0, cell.runs, size):
            last = min(first + size, cell.runs)
            yield Task(policy, seed, days, cell.population, cell.volume, first, last)


def work(task: Task) -> tuple[Task, list[Outcome]]:
    """Do a task: the outcomes of its runs, in their order."""
    population, judge = NAMED[task.population], _activated(task.policy)
    outcomes: list[Outcome] = []
    for number in range(task.first, task.last):
        rng = generator(task.seed, population.name, task.volume, number)
        outcomes += run(judge, population, task.volume, task.days, rng)
    return task, outcomes


def generator(seed: int, population: str, volume: int, number: int) -> np.random.Generator:
    """Make the generator of one run."""
    return np.random.default_rng([seed, crc32(population.encode()), volume, number])


def run(
    judge: Judge, population: Population, volume: int, days: int, rng: np.random.Generator, *, count: bool = True
) -> list[Outcome]:
    """Run a population once, under a copy of `judge`. Unless `count`, event by event even where counting would do."""
    policy = activated_policy(judge)
    scripts = population.behaviour(rng, volume, days, policy.caps)
    shared = {id(part): part for part in (policy, *policy.rules)}  # nothing writes to them
    passage = Passage(copy.deepcopy(judge, shared), scripts)
    counted = population.counted and count and countable(policy)
    return passage.run(CountsPath(scripts[0].mail, policy) if counted else EventsPath(), days)


def activated_policy(judge: Judge) -> Policy:
    """The policy of a judge that has one."""
    if judge.policy is None:
        raise ValueError("a policy must have been activated")
    return judge.policy


@lru_cache(maxsize=1)
def _activated(policy: str) -> Judge:
    judge = Judge(LABELER)
    judge.step(PolicyActivated(START, policy))
    return judge
