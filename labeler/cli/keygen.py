"""`labeler keygen`."""

import enum
from pathlib import Path
from typing import Annotated, Final

import typer

from labeler.adapters.keyfile import new_key, write_new_key
from labeler.atproto.curves import CURVES
from labeler.cli.console import say, show_json
from labeler.cli.options import AsJson

_CURVES: Final = {curve.name: curve for curve in CURVES}

app = typer.Typer(add_completion=False)


class CurveName(enum.StrEnum):
    """The curves of the protocol."""

    K256 = "k256"
    P256 = "p256"


@app.command(epilog="Example: labeler keygen /etc/labeler/signing.key")
def keygen(
    path: Annotated[Path, typer.Argument(help="The new file; an existing one is never overwritten.")] = Path(
        "signing.key"
    ),
    curve: Annotated[
        CurveName, typer.Option(help="k256 is what every deployed labeler uses; p256 is for keys moved into hardware.")
    ] = CurveName.K256,
    as_json: AsJson = False,
) -> None:
    """Make a label key in a new file only its owner can read.

    What is printed is its public half.
    """
    key = new_key(_CURVES[curve])
    write_new_key(path, key)
    public = key.public_key
    if as_json:
        show_json({"file": str(path), "did": public.did_key, "publicKeyMultibase": public.multikey})
    else:
        say(f"{path}: {public.did_key}")
