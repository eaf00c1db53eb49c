"""`labeler replay`: the fold over recorded inputs, by one policy or by two, with nothing published."""

import asyncio
import importlib.resources
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from labeler.adapters.keyfile import KeyFileSigner
from labeler.atproto.syntax import parse_datetime
from labeler.cli.changes import Changes
from labeler.cli.console import Meter, note
from labeler.cli.disagreements import Disagreements
from labeler.cli.options import CONFIG, AsJson
from labeler.cli.recording import Recording
from labeler.errors import BadInput
from labeler.reputation.canary import NO_GRACE, Canary
from labeler.reputation.inputs import Input, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.service.oversight import GRACE
from labeler.service.policy_file import read_policy
from labeler.settings import Settings, load_settings
from labeler.walk import Walk
from labeler.wiring import input_log

app = typer.Typer(add_completion=False)

NOBODY: Final = "did:web:replay.invalid"  # source of labels that nobody signs
PAGE: Final = 64  # records of the log read at once

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help='NDJSON, plain, gzip or zstd, merged by time; "-" is stdin.'),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Judge by this policy; else by the configured one.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Let time run on to here after the last event.")]
Against = Annotated[
    Path | None,
    typer.Option("--against", metavar="FILE", help="Show what this policy would say otherwise, not the changes."),
]
Shadow = Annotated[bool, typer.Option("--shadow", help="Show also what is decided in shadow only.")]
Sign = Annotated[bool, typer.Option("--sign", help="Print the signed labels, made with the configured key.")]
MaybeConfig = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration; labeler.toml where there is one.")
]


@app.command(epilog="Example: labeler replay --policy new-policy.toml events.ndjson.zst")
def replay(
    files: Files = None,
    policy: PolicyFile = None,
    against: Against = None,
    until: Until = None,
    shadow: Shadow = False,
    sign: Sign = False,
    config: MaybeConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show which labels recorded telemetry leads to.

    Without FILE: what the configured input log led to. Nothing is published and no server is touched. With --json each
    line is one label change; with --against as well, one label that stands under one of the two policies only.
    """
    if against is not None and (sign or shadow):
        raise typer.BadParameter("shows labels of two policies; leave --sign and --shadow out", param_hint="--against")
    end = _moment(until) if until is not None else None
    settings = settings_for(config, needed=sign or not files, wanted=policy is None)
    signer = KeyFileSigner(settings.service.signing_key_file) if sign and settings is not None else None
    judge = Judge(settings.service.did if settings is not None else NOBODY)
    report: Changes | Disagreements = Changes(signer, as_json=as_json, shadow=shadow)
    if against is not None:
        grace = NO_GRACE if files or policy is not None else GRACE  # only recorded ticks come a moment late
        report = Disagreements(Canary(judge.src, read_policy(against), grace=grace), as_json=as_json, until=end)
    if files:
        recording = Recording(files)
        asyncio.run(_walk(recording.inputs(), Walk(judge, timers=True), policy_text(policy, settings), end, report))
        note(str(recording))
    elif settings is not None:
        text = read_policy(policy) if policy is not None else None
        asyncio.run(_walk(_stored(settings), Walk(judge, timers=text is not None), text, end, report))
    report.close(f"; policy {judge.policy.name}, sha256 {judge.policy.hash}" if judge.policy is not None else "")


async def _walk(
    inputs: AsyncIterator[Input], walk: Walk, text: str | None, until: datetime | None, report: Changes | Disagreements
) -> None:
    """Take every input and report. With `text`, that policy judges from the first input on, instead of the recorded
    ones; recorded ticks go with them, for they fired for labels that this policy may not issue."""
    judged = False
    async for record in inputs:
        if text is not None:
            if isinstance(record, PolicyActivated | Tick):
                continue
            if not judged:
                judged = True
                activated = PolicyActivated(record.received, text)
                report.take(activated, walk.take(activated))
        report.take(record, walk.take(record))
    if until is not None:
        report.take(None, walk.run_on(until))


async def _stored(settings: Settings) -> AsyncIterator[Input]:
    """Read the configured log up to where it ends now."""
    async with input_log(settings) as log:
        head, position = await log.head(), 0
        meter = Meter("replaying", head)
        try:
            while position < head and (page := await log.read(position, PAGE)):
                for position, record in page:  # noqa: B007 - the last position is where the next page begins
                    yield record
                meter.at(position)
        finally:
            meter.close()


def settings_for(config: Path | None, *, needed: bool, wanted: bool) -> Settings | None:
    """The configuration where it is asked for, or where it is wanted and lies at its usual place."""
    if needed or (wanted and (config is not None or CONFIG.exists())):
        return load_settings(config if config is not None else CONFIG)
    return None


def policy_text(path: Path | None, settings: Settings | None) -> str:
    """The policy of that file; else the configured one; else the one we ship."""
    if path is not None:
        return read_policy(path)
    if settings is not None:
        return read_policy(settings.service.policy_file)
    return importlib.resources.files("labeler").joinpath("policy.toml").read_text(encoding="utf-8")


def _moment(text: str) -> datetime:
    try:
        return parse_datetime(text)
    except BadInput:
        message = "not a time; write it like 2026-01-31T00:00:00Z"
        raise typer.BadParameter(message, param_hint="--until") from None
