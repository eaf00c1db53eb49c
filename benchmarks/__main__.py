"""`make bench`: every stage, one table."""

from rich.console import Console

from benchmarks import append, fold, replay, submit
from benchmarks.report import Row, show

STAGES = {
    "fold": fold.measure,
    "wide fold": fold.measure_wide,
    "append": append.measure,
    "replay": replay.measure,
    "submit": submit.measure,
}


def main() -> None:
    """Measure every stage and print the table."""
    rows: list[Row] = []
    with Console(stderr=True).status("measuring") as status:
        for name, measure in STAGES.items():
            status.update(f"measuring {name}")
            rows.append(measure())
    show(rows)


if __name__ == "__main__":
    main()
