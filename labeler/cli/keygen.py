"""`labeler keygen`."""

from pathlib import Path
from typing import Annotated

import typer

from labeler.adapters.keyfile import new_key, write_new_key
from labeler.cli.console import say, show_json
from labeler.cli.options import AsJson

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: labeler keygen /etc/labeler/signing.key")
def keygen(
    path: Annotated[Path, typer.Argument(help="The new file; an existing one is never overwritten.")] = Path(
        "signing.key"
    ),
    as_json: AsJson = False,
) -> None:
    """Make a label key in a new file only its owner can read.

    The key is k256; what is printed is its public half.
    """
    key = new_key()
    write_new_key(path, key)
    public = key.public_key
    if as_json:
        show_json({"file": str(path), "did": public.did_key, "publicKeyMultibase": public.multikey})
    else:
        say(f"{path}: {public.did_key}")
