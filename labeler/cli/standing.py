"""`labeler standing`."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import GET_STANDING, reach
from labeler.cli.console import say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.cli.override import describe_override
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: labeler standing did:plc:… --config /etc/labeler/labeler.toml")
def standing(
    did: Annotated[str, typer.Argument(metavar="DID", help="The member.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say where a member stands, why, and what clears it.

    LABELER_TOKEN, an operator's, adds the numbers while the service runs.
    """
    answer = asyncio.run(_ask(load_settings(config), did))
    if as_json:
        show_json(answer)
    else:
        tell_standing(answer)


async def _ask(settings: Settings, did: str) -> dict[str, Any]:
    async with reach(settings) as labeler:
        return await labeler.query(GET_STANDING, [("did", did)])


def tell_standing(answer: dict[str, Any]) -> None:
    """Print a standing as people read it: state, labels, what clears them, what is owed, and how much room is left."""
    caps = f"{answer['hourlyCap']} messages an hour, {answer['dailyCap']} a day"
    say(f"{answer['did']}: {answer['standing']} (tier {answer['tier']}; {caps})")
    if answer["labels"]:
        rows = [(row["val"], row["cts"], row.get("exp", "–"), row.get("rule", "")) for row in answer["labels"]]
        show_table(("label", "since", "until", "by"), rows)
    for clearance in answer.get("clears", ()):
        say(f"What clears {clearance['val']}: {clearance['text']}")
    if "override" in answer:
        say(f"Granted: {describe_override(answer['override'])}")
    if "warmup" in answer:
        say(f"Warm-up, {answer['warmup']['stage']}: {answer['warmup']['text']}")
    for report in answer.get("reports", ()):
        due = (
            f", an answer is due {report['answerBy']}" if "answerBy" in report else ", nobody has asked the member yet"
        )
        say(f"Abuse report ({report['urgency']}) of {report['at']}: {report.get('category', 'no category')}{due}")
    for val in answer.get("shadow", ()):
        say(f"In shadow only: {val}")
    findings = {finding["rule"]: finding for finding in answer.get("findings", ())}
    rows = [
        (room["rule"], findings[room["rule"]]["severity"], findings[room["rule"]]["text"], room["text"])
        for room in answer.get("headroom", ())
        if room["rule"] in findings
    ]
    if rows:
        show_table(("rule", "finding", "measured", "room left"), rows)
