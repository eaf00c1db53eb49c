"""`labeler audit verify|export|head`: read from the files, beside a running service or without one."""

import asyncio
import base64
from typing import Annotated, Any, Final

import typer

from labeler.cli.console import Meter, say, show_json
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.errors import BadInput, Corrupt
from labeler.moderation.audit import GENESIS, Head, Link, parse_pin
from labeler.service.audit_check import Verdict
from labeler.service.audit_check import verify as verify_logs
from labeler.settings import Settings, load_settings
from labeler.wiring import audited

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Verify, export and pin the audit chain.")

PAGE: Final = 1_000  # entries read at once
STEPS: Final = 1_000  # of the progress bar

Pins = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="N:HASH", help="A head noted elsewhere; the chain must lead through it. Repeatable."),
]
After = Annotated[int, typer.Option(min=0, metavar="N", help="Begin behind this entry.")]


@app.command(epilog="Example: labeler audit verify --config /etc/labeler/labeler.toml --pin 1200:5f0c…")
def verify(config: Config = CONFIG, pin: Pins = None, as_json: AsJson = False) -> None:
    """Compute the audit chain anew and hold both logs against it.

    Found is whatever was edited, deleted, put in or moved: in the chain, among the labels, among the words of people.
    A tail cut off everywhere is found by a pin only. Exit code 1 if anything is wrong, with the first place named.
    """
    verdict = asyncio.run(_verify(load_settings(config), dict(map(_pin, pin or ()))))
    if as_json:
        told: dict[str, Any] = {"ok": verdict.fault is None, "n": verdict.head.n, "hash": verdict.head.hash.hex()}
        told |= {"labels": verdict.labels, "words": verdict.words}
        show_json(told if verdict.fault is None else told | {"fault": verdict.fault})
    elif verdict.fault is None:
        counted = f"{verdict.head.n} entries, {verdict.labels} labels, {verdict.words} words and policies"
        say(f"good: {counted}; {verdict.head}")
    else:
        say(f"wrong: {verdict.fault}")
    if verdict.fault is not None:
        raise typer.Exit(1)


@app.command(
    epilog="Example: labeler audit export --config /etc/labeler/labeler.toml | python conformance/check_audit.py"
)
def export(config: Config = CONFIG, after: After = 0, as_json: AsJson = True) -> None:
    """Print the chain, as NDJSON always: n, hash in hex, the entry, its canonical bytes in base64."""
    asyncio.run(_export(load_settings(config), after))


@app.command(epilog="Example: labeler audit head --config /etc/labeler/labeler.toml >> /elsewhere/pins")
def head(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Print where the chain ends, N:HASH, to be noted where this machine cannot write."""
    found = asyncio.run(_head(load_settings(config)))
    if as_json:
        show_json({"n": found.n, "hash": found.hash.hex(), "at": found.at})
    else:
        say(str(found))


async def _verify(settings: Settings, pins: dict[int, bytes]) -> Verdict:
    meter = Meter("verifying", STEPS)
    try:
        async with audited(settings) as (telemetry, labels):
            return await verify_logs(labels, telemetry, pins, lambda share: meter.at(int(share * STEPS)))
    except Corrupt as error:  # a file that contradicts itself cannot be opened
        return Verdict(Head(0, GENESIS, ""), 0, 0, str(error))
    finally:
        meter.close()


async def _export(settings: Settings, after: int) -> None:
    async with audited(settings) as (_, labels):
        while page := await labels.audit(after, PAGE):
            for link in page:
                show_json(_record(link))
            after = page[-1].n


async def _head(settings: Settings) -> Head:
    async with audited(settings) as (_, labels):
        return await labels.audit_head()


def _record(link: Link) -> dict[str, Any]:
    raw = base64.b64encode(link.raw).decode("ascii")
    return {"n": link.n, "hash": link.hash.hex(), "entry": link.entry._asdict(), "bytes": raw}


def _pin(text: str) -> tuple[int, bytes]:
    try:
        return parse_pin(text)
    except BadInput as error:
        raise typer.BadParameter(error.message, param_hint="--pin") from None
