"""Words → actions: every verb of `labeler`. Errors become one message and an exit code here, and nowhere else.

Exit codes: 0 done · 1 the check failed · 2 usage or configuration · 3 could not reach something. `Corrupt` and our own
mistakes are not caught: they deserve their traceback.
"""

import sys
from collections.abc import Sequence

try:
    import typer
except ModuleNotFoundError:  # installed for a mail server, which needs the hooks only
    sys.exit("labeler: the service is not installed; do: pip install 'mail-reputation-labeler[server]'")
from typer.main import get_command

from labeler.cli.verbs import app
from labeler.errors import BadInput, Misconfigured, Unavailable

USAGE = 2
UNREACHABLE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; `arguments` default to those of the process."""
    try:
        get_command(app).main(None if arguments is None else list(arguments), prog_name="labeler")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (BadInput, Misconfigured) as error:
        typer.echo(f"labeler: {error}", err=True)
        return USAGE
    except Unavailable as error:
        typer.echo(f"labeler: {error}", err=True)
        return UNREACHABLE
    return 0
