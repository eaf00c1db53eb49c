"""`labeler notify test`."""

import asyncio
from typing import Final

import typer

from labeler.adapters.clock import SystemClock
from labeler.cli.console import say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.errors import Misconfigured, Unavailable
from labeler.ports import Message
from labeler.settings import Settings, load_settings
from labeler.wiring import channels

app = typer.Typer(add_completion=False, no_args_is_help=True, help="How people are told what they should look at.")

TEXT: Final = "a test of this channel: nothing happened, and there is nothing to do"


@app.callback()
def introduce() -> None:
    """Tell people what they should look at."""


@app.command("test", epilog="Example: labeler notify test --config /etc/labeler/labeler.toml")
def send_test(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Send one message through each configured channel, once, and say what happened.

    Exit code 3 if one was not taken.
    """
    settings = load_settings(config)
    results = asyncio.run(_send(settings))
    if not results:
        raise Misconfigured(f"{config}: nobody is told: set notify.webhook_url or notify.smtp_host")
    if as_json:
        show_json([{"channel": name, "sent": why is None, "error": why} for name, why in results.items()])
    else:
        show_table(("channel", "result"), [(name, why or "sent") for name, why in results.items()])
    failed = [name for name, why in results.items() if why is not None]
    if failed:
        raise Unavailable(f"not sent by {' and '.join(failed)}")
    if not as_json:
        say("good")


async def _send(settings: Settings) -> dict[str, str | None]:
    """What each channel said: why it took nothing, None if it did."""
    clock = SystemClock()
    message = Message("test", settings.service.did, clock.now(), TEXT, f"{settings.service.endpoint}/")
    results: dict[str, str | None] = {}
    async with channels(settings, clock) as found:
        for name, notifier in found.items():
            try:
                await notifier.send(message)
                results[name] = None
            except Unavailable as error:
                results[name] = str(error)
    return results
