"""`labeler removal propose|confirm`: a removal takes two admins, or one and a day."""

import typer

from labeler.cli.calls import tell
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Comment, Config, Member
from labeler.service.operator.casework import CONFIRM_REMOVAL, PROPOSE_REMOVAL
from labeler.settings import load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Take a member and its domains off the relay.")


@app.command(epilog='Example: labeler removal propose did:plc:… --comment "third list bought in a month"')
def propose(did: Member, comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Propose to remove a member; nothing else happens until another admin confirms it.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    body = {"did": did} | ({"comment": comment} if comment is not None else {})
    answer = tell(load_settings(config), PROPOSE_REMOVAL, body)
    if as_json:
        show_json(answer)
        return
    removal = answer["removal"]
    case = f" as case {removal['case']}" if "case" in removal else ""
    alone = f"; {removal['by']} may confirm it alone from {removal['aloneFrom']} on" if "aloneFrom" in removal else ""
    say(f"{did}: removal proposed{case}, and nothing applied yet. Another admin must confirm it{alone}")


@app.command(epilog="Example: labeler removal confirm did:plc:…")
def confirm(did: Member, comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Remove a member whose removal another admin has proposed, or you yourself long enough ago.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    body = {"did": did} | ({"comment": comment} if comment is not None else {})
    answer = tell(load_settings(config), CONFIRM_REMOVAL, body)
    if as_json:
        show_json(answer)
    else:
        removal = answer["removal"]
        say(f"{did}: removed with its domains, by {removal['by']} (event {removal['id']})")
