"""The list of verbs, each with the module that knows it. A module is imported when its verb is used, so that
`labeler version` does not wait for an HTTP server to load.
"""

import importlib
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

VERBS: Final = {
    "init": "labeler.cli.init",
    "keygen": "labeler.cli.keygen",
    "check-config": "labeler.cli.check_config",
    "serve": "labeler.cli.serve",
    "standing": "labeler.cli.standing",
    "explain": "labeler.cli.explain",
    "label": "labeler.cli.label",
    "ask": "labeler.cli.ask",
    "override": "labeler.cli.override",
    "policy": "labeler.cli.policy",
    "replay": "labeler.cli.replay",
    "audit": "labeler.cli.audit",
    "resign": "labeler.cli.resign",
    "notify": "labeler.cli.notify",
    "demo": "labeler.cli.demo",
    "version": "labeler.cli.version",
}


class Verbs(TyperGroup):
    """The verbs as Typer wants them. (The types of its contexts and commands are private to it, hence `Any`.)"""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name every verb, in the order of first use."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of one verb; None when there is no such verb."""
        module = VERBS.get(cmd_name)
        if module is None:
            return None
        command = get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=Verbs, add_completion=False, no_args_is_help=True)


@app.callback()
def introduce() -> None:
    """Give every member of a mail relay a reputation it can read, prove and appeal."""
