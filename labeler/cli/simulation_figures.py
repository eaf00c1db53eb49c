"""Figures of a simulation, as PNG and SVG: shares over volume with their intervals, and how soon the others are met."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from labeler.cli.simulation_report import Row
from labeler.errors import Misconfigured

_FORMS: Final = ("png", "svg")
_SIZE: Final = (7.0, 4.5)  # inches


def draw(rows: Sequence[Row], folder: Path) -> str:
    """Draw a figure of each population into `folder`, and say what was written; raises `Misconfigured` where it
    cannot be."""
    mpl.rcParams["svg.hashsalt"] = "labeler"  # the same figures give the same bytes
    written = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(row.population.name for row in rows):
            own = [row for row in rows if row.population.name == name]
            figure = _figure(own)
            for form in _FORMS:
                figure.savefig(folder / f"{name}.{form}", metadata={"Date": None} if form == "svg" else None)
                written += 1
    except OSError as error:
        raise Misconfigured(f"{folder}: cannot be written: {error.strerror}") from error
    return f"{written} files in {folder}"


def _figure(rows: Sequence[Row]) -> Figure:
    """Rates where a share is promised or nothing is, sends where a number of sends is."""
    goal = rows[0].population.goal
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    if any(limit is not None for limit in (goal.median_throttle, goal.median_suspend, goal.within_throttle)):
        _sends_over_members(axes, rows)
    else:
        _shares_over_volume(axes, rows)
    axes.set_title(f"{rows[0].population.name}: {rows[0].population.about}", fontsize=8, wrap=True)
    axes.legend(fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    return figure


def _shares_over_volume(axes: Any, rows: Sequence[Row]) -> None:
    goal = rows[0].population.goal
    for name, colour, limit in (
        ("throttled", "tab:orange", goal.false_throttle),
        ("suspended", "tab:red", goal.false_suspend),
    ):
        shares = [getattr(row.tally, name) for row in rows]
        values = [share.value * 100 for share in shares]
        ends = [share.interval for share in shares]
        below = [value - lower * 100 for value, (lower, _) in zip(values, ends, strict=True)]
        above = [upper * 100 - value for value, (_, upper) in zip(values, ends, strict=True)]
        spread = [[max(0.0, length) for length in side] for side in (below, above)]
        axes.errorbar([row.volume for row in rows], values, spread, color=colour, marker="o", capsize=3, label=name)
        if limit is not None:
            axes.axhline(limit * 100, color=colour, linestyle=":", label=f"{name}, goal")
    axes.set_xscale("log")
    axes.set_xlabel("mails a day")
    axes.set_ylabel("% of members in the simulated time, 95 % interval")


def _sends_over_members(axes: Any, rows: Sequence[Row]) -> None:
    goal = rows[0].population.goal
    for number, row in enumerate(rows):
        for name, style in (("throttled", "-"), ("suspended", "--")):
            sends = getattr(row.tally, f"{name}_after")
            shares = [(place + 1) / row.tally.n for place in range(len(sends))]
            label = f"{name}, {row.volume} a day"
            axes.step(sends, shares, style, where="post", color=f"C{number}", label=label)
    for limit in (goal.median_throttle, goal.median_suspend, goal.within_throttle, goal.within_suspend):
        if limit is not None:
            axes.axvline(limit, color="grey", linestyle=":")
    axes.set_xscale("log")
    axes.set_xlabel("mails sent")
    axes.set_ylabel("share of members restricted by then")
    axes.set_ylim(0, 1.02)
