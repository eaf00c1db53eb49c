"""`labeler demo` as a stranger runs it: the whole story over real sockets, and nothing left behind however it ends."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

LIMIT_S = 90.0


@asynccontextmanager
async def demo(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the demo with its temporary files under `folder`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "labeler", "demo", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_until(process: asyncio.subprocess.Process, wanted: str) -> str:
    """Read lines up to the one that holds `wanted`, and return them all."""
    assert process.stdout is not None
    read = ""
    async with asyncio.timeout(LIMIT_S):
        async for line in process.stdout:
            read += line.decode()
            if wanted in line.decode():
                return read
    raise AssertionError(f"{wanted!r} never came:\n{read}")


async def answers(origin: str) -> bool:
    """Tell whether a labeler still answers there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"{origin}/livez")).is_success
        except httpx.TransportError:
            return False


async def lets_in(shown: str) -> bool:
    """Tell whether the console lets the printed token in, and shows what it is about."""
    found = re.search(r"console  (\S+)  log in with the token (\S+)", shown)
    assert found is not None, shown
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as client:
        answer = await client.post(f"{found[1]}/login", data={"token": found[2]})
    return answer.is_success and "Labels in force" in answer.text


def left_in(folder: Path) -> list[Path]:
    """List what is left in a folder."""
    return list(folder.iterdir())


def origin_in(text: str) -> str:
    """Find the labeler's address in what the demo printed."""
    found = re.search(r"http://localhost:\d+", text)
    assert found is not None, text
    return found.group()


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 30)
async def test_the_story_happens_and_is_read_back(tmp_path: Path) -> None:
    """Exit 0, every check ticked, and every turn of the story printed as it came over a wire."""
    async with demo(tmp_path) as process:
        shown = await read_until(process, "The story happened.")
        async with asyncio.timeout(LIMIT_S):
            assert await process.wait() == 0
    assert "✗" not in shown
    assert shown.count("\n✓ ") >= 20
    for turn in (
        r"\+clean-sender  corner shop  did:web:corner-shop\.example  until .* ✓ sig [0-9a-f]{12}…",
        r"\+mail-throttled  list buyer .*\n +because 3 distinct recipients that do not exist, of 1[2-5] ",
        r"< 451 4\.7\.1 Mail from this account is limited to 20 recipients an hour.*did:web:lead-rocket\.example",
        r"\+mail-suspended  list buyer .*\n +because [5-9] distinct recipients that [^+]*limit 10 %",
        r"< 550 5\.7\.1 Mail from this account is suspended, see .*/member/did:web:lead-rocket\.example",
        r"−clean-sender  choir ",
        r"\+mail-suspended  choir .*\n +because .*\d+ recipients at \d+ domains \((1|24)h\)",
        r"to \S+, at (RCPT|DATA)\n +< 550 5\.7\.1 .*/member/did:web:harbour-choir\.example",
        r"✓ replay: the telemetry log gives the \d+ published labels back",
    ):
        assert re.search(turn, shown), f"{turn} is not in\n{shown}"
    assert f"console  {origin_in(shown)}/console  log in with the token " in shown
    assert not re.search(r"mail-(throttled|suspended)  (corner shop|newsletter)", shown)
    assert not await answers(origin_in(shown))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_stopped_halfway_nothing_is_left(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """In the middle of the mail: the labeler ends, the folder goes, the exit code says why."""
    async with demo(tmp_path) as process:
        shown = await read_until(process, "Today, over SMTP")
        assert await answers(origin_in(shown))
        assert await lets_in(shown)
        process.send_signal(number)
        assert process.stdout is not None
        async with asyncio.timeout(20.0):
            rest = (await process.stdout.read()).decode()
            assert await process.wait() == code
    assert "Traceback" not in rest
    assert not await answers(origin_in(shown))
    assert left_in(tmp_path) == []
