"""`labeler ask`."""

import typer

from labeler.cli.calls import ASK_MEMBER, tell
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Comment, Config, Member
from labeler.settings import load_settings

app = typer.Typer(add_completion=False)


@app.command(epilog='Example: labeler ask did:plc:… --comment "three reports of phishing, see ticket"')
def ask(did: Member, comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Ask a member to explain the abuse reports about it; from here on its time to answer runs.

    One that was asked and has not answered is not asked twice: its time goes on as it was.
    Needs LABELER_TOKEN, an operator's of role moderator, while the service runs.
    """
    body = {"did": did} | ({"comment": comment} if comment is not None else {})
    answer = tell(load_settings(config), ASK_MEMBER, body)
    if as_json:
        show_json(answer)
    else:
        asked = "was asked already" if answer.get("askedAlready") else "is asked"
        say(f"{did} {asked}, and has until {answer['answerBy']} (by {answer['askedBy']}, event {answer['id']})")
