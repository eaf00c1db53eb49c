"""`labeler replay`: the fold over recorded inputs, with nothing published."""

import asyncio
import importlib.resources
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from labeler.adapters.keyfile import KeyFileSigner
from labeler.atproto import cbor
from labeler.atproto.label import sign_label
from labeler.atproto.syntax import parse_datetime
from labeler.cli.console import Meter, note, show_json, show_table
from labeler.cli.options import CONFIG, AsJson
from labeler.cli.recording import Recording
from labeler.errors import BadInput
from labeler.ports import Signer
from labeler.reputation.inputs import Input, PolicyActivated, Tick
from labeler.reputation.judge import Judge
from labeler.reputation.subject import Emission
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
Sign = Annotated[bool, typer.Option("--sign", help="Print the signed labels, made with the configured key.")]
MaybeConfig = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration; labeler.toml where there is one.")
]


@app.command(epilog="Example: labeler replay --policy new-policy.toml events.ndjson.zst")
def replay(
    files: Files = None,
    policy: PolicyFile = None,
    until: Until = None,
    sign: Sign = False,
    config: MaybeConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show which labels recorded telemetry leads to.

    Without FILE: what the configured input log led to. Nothing is published and no server is touched. With --json each
    line is one label change.
    """
    end = _moment(until) if until is not None else None
    settings = settings_for(config, needed=sign or not files, wanted=policy is None)
    signer = KeyFileSigner(settings.service.signing_key_file) if sign and settings is not None else None
    report = Report(signer, as_json)
    judge = Judge(settings.service.did if settings is not None else NOBODY)
    if files:
        recording = Recording(files)
        asyncio.run(_walk(recording.inputs(), Walk(judge, timers=True), policy_text(policy, settings), end, report))
        note(str(recording))
    elif settings is not None:
        text = read_policy(policy) if policy is not None else None
        asyncio.run(_walk(_stored(settings), Walk(judge, timers=text is not None), text, end, report))
    report.close()
    policy_used = f"; policy {judge.policy.name}, sha256 {judge.policy.hash}" if judge.policy is not None else ""
    note(f"label changes: {report.changes}{policy_used}")


class Report:
    """The changes as they come: lines for machines, at the end a table for people."""

    def __init__(self, signer: Signer | None, as_json: bool) -> None:
        self._signer = signer
        self._as_json = as_json
        self._rows: list[tuple[str, ...]] = []
        self.changes = 0

    def add(self, emission: Emission) -> None:
        """Take one change."""
        self.changes += 1
        if self._signer is not None:
            show_json(sign_label(emission.label, self._signer).to_json())
        elif self._as_json:
            show_json(change_line(emission))
        else:
            label, line = emission.label, change_line(emission)
            mark = "−" if label.neg else "+"
            self._rows.append(
                (label.cts, label.uri, mark + label.val, label.exp or "–", emission.rule, line["finding"]["text"])
            )

    def close(self) -> None:
        """Show the table."""
        if self._signer is None and not self._as_json:
            show_table(("at", "uri", "change", "until", "by", "why"), self._rows)


def change_line(emission: Emission) -> dict[str, Any]:
    """One label change for machines. `finding` is the rule's, with its numbers, or only the `text` of the reason."""
    label = emission.label
    findings = _findings(emission.evidence)
    finding = next((found for found in findings if found["rule"] == emission.rule), None)
    line: dict[str, Any] = {"at": label.cts, "uri": label.uri, "val": label.val}
    if label.neg:
        line["neg"] = True
    if label.exp is not None:
        line["exp"] = label.exp
    return line | {"rule": emission.rule, "finding": finding or {"text": emission.reason}}


def _findings(evidence: bytes) -> list[dict[str, Any]]:
    record = cbor.decode(evidence)
    found = record["findings"] if isinstance(record, dict) else []
    return [finding for finding in found if isinstance(finding, dict)] if isinstance(found, list) else []


async def _walk(
    inputs: AsyncIterator[Input], walk: Walk, text: str | None, until: datetime | None, report: Report
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
                _take(walk, PolicyActivated(record.received, text), report)
        _take(walk, record, report)
    if until is not None:
        for emission in walk.run_on(until):
            report.add(emission)


def _take(walk: Walk, record: Input, report: Report) -> None:
    for emission in walk.take(record):
        report.add(emission)


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
