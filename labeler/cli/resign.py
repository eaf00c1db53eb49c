"""`labeler resign`."""

import asyncio
from typing import Final

import typer

from labeler.cli.console import Meter, say, show_json
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.settings import Settings, load_settings
from labeler.wiring import signing

app = typer.Typer(add_completion=False)

BATCH: Final = 1_000  # labels in one transaction


@app.command(epilog="Example: labeler resign --config /etc/labeler/labeler.toml")
def resign(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Sign anew, with the configured key, every label an older key signed.

    Signatures change and nothing else: same seq, same timestamps. Wants the labeler stopped; one that runs does the
    same by itself, in the background.
    """
    settings = load_settings(config)
    count, key_id = asyncio.run(_resign(settings))
    if as_json:
        show_json({"resigned": count, "key": key_id})
    else:
        say(f"{count} labels signed anew; every label is signed by {key_id}")


async def _resign(settings: Settings) -> tuple[int, str]:
    """Go through the log batch by batch; what is done stays done when it is broken off."""
    async with signing(settings) as (labels, pen):
        count = after = 0
        meter = Meter("signing", (await labels.bounds()).head)
        try:
            while True:
                batch = await labels.resign(pen.signer, pen.src, after, BATCH)
                count += batch.labels
                if batch.done and not after:
                    return count, pen.key_id
                after = 0 if batch.done else batch.last  # the last look goes over the whole log
                meter.at(after or batch.last)
        finally:
            meter.close()
