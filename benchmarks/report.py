"""One row a stage: the figure, the reference beside it, and their ratio."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROUNDS = 3


class Row(NamedTuple):
    """`ours` and `reference` in units a second, measured alternately in one run."""

    stage: str
    unit: str
    ours: float
    reference: float
    against: str


def rate(count: int, work: Callable[[], object]) -> float:
    """Units a second of one call that handles `count` units."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def alternate(ours: Callable[[], float], reference: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, taken in turn, so that a busy machine slows both alike."""
    pairs = [(ours(), reference()) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table(title="Measured side by side, medians of alternating rounds")
    for heading in ("stage", "ours", "reference", "ratio", "reference is"):
        table.add_column(heading, justify="right" if heading in {"ours", "reference", "ratio"} else "left")
    for row in rows:
        ours, reference = f"{row.ours:,.0f} {row.unit}", f"{row.reference:,.0f} {row.unit}"
        table.add_row(row.stage, ours, reference, f"{row.ours / row.reference:.2f}", row.against)
    Console().print(table)
