"""Runs the checks, one after the other, each in its time."""

import asyncio
import time
from collections.abc import Callable, Iterable

import httpx
import websockets

import conformance.connection
import conformance.memory
import conformance.query
import conformance.stream  # noqa: F401  importing puts the checks on the list
from conformance.checks import CHECKS, Check, Failed, NotApplicable
from conformance.report import Verdict
from conformance.trial import Trial

LAST = (
    "memory.stalled-readers",
    "stream.reconnect-after-pruning",
)  # adds what others would wade through, takes all away


def chosen(words: Iterable[str] = ()) -> list[Check]:
    """The checks whose names contain one of the words; all of them without words."""
    words = tuple(words)
    found = [one for name, one in CHECKS.items() if not words or any(word in name for word in words)]
    return sorted(found, key=lambda one: (LAST.index(one.name) + 1 if one.name in LAST else 0, one.name))


async def examine(trial: Trial, check: Check) -> Verdict:
    """Put one question; whatever goes wrong with the labeler is a verdict, not an exception."""
    begun = time.monotonic()
    outcome, detail = "pass", ""
    try:
        async with asyncio.timeout(check.seconds):
            await check.run(trial)
    except NotApplicable as reason:
        outcome, detail = "not applicable", str(reason)
    except Failed as fault:
        outcome, detail = "fail", str(fault)
    except TimeoutError:
        outcome, detail = "fail", f"nothing came of it within {check.seconds:g} s"
    except (httpx.HTTPError, websockets.WebSocketException, OSError, ValueError, LookupError) as error:
        outcome, detail = "fail", f"{type(error).__name__}: {error}"
    return Verdict(check.name, check.rows, check.title, outcome, detail, round(time.monotonic() - begun, 3))


async def run(
    trial: Trial, checks: Iterable[Check], seen: Callable[[Verdict], None] = lambda verdict: None
) -> list[Verdict]:
    """Put every question; `seen` hears each verdict as it falls."""
    verdicts = []
    for check in checks:
        verdict = await examine(trial, check)
        seen(verdict)
        verdicts.append(verdict)
    return verdicts
