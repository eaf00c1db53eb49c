"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Final

import typer

CONFIG: Final = Path("labeler.toml")

Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The configuration.")]
Member = Annotated[str, typer.Argument(metavar="DID", help="The member.")]
Comment = Annotated[str | None, typer.Option(help="Why; kept with the decision.")]
Hours = Annotated[int | None, typer.Option(min=1, help="How long it holds; without it, until further notice.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
