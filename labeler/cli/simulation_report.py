"""What a simulation came to: a table for people, a line of JSON a cell for machines."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from labeler.cli.console import say, show_json, show_table
from labeler.cli.simulation_runs import Done
from labeler.simulation.goals import ALL
from labeler.simulation.populations import NAMED, Population
from labeler.simulation.runs import Cell
from labeler.simulation.tally import HALF, Check, Share, Tally, Verdict

COLUMNS: Final = (
    "population",
    "mails/day",
    "n",
    "ms/run",
    "throttled %",
    "suspended %",
    "sends until throttled",
    "until suspended",
    "changes/30 d",
    "goal",
    "met",
)  # fmt: skip
NEARLY_ALL: Final = 0.9
_MARKS: Final = {Verdict.MISSED: "✗", Verdict.OPEN: "?", Verdict.MET: "✓", Verdict.SURE: "✓✓"}  # the worst first
_KEY: Final = (
    "n: members run; ms/run: of one processor. Shares with their exact 95 % intervals (Clopper-Pearson); sends: "
    "median / 90 %. ✓ met, ✓✓ met by all of the interval, ? not met, but too few runs to tell, ✗ missed."
)


class Row(NamedTuple):
    """One population at one volume, measured and held against its goal."""

    population: Population
    volume: int
    runs: int
    seconds: float
    tally: Tally
    changes: float
    checks: list[Check]

    @property
    def met(self) -> bool:
        """Whether no part of the goal was missed; nothing promised is nothing broken."""
        return all(check.verdict is not Verdict.MISSED for check in self.checks)

    @property
    def decided(self) -> bool:
        """Whether every part of the goal is met or missed, and none left to chance."""
        return all(check.verdict is not Verdict.OPEN for check in self.checks)

    @property
    def more_runs(self) -> int:
        """About how many more runs would decide what is not; 0 where all is. A run may have several members."""
        members = max((check.undecided for check in self.checks), default=0)
        return math.ceil(members * self.runs / max(1, self.tally.n))


def rows(cells: Mapping[Cell, Done], days: int) -> list[Row]:
    """Hold every cell against the goal of its population."""
    found = []
    for cell, (tally, seconds) in cells.items():
        population = NAMED[cell.population]
        checks = tally.checks(population.goal, days)
        found.append(Row(population, cell.volume, cell.runs, seconds, tally, tally.changes_in(days), checks))
    return found


def verdict(found: Sequence[Row]) -> str:
    """Say in one line how many goals were met, missed and left undecided, and what would decide those."""
    counted = Counter(check.verdict for row in found for check in row.checks)
    sure, missed, left = counted[Verdict.SURE], counted[Verdict.MISSED], counted[Verdict.OPEN]
    met = sure + counted[Verdict.MET]
    told = f"{counted.total()} goals: {met} met, {sure} of them surely; {missed} missed; {left} undecided"
    needs = [
        f"{_about(row.more_runs)} of {row.population.name} at {_spaced(row.volume)} a day"
        for row in found
        if not row.decided
    ]
    return f"{told}; about so many more runs would decide: {', '.join(needs)}" if needs else told


def _about(runs: int) -> str:
    """To two digits: it is an estimate."""
    step = 10 ** max(0, len(str(runs)) - 2)
    return _spaced(math.ceil(runs / step) * step)


def _spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def show(found: Sequence[Row], *, seed: int, as_json: bool) -> None:
    """Print all of it."""
    if as_json:
        for row in found:
            show_json(_line(row, seed))
        return
    show_table(COLUMNS, [_cells(row) for row in found])
    say("")
    for population in dict.fromkeys(row.population for row in found):
        say(f"{population.name}: {population.about}")
    say(_KEY)


def _cells(row: Row) -> tuple[str, ...]:
    tally = row.tally
    return (
        row.population.name,
        _spaced(row.volume),
        str(tally.n),
        f"{row.seconds / row.runs * 1000:.3g}",
        _percent(tally.throttled),
        _percent(tally.suspended),
        _sends(tally, tally.throttled_after),
        _sends(tally, tally.suspended_after),
        f"{row.changes:.2f}",
        row.population.goal.text or "–",
        _mark(row),
    )


def _percent(share: Share) -> str:
    lower, upper = (f"{end * 100:.3g}" for end in share.interval)
    return f"{share.value * 100:.3g} [{lower}, {upper}]"


def _sends(tally: Tally, sends: Sequence[int]) -> str:
    return " / ".join(_number(tally.after(sends, share)) for share in (HALF, NEARLY_ALL))


def _number(sends: float) -> str:
    return "never" if math.isinf(sends) else f"{sends:.0f}"


def _mark(row: Row) -> str:
    """The worst of the verdicts, and which parts are not met."""
    verdicts = {check.verdict for check in row.checks}
    for verdict, mark in _MARKS.items():
        if verdict in verdicts:
            names = [check.name for check in row.checks if check.verdict is verdict]
            return mark if verdict in (Verdict.MET, Verdict.SURE) else f"{mark} {', '.join(names)}"
    return "–"


def _line(row: Row, seed: int) -> dict[str, Any]:
    tally = row.tally
    return {
        "population": row.population.name,
        "about": row.population.about,
        "volume": row.volume,
        "seed": seed,
        "n": tally.n,
        "throttled": _share(tally.throttled),
        "suspended": _share(tally.suspended),
        "early": tally.early.k,
        "sendsUntilThrottled": _quantiles(tally, tally.throttled_after),
        "sendsUntilSuspended": _quantiles(tally, tally.suspended_after),
        "changesIn30Days": round(row.changes, 4),
        "cleared": _share(tally.cleared) if tally.cleared.n else None,
        "goal": [
            {
                "name": check.name,
                "value": check.value,
                "lower": check.interval[0],
                "upper": check.interval[1],
                "limit": check.limit,
                "verdict": check.verdict.value,
            }
            for check in row.checks
        ],
        "met": row.met,
    }


def _share(share: Share) -> dict[str, Any]:
    lower, upper = share.interval
    return {"k": share.k, "n": share.n, "share": share.value, "lower": lower, "upper": upper}


def _quantiles(tally: Tally, sends: Sequence[int]) -> dict[str, int | None]:
    """Median, 90 % and 99 %; null where so many never were."""
    found = {f"p{share * 100:.0f}": tally.after(sends, share) for share in (HALF, NEARLY_ALL, ALL)}
    return {name: None if math.isinf(number) else int(number) for name, number in found.items()}
