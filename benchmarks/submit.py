"""Telemetry over HTTP to a durable acknowledgement, the fold running behind it."""

import asyncio
import sys
import time

import aiohttp
import msgspec

from benchmarks.report import Row, alternate
from benchmarks.service import TOKEN, folder, free_port, labeler, running
from benchmarks.workload import events
from labeler.adapters.clock import SystemClock

EVENTS = 100_000
BATCH = 1_000
AT_ONCE = 4


def bodies() -> list[bytes]:
    """Batches of today, encoded before the watch starts."""
    made = events(EVENTS, dids=5_000, start=SystemClock().now(), step_s=0)
    return [msgspec.json.encode({"events": made[at : at + BATCH]}) for at in range(0, EVENTS, BATCH)]


async def send(port: int, batches: list[bytes]) -> float:
    """Send all batches, `AT_ONCE` in flight; return events acknowledged a second."""
    url = f"http://127.0.0.1:{port}/xrpc/email.atmos.telemetry.submitEvents"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    waiting = iter(batches)
    accepted = 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal accepted
        for body in waiting:
            async with session.post(url, data=body, headers=headers) as response:
                response.raise_for_status()
                accepted += (await response.json())["accepted"]

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(AT_ONCE)))
        spent = time.perf_counter() - began
    if accepted != EVENTS:
        raise RuntimeError(f"{accepted} of {EVENTS} events were accepted")
    return accepted / spent


def measure() -> Row:
    """Batches of `BATCH` events, `AT_ONCE` in flight; every answer means written and synced."""
    batches = bodies()

    def ours() -> float:
        with folder() as server, labeler(server):
            return asyncio.run(send(server.port, batches))

    def reference() -> float:
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.bare", "ingest", str(port), "0"], port, "/ready"):
            return asyncio.run(send(port, batches))

    against = "bare aiohttp + msgspec, nothing written"
    return Row("submitEvents, durable, batches of 1 000", "events/s", *alternate(ours, reference), against)
