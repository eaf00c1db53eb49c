"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Final

import typer

CONFIG: Final = Path("labeler.toml")

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
