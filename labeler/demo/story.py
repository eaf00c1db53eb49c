"""The story, from `labeler init` to the last check: who does what when. Returns 0 only if it really happened."""

import asyncio
import logging
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiosmtplib
import httpx
from rich.console import Console

from labeler.demo.checks import Facts, check_story
from labeler.demo.clients import Exchange, send_today
from labeler.demo.history import enrolment, last_week
from labeler.demo.members import everyone
from labeler.demo.process import log_file
from labeler.demo.relay import HOST
from labeler.demo.screen import Screen, because, new_console
from labeler.demo.stage import Stage, staged
from labeler.errors import LabelerError, Unavailable
from labeler.reputation.definitions import CLEAN_SENDER, RELAY_MEMBER

LONGEST_S: Final = 85.0  # a story that takes longer has got stuck
LOOK_EVERY_S: Final = 0.5
LAST_LINES: Final = 25
DONE, FAILED, INTERRUPTED, TERMINATED = 0, 1, 128 + signal.SIGINT, 128 + signal.SIGTERM


def run(keep: bool) -> int:
    """Tell the story; with `keep`, leave everything running afterwards until Ctrl-C. Returns the exit code."""
    try:
        return asyncio.run(_run(new_console(), keep))
    except KeyboardInterrupt:
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED


async def _run(console: Console, keep: bool) -> int:
    """Run the story in a folder of its own, which stays only when the story fails."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    began = asyncio.get_running_loop().time()
    folder = Path(tempfile.mkdtemp(prefix="labeler-demo-"))
    logging.basicConfig(filename=folder / "relay.log", level=logging.WARNING)  # the screen is for the story
    happened = interrupted = False
    try:
        async with asyncio.timeout(LONGEST_S) as limit, staged(folder, everyone()) as stage:
            screen = Screen(console, stage.members)
            happened = await _tell(stage, screen, began)
            if keep:
                limit.reschedule(None)
                _show_urls(stage, screen)
                with suppress(asyncio.CancelledError):  # Ctrl-C is how this ends
                    await asyncio.Event().wait()
    except asyncio.CancelledError:
        interrupted = True
        raise
    except TimeoutError:
        console.print(f"\n✗ the story did not end within {LONGEST_S:.0f} s", style="bold red")
    except (LabelerError, OSError, httpx.HTTPError, aiosmtplib.SMTPException) as error:
        console.print(f"\n✗ {type(error).__name__}: {error}", style="bold red")
    finally:
        if happened or interrupted:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _show_log(console, folder)
    return DONE if happened else FAILED


async def _tell(stage: Stage, screen: Screen, began: float) -> bool:
    """Tell the story on a stage that is set; say whether every check holds."""
    _introduce(stage, screen)
    async with _labels_shown(stage, screen):
        await _last_week(stage, screen)
        before = dict(stage.ledger.kinds)
        with screen:
            await _today(stage, screen)
        await stage.settle()
    kinds = {kind: count - before.get(kind, 0) for kind, count in stage.ledger.kinds.items()}
    facts = await stage.facts(kinds)
    screen.chapter("Where everybody stands: getStanding, counted over last week and today")
    screen.table(facts.standings)
    screen.chapter("Did it really happen?")
    checks = check_story(facts)
    screen.checks(checks)
    happened = all(check.holds for check in checks)
    _sum_up(facts, screen, asyncio.get_running_loop().time() - began, happened)
    return happened


def console_url(origin: str) -> str:
    """Where operators look at it all."""
    return f"{origin}/console"


def _introduce(stage: Stage, screen: Screen) -> None:
    screen.chapter("A labeler, a mail relay, a sink: everything real, everything on loopback")
    screen.say(f"labeler  {stage.labeler.did}  at {stage.labeler.origin}, the shipped policy unchanged")
    screen.say(f"console  {console_url(stage.labeler.origin)}  log in with the token {stage.labeler.operator_token}")
    screen.say(f"relay    SMTP on port {stage.relay_port}: reports to the labeler, follows its labels, enforces them")
    screen.say(f"sink     SMTP on port {stage.sink_port}: the rest of the world; takes, defers or refuses recipients")
    for member in stage.members:
        screen.say(f"member   {member.name}: {member.about}; {member.hourly_cap} messages an hour agreed")


async def _last_week(stage: Stage, screen: Screen) -> None:
    """Enrol everybody and tell of last week, through the reporter that also tells of today."""
    screen.chapter("Last week, told as late events")
    now = datetime.now(UTC)
    events = [event for member in stage.members for event in last_week(member, stage.hasher, now)]
    for event in (*(enrolment(member, now) for member in stage.members), *events):
        stage.ledger.report(event)
    screen.say(
        f"This relay has only just begun. So last week is sent as {len(events)} late events, up to 7 days old, by the\n"
        "same submitEvents as everything else. No clock is moved: the labeler counts an event when it happened."
    )
    await stage.settle()
    expected = {(member.did, RELAY_MEMBER) for member in stage.members}
    expected |= {(member.did, CLEAN_SENDER) for member in stage.members if member.past}
    if not await stage.programme.until(
        lambda: expected <= {(one.label.uri, one.label.val) for one in stage.programme.seen}
    ):
        raise Unavailable("last week did not earn the labels it should have")
    await stage.programme.unread.join()


async def _today(stage: Stage, screen: Screen) -> None:
    """All four send at once; the table follows them."""
    screen.chapter("Today, over SMTP")
    heard: set[tuple[str, str]] = set()

    def hear(exchange: Exchange) -> None:
        stage.exchanges.append(exchange)
        kind = (exchange.member.name, exchange.reply[:3])
        if not exchange.accepted and kind not in heard:  # the first of its kind; the checks count them all
            heard.add(kind)
            screen.refusal(exchange, datetime.now(UTC))

    following = asyncio.create_task(_follow(stage, screen))
    sending = [asyncio.create_task(send_today(member, stage.relay_port, hear)) for member in stage.members]
    try:
        await asyncio.gather(*sending)
        await stage.settle()
        await stage.programme.unread.join()
    finally:
        for task in (following, *sending):
            task.cancel()
        await asyncio.gather(following, *sending, return_exceptions=True)


async def _follow(stage: Stage, screen: Screen) -> None:
    while True:
        screen.follow(await stage.standings())
        await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def _labels_shown(stage: Stage, screen: Screen) -> AsyncIterator[None]:
    """Show each label as it arrives, with what its evidence says."""

    async def show() -> None:
        while True:
            seen = await stage.programme.unread.get()
            try:
                why = because(await stage.reading.evidence(seen.seq))
            except (LabelerError, httpx.HTTPError) as error:
                why = f"… its evidence cannot be read: {error}"
            screen.label(seen.seq, seen.label, why)
            stage.programme.unread.task_done()

    task = asyncio.create_task(show())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _sum_up(facts: Facts, screen: Screen, seconds: float, happened: bool) -> None:
    taken = sum(exchange.accepted for exchange in facts.exchanges)
    screen.say(
        f"\n{seconds:.0f} s · {len(facts.exchanges)} messages handed to the relay over SMTP, {taken} taken, "
        f"{facts.arrived} delivered to the sink · {facts.telemetry.acknowledged} events acknowledged · "
        f"{len(facts.seen)} labels signed and verified"
    )
    screen.say(
        "The story happened." if happened else "The story did not happen as told.", "green" if happened else "red"
    )


def _show_urls(stage: Stage, screen: Screen) -> None:
    origin, did = stage.labeler.origin, stage.members[-1].did
    screen.chapter("Everything keeps running until Ctrl-C")
    screen.say(f"labeler  {origin}")
    screen.say(f"console  {console_url(origin)}  log in with the token {stage.labeler.operator_token}")
    screen.say(f"         {origin}/member/{did}")
    screen.say(f"         {origin}/xrpc/com.atproto.label.queryLabels?uriPatterns=*")
    screen.say(f"         ws{origin.removeprefix('http')}/xrpc/com.atproto.label.subscribeLabels?cursor=0")
    screen.say(f"         {origin}/metrics")
    screen.say(f"files    {stage.labeler.config.parent}")
    screen.say(f"relay    SMTP on {HOST}, port {stage.relay_port}; AUTH PLAIN, one of:")
    for member in stage.members:
        screen.say(f"         login {member.domain!r}, password {member.password!r}")


def _show_log(console: Console, folder: Path) -> None:
    """On failure, the labeler's last words, and where to look further."""
    with suppress(OSError):
        lines = log_file(folder).read_text(errors="replace").splitlines()[-LAST_LINES:]
        console.print("\nThe labeler's last lines:", *lines, sep="\n", soft_wrap=True)
    console.print(f"\nEverything is kept in {folder}")
