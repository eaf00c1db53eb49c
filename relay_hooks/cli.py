"""`relay-hooks`: the hooks without a mail server around them, for scripts and for having a look."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import msgspec

from labeler.atproto.label import Label
from labeler.errors import BadInput, Misconfigured
from labeler.reputation.events import SendEvent
from relay_hooks.cache import LabelCache
from relay_hooks.cache_file import CacheFile
from relay_hooks.identity import PLC_DIRECTORY, IdentityResolver
from relay_hooks.reporter import TelemetryReporter
from relay_hooks.subscriber import LabelSubscriber

TOKEN_VARIABLE = "RELAY_HOOKS_TOKEN"  # noqa: S105 - the name of a variable, not a token
DONE, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
_LINES_AT_ONCE = 4_000  # below half the reporter's buffer, so that reading fast drops nothing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns 0 done, 1 something was refused, 2 usage or configuration, 3 could not reach something."""
    options = _parser().parse_args(arguments)
    try:
        match options.verb:
            case "report":
                return asyncio.run(_report(options))
            case "follow":
                return asyncio.run(_follow(options))
            case _:
                _print(f"relay-hooks {version('mail-reputation-labeler')}")
                return DONE
    except (Misconfigured, BadInput) as error:
        sys.stderr.write(f"relay-hooks: {error}\n")
        return USAGE
    except KeyboardInterrupt:
        return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="relay-hooks",
        allow_abbrev=False,
        description="Telemetry out, labels in: what a mail relay embeds, from the command line.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("version", help="print the version")

    report = verbs.add_parser(
        "report",
        allow_abbrev=False,  # --token must not pass for --token-file
        help="send events, one JSON object a line on standard input",
        epilog="example: relay-hooks report --labeler https://labeler.example.com --token-file token < events.ndjson",
    )
    report.add_argument("--labeler", required=True, metavar="URL", help="origin of the labeler")
    report.add_argument(
        "--token-file", type=Path, metavar="FILE", help=f"file with the relay's token; without it ${TOKEN_VARIABLE}"
    )
    report.add_argument(
        "--spool", type=Path, default=Path("relay-hooks-spool"), metavar="DIR", help="where events wait (%(default)s)"
    )
    report.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="seconds to wait for the labeler (%(default)s)"
    )
    report.add_argument("--json", action="store_true", help="print the counts as JSON")

    follow = verbs.add_parser(
        "follow",
        allow_abbrev=False,
        help="print verified labels as they come",
        epilog="example: relay-hooks follow --labeler did:web:labeler.example.com --json",
    )
    follow.add_argument("--labeler", required=True, metavar="DID", help="DID of the labeler")
    follow.add_argument("--endpoint", metavar="URL", help="where to connect, instead of what the DID document says")
    follow.add_argument("--plc", default=PLC_DIRECTORY, metavar="URL", help="directory for did:plc (%(default)s)")
    follow.add_argument("--state", type=Path, metavar="FILE", help="remember labels and cursor here, and resume")
    follow.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    follow.add_argument("--json", action="store_true", help="print each label as JSON, with its seq")
    return parser


async def _report(options: argparse.Namespace) -> int:
    reporter = TelemetryReporter(options.labeler, _token(options.token_file), options.spool)
    invalid = 0
    decoder = msgspec.json.Decoder(SendEvent)
    async with reporter:
        lines = 0
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            if not line.strip():
                continue
            try:
                reporter.report(decoder.decode(line))
            except msgspec.MsgspecError as error:
                invalid += 1
                sys.stderr.write(f"relay-hooks: not an event: {error}\n")
            lines += 1
            if lines % _LINES_AT_ONCE == 0:
                await reporter.flush(options.timeout)
        sent = await reporter.flush(options.timeout)
    stats = reporter.stats
    counts = {**asdict(stats), "invalid": invalid}
    _print(
        json.dumps(counts)
        if options.json
        else f"{stats.sent} sent, {stats.duplicates} duplicates, {stats.rejected + invalid} rejected, "
        f"{sum(stats.dropped.values())} dropped, {stats.waiting} waiting in {options.spool}"
    )
    for refused in reporter.last_rejected:
        sys.stderr.write(f"relay-hooks: {refused.event.get('id')}: {refused.error}: {refused.message}\n")
    if not sent:
        sys.stderr.write(f"relay-hooks: {stats.last_failure or 'the labeler did not take everything in time'}\n")
        return UNREACHABLE
    return FAILED if invalid or stats.rejected or stats.dropped else DONE


async def _follow(options: argparse.Namespace) -> int:
    def show(label: Label, seq: int) -> None:
        if options.json:
            _print(json.dumps({"seq": seq, **label.to_json()}))
        else:
            sign, until = ("-" if label.neg else "+"), (f" until {label.exp}" if label.exp else "")
            _print(f"{seq:>8}  {label.cts}  {sign}{label.val}  {label.uri}{until}")

    subscriber = LabelSubscriber(
        options.labeler,
        LabelCache(options.labeler),
        cache_file=CacheFile(options.state) if options.state else None,
        resolver=IdentityResolver(plc_directory=options.plc),
        endpoint=options.endpoint,
        on_label=show,
    )
    async with subscriber:
        with suppress(TimeoutError):
            async with asyncio.timeout(options.seconds):
                sys.stderr.write(f"relay-hooks: {await subscriber.stopped()}\n")
                return FAILED
    if not subscriber.stats.connections:
        sys.stderr.write(f"relay-hooks: {subscriber.stats.last_failure or 'no connection'}\n")
        return UNREACHABLE
    return DONE


def _token(file: Path | None) -> str:
    """Read the relay's token: from a file or the environment, never from the command line, which others can see."""
    if file is not None:
        try:
            token = file.read_text().strip()
        except OSError as error:
            raise Misconfigured(f"token file {file}: {error.strerror}") from error
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()  # noqa: TID251 - the one secret a relay hands over
    if not token:
        raise Misconfigured(f"no token: set {TOKEN_VARIABLE} or give --token-file")
    return token


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
