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
_QUICK_RUNS: Final = (6, 2_000)  # the fewest and the most of a cell, when nobody says how many
_QUICK_LOOKS: Final = 12_000  # of the judge at a cell
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


def cells(populations: Sequence[Population], volumes: Sequence[int], runs: int | None, days: int) -> list[Cell]:
    """List what to run: every volume of the populations, or `volumes`; `runs` each, or what is quickly done."""
    return [
        Cell(population.name, volume, runs if runs is not None else _quick(population, volume, days))
        for population in populations
        for volume in (volumes or population.volumes)
    ]


def _looks(population: Population, volume: int, days: int) -> float:
    """About how often a run has the judge look."""
    if population.through is not None:
        return _A_RUN + population.through
    return _A_RUN + volume * days * (_A_COUNTED_MAIL if population.counted else 1)


def _quick(population: Population, volume: int, days: int) -> int:
    fewest, most = _QUICK_RUNS
    return min(most, max(fewest, int(_QUICK_LOOKS / _looks(population, volume, days))))


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
