"""`python -m conformance http://host:port`: hold a labeler against the protocol.

Exit codes: 0 no fault was found, 1 at least one was, 2 the question was put wrongly, 3 nobody answered there.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import httpx

from conformance.issuing import EmitEvent, Hook, Issuer, ReadOnly
from conformance.report import Verdict, as_json, as_table
from conformance.suite import chosen, run
from conformance.trial import Trial

EXAMPLE = "example: LABELER_TOKEN=… python -m conformance http://127.0.0.1:8080 --val mail-throttled"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("conformance", description=(__doc__ or "").splitlines()[0], epilog=EXAMPLE)
    parser.add_argument("target", help="where the labeler answers, as http://host:port")
    parser.add_argument("--did", help="whose labels they are; read from its did:web document by default")
    parser.add_argument("--key", help="the did:key its labels verify under; likewise")
    parser.add_argument("--val", default="mail-throttled", help="the value to label test subjects with")
    parser.add_argument("--token-file", type=Path, help="bearer token for emitEvent (or LABELER_TOKEN)")
    parser.add_argument("--hook", help="address that issues labels instead of emitEvent: POST {uri, val, neg?, exp?}")
    parser.add_argument("--pid", type=int, help="its process, when it runs on this machine: its memory is watched")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="checks whose name contains this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


async def published(url: str) -> tuple[str | None, str | None]:
    """DID and label key, from the document the labeler serves for itself, if it does."""
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{url}/.well-known/did.json")
    if answer.status_code != 200:
        return None, None
    try:
        document = answer.json()
        methods = [one for one in document["verificationMethod"] if one["id"].endswith("#atproto_label")]
        return document["id"], f"did:key:{methods[0]['publicKeyMultibase']}"
    except (ValueError, LookupError, TypeError):
        return None, None


def issuer(args: argparse.Namespace, url: str, did: str | None) -> Issuer:
    """The way to issue labels that the arguments give."""
    if args.hook:
        return Hook(args.hook, args.val)
    token = args.token_file.read_text().strip() if args.token_file else os.environ.get("LABELER_TOKEN")
    return EmitEvent(url, token, args.val, did or "did:web:conformance.example") if token else ReadOnly()


def tell(verdict: Verdict) -> None:
    """Say how far it is, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{verdict.check}: {verdict.outcome}", end="\r", file=sys.stderr, flush=True)


async def main() -> int:
    """Run the suite and print what it found."""
    args = arguments()
    url = args.target.rstrip("/")
    checks = chosen(args.only)
    if not checks or not url.startswith(("http://", "https://")):
        print(f"no such check, or {url} is no http address", file=sys.stderr)
        return 2
    try:
        did, key = await published(url)
    except httpx.HTTPError as error:
        print(f"{url} does not answer: {error}", file=sys.stderr)
        return 3
    did, key = args.did or did, args.key or key
    async with Trial(url, did, key, issuer(args, url, did), args.pid) as trial:
        verdicts = await run(trial, checks, tell)
    print(as_json(url, verdicts) if args.json else as_table(url, verdicts))
    return int(any(verdict.outcome == "fail" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
