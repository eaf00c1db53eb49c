"""`make mutants`: try every mutation, show a table, end with 1 when one survives."""

import argparse
import json
import random
import sys

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.conformance_table import ROOT
from tests.mutants.running import Outcome, digests, mutants, remembered, run

MEMORY = ROOT / ".mutants.json"


def main() -> int:
    """Try what is not known yet: verdicts of an unchanged tree are remembered, so a broken-off run goes on."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="copies tried side by side (default: 2)")
    parser.add_argument("--row", type=int, action="append", help="only this row (may be repeated)")
    parser.add_argument("--sample", type=int, help="only so many, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="forget the verdicts of earlier runs")
    options = parser.parse_args()

    chosen = [mutant for mutant in mutants() if not options.row or mutant.row in options.row]
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    known = {} if options.fresh else remembered(MEMORY)
    names = digests(chosen)
    outcomes = [Outcome(mutant, known[name]) for mutant, name in names.items() if name in known]
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("mutants", total=len(chosen), completed=len(outcomes))
        for outcome in run([mutant for mutant in chosen if names[mutant] not in known], options.workers):
            outcomes.append(outcome)
            if outcome.verdict == "killed":
                known[names[outcome.mutant]] = outcome.verdict
                MEMORY.write_text(json.dumps({name: known[name] for name in names.values() if name in known}))
            progress.advance(task)

    table = Table("row", "file", "test", "verdict", box=None)
    for mutant, verdict in sorted(outcomes):
        style = "green" if verdict == "killed" else "bold red"
        table.add_row(str(mutant.row), mutant.file, mutant.test.rpartition("::")[2], verdict, style=style)
    console.print(table)
    killed = sum(outcome.verdict == "killed" for outcome in outcomes)
    console.print(f"{killed} of {len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
