"""`labeler demo`."""

import importlib
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: labeler demo --keep")
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep everything running after the story, until Ctrl-C.")
    ] = False,
) -> None:
    """Run the real thing on loopback: labeler, mail relay, mailboxes.

    Watch labels being earned and enforced. Exit code 1 if the story did not happen as told.
    """
    # By name, because the demo plays a relay too and so stands above everything, this file included.
    story = importlib.import_module("labeler.demo.story")
    raise typer.Exit(story.run(keep))
