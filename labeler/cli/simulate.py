"""`labeler policy simulate`: what a policy does to senders we know everything about.

With recorded events it is `labeler replay`. Without, it draws populations and says how often the honest are
stopped and how soon the others, each figure with its exact interval.
"""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from labeler.cli.console import note, say
from labeler.cli.options import AsJson
from labeler.cli.replay import Files, MaybeConfig, Until, policy_text, replay, settings_for
from labeler.errors import Misconfigured
from labeler.reputation.policy import parse_policy

app = typer.Typer(add_completion=False)

SEED: Final = 104_729  # nothing was ever tuned on it
DAYS: Final = 30

PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="The policy to try; else the configured one, or ours.")
]
Names = Annotated[list[str] | None, typer.Option("--population", metavar="NAME", help="Only this one; repeatable.")]
Volumes = Annotated[list[int] | None, typer.Option("--volume", min=1, help="Only so many mails a day; repeatable.")]
Runs = Annotated[int | None, typer.Option(min=1, help="Runs of each population at each volume; else a minute's worth.")]
Seed = Annotated[int, typer.Option(min=0, help="Where the draws begin.")]
Budget = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="At most about so much work for one population at one volume: fewer runs there.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 also where too few runs leave a goal undecided.")]
Days = Annotated[int, typer.Option(min=14, max=366, help="Simulated days of each run.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processes at work; else one a processor.")]
Plots = Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw the figures there, as PNG and SVG.")]


@app.command(epilog="Example: labeler policy simulate --policy new-policy.toml --population honest --runs 20000")
def simulate(  # noqa: PLR0913, PLR0917 - each is an option or an argument of the command
    files: Files = None,
    policy: PolicyFile = None,
    until: Until = None,
    population: Names = None,
    volume: Volumes = None,
    runs: Runs = None,
    budget: Budget = None,
    seed: Seed = SEED,
    days: Days = DAYS,
    jobs: Jobs = None,
    plots: Plots = None,
    strict: Strict = False,
    config: MaybeConfig = None,
    as_json: AsJson = False,
) -> None:
    """Try a policy on recorded events, or on simulated members.

    With FILE: each label change, as `labeler replay` shows it. Without: how often honest members are stopped and how
    soon others are; the last line says how many goals were met. Nothing is published and no server is touched. Exit
    code 1 if a goal was missed, with --strict also if one is undecided.
    """
    if files:
        replay(files=files, policy=policy, until=until, config=config, as_json=as_json)
        return
    if until is not None:
        raise typer.BadParameter("only recorded events have an end to run on from", param_hint="--until")
    text = policy_text(policy, settings_for(config, needed=False, wanted=policy is None))
    judged_by = parse_policy(text)
    work = _needing("numpy", "labeler.cli.simulation_runs")
    report = _needing("numpy", "labeler.cli.simulation_report")
    figures = _needing("matplotlib", "labeler.cli.simulation_figures") if plots is not None else None
    wanted = work.wanted(population or [], volume or [], runs, days, budget)
    rows = report.rows(work.carry_out(text, wanted, seed=seed, days=days, jobs=jobs), days)
    report.show(rows, seed=seed, as_json=as_json)
    if figures is not None:
        note(figures.draw(rows, plots))
    seconds = sum(row.seconds for row in rows)
    note(f"policy {judged_by.name}, sha256 {judged_by.hash}; seed {seed}, {days} days, {seconds:.0f} s of work")
    (note if as_json else say)(report.verdict(rows))
    if not all(row.met and (row.decided or not strict) for row in rows):
        raise typer.Exit(1)


def _needing(library: str, module: str) -> Any:
    """Import a module of ours that needs a library not everybody has; raises `Misconfigured` where it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        message = f"{library} is not installed; do: pip install 'mail-reputation-labeler[simulate]'"
        raise Misconfigured(message) from error
