"""`labeler ask`."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import ASK_MEMBER, reach
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Config
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False)

Did = Annotated[str, typer.Argument(metavar="DID", help="The member.")]
Comment = Annotated[str | None, typer.Option(help="What about; kept with the question.")]


@app.command(epilog='Example: labeler ask did:plc:… --comment "three reports of phishing, see ticket"')
def ask(did: Did, comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Ask a member to explain the abuse reports about it; from here on its time to answer runs.

    One that was asked and has not answered is not asked twice: its time goes on as it was.
    Needs LABELER_TOKEN, an operator's of role moderator, while the service runs.
    """
    body = {"did": did} | ({"comment": comment} if comment is not None else {})
    answer = asyncio.run(_tell(load_settings(config), body))
    if as_json:
        show_json(answer)
    else:
        asked = "was asked already" if answer.get("askedAlready") else "is asked"
        say(f"{did} {asked}, and has until {answer['answerBy']} (by {answer['askedBy']}, event {answer['id']})")


async def _tell(settings: Settings, body: dict[str, Any]) -> dict[str, Any]:
    async with reach(settings) as labeler:
        return await labeler.procedure(ASK_MEMBER, body)
