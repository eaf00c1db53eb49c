"""`labeler version`."""

import platform

import typer

import labeler
from labeler.cli.console import say, show_json
from labeler.cli.options import AsJson

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: labeler version --json")
def version(as_json: AsJson = False) -> None:
    """Say which version this is."""
    if as_json:
        show_json({"version": labeler.__version__, "python": platform.python_version()})
    else:
        say(f"labeler {labeler.__version__} (Python {platform.python_version()})")
