"""The labeler itself, run like anybody would run it: `labeler init`, `labeler serve`, `labeler replay`."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from labeler.errors import Unavailable

START_S: Final = 20.0
STOP_S: Final = 10.0
POLL_S: Final = 0.05
RELAY: Final = "did:web:relay.example"
POSTMASTER: Final = "did:web:postmaster.example"


class Labeler(NamedTuple):
    """A labeler that serves: who it is, where, how its two callers get in, and its process."""

    did: str
    origin: str
    config: Path
    relay_token: str
    operator_token: str
    pid: int


class Made(msgspec.Struct):
    """What `labeler init --json` tells."""

    did: str
    config: str
    tokens: dict[str, str]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Labeler]:
    """Set up a labeler in `folder` with the shipped policy, and serve until the end of the block.

    Raises `Unavailable` when it does not come up; its log is `folder/labeler.log`.
    """
    port = free_port()
    made = msgspec.json.decode(
        await run_verb(
            "init",
            str(folder / "labeler"),
            *("--hostname", f"localhost:{port}", "--relay-did", RELAY, "--operator-did", POSTMASTER, "--json"),
        ),
        type=Made,
    )
    with log_file(folder).open("wb") as log:
        # A session of its own: Ctrl-C is for the demo, which then ends the labeler in order.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "labeler", "serve", "--config", made.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(),
            start_new_session=True,
        )
        try:
            origin = f"http://localhost:{port}"
            await _ready(origin, process)
            tokens = made.tokens
            yield Labeler(made.did, origin, Path(made.config), tokens["relay"], tokens["operator"], process.pid)
        finally:
            await _end(process)


async def replay(config: Path) -> list[dict[str, Any]]:
    """Replay the labeler's own input log and return the labels it leads to, signed, as JSON objects."""
    printed = await run_verb("replay", "--config", str(config), "--json", "--sign")
    return [msgspec.json.decode(line) for line in printed.splitlines()]


async def run_verb(*arguments: str) -> bytes:
    """Run one verb of `labeler` to its end and return what it printed; raises `Unavailable` with its last words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "labeler", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    try:
        printed, said = await process.communicate()
    finally:
        await _end(process)
    if process.returncode != 0:
        raise Unavailable(f"labeler {arguments[0]} ended with {process.returncode}: {said.decode()[-2000:].strip()}")
    return printed


def log_file(folder: Path) -> Path:
    """Name the file the labeler of a demo folder logs to."""
    return folder / "labeler.log"


def free_port() -> int:
    """Find a loopback port nobody listens on; the labeler must know it before it starts, for it is part of its DID."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    """Give the environment without settings meant for some other labeler."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LABELER_")}


async def _ready(origin: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=1.0) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while process.returncode is None:
                    with suppress(httpx.HTTPError):
                        if (await client.get(f"{origin}/readyz")).is_success:
                            return
                    await asyncio.sleep(POLL_S)
    raise Unavailable(f"the labeler did not become ready within {START_S:.0f} s")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process politely, then firmly; returns when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_S)
