"""`labeler override`."""

from typing import Annotated, Any

import typer

from labeler.cli.calls import SET_OVERRIDE, tell
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Comment, Config, Hours, Member
from labeler.settings import load_settings

app = typer.Typer(add_completion=False)

Exempt = Annotated[list[str] | None, typer.Option(metavar="RULE", help="A rule that judges it no more; repeatable.")]
Hourly = Annotated[int | None, typer.Option(min=1, help="Messages an hour, instead of those agreed.")]
Daily = Annotated[int | None, typer.Option(min=1, help="Messages a day, instead of those agreed.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="Take back whatever was granted.")]


@app.command(epilog="Example: labeler override did:plc:… --exempt velocity --daily-cap 5000 --hours 72")
def override(  # noqa: PLR0913, PLR0917 - each is an option or an argument of the command
    did: Member,
    exempt: Exempt = None,
    hourly_cap: Hourly = None,
    daily_cap: Daily = None,
    hours: Hours = None,
    withdraw: Withdraw = False,
    comment: Comment = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Grant one member other terms than the policy's, instead of whatever was granted before.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    granted = {"exempt": exempt or None, "hourlyCap": hourly_cap, "dailyCap": daily_cap, "durationInHours": hours}
    granted = {name: value for name, value in granted.items() if value is not None}
    if withdraw and granted:
        raise typer.BadParameter("takes everything back; leave the other options out", param_hint="--withdraw")
    if not withdraw and not granted:
        raise typer.BadParameter("say what is granted: --exempt, --hourly-cap, --daily-cap; or --withdraw")
    body = {"did": did, **granted} | ({"comment": comment} if comment is not None else {})
    answer = tell(load_settings(config), SET_OVERRIDE, body)
    if as_json:
        show_json(answer)
    else:
        say(f"{did}: {describe_override(answer.get('override'))} (event {answer['id']})")


def describe_override(granted: dict[str, Any] | None) -> str:
    """What stands, in a few words."""
    if granted is None:
        return "nothing is granted any more"
    parts = [f"not judged by {', '.join(granted['exempt'])}"] if "exempt" in granted else []
    parts += [f"{granted['hourlyCap']} messages an hour"] if "hourlyCap" in granted else []
    parts += [f"{granted['dailyCap']} messages a day"] if "dailyCap" in granted else []
    until = f"until {granted['until']}" if "until" in granted else "until further notice"
    return f"{', '.join(parts)}, {until}, granted by {granted['setBy']}"
