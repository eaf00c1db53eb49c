"""`labeler automation show|resume|shadow|pause`."""

import asyncio
from typing import Any, Final

import typer

from labeler.cli.calls import reach, tell
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Comment, Config
from labeler.reputation.judge import ENFORCE, PAUSE, SHADOW
from labeler.service.operator.casework import GET_AUTOMATION, SET_AUTOMATION
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Let the rules decide, only pretend, or rest.")

_WORDS: Final = {
    ENFORCE: "the rules decide",
    SHADOW: "the rules only record what they would decide",
    PAUSE: "the rules rest",
}


@app.command(epilog="Example: labeler automation show --json")
def show(config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Say what the rules do now, and who said so.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    answer = asyncio.run(_get(load_settings(config)))
    if as_json:
        show_json(answer)
    else:
        say(_sentence(answer["automation"]))


@app.command(epilog="Example: labeler automation resume")
def resume(comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Let the rules decide; what came due while they rested is looked at now.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    _set(load_settings(config), ENFORCE, comment, as_json)


@app.command(epilog='Example: labeler automation shadow --comment "new relay, figures not trusted yet"')
def shadow(comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Let the rules only record what they would decide; nothing of it is published.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    _set(load_settings(config), SHADOW, comment, as_json)


@app.command(epilog='Example: labeler automation pause --comment "a relay reports nonsense"')
def pause(comment: Comment = None, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Let the rules rest: everything is counted on, nothing is judged, and labels end as dated.

    Needs LABELER_TOKEN, an operator's of role admin, while the service runs.
    """
    _set(load_settings(config), PAUSE, comment, as_json)


def _set(settings: Settings, mode: str, comment: str | None, as_json: bool) -> None:
    body = {"mode": mode} | ({"comment": comment} if comment is not None else {})
    answer = tell(settings, SET_AUTOMATION, body)
    if as_json:
        show_json(answer)
    else:
        later = "; it takes effect as soon as the labels can be written" if answer.get("pending") else ""
        say(f"{_sentence(answer['automation'])} (event {answer['id']}){later}")


def _sentence(automation: dict[str, Any]) -> str:
    said = f", by {automation['setBy']} since {automation['setAt']}" if "setBy" in automation else ""
    why = f": {automation['comment']}" if "comment" in automation else ""
    policy = "; the policy itself is in shadow" if automation.get("policyMode") == SHADOW else ""
    breaker = "" if automation["breakerClosed"] else "; the breaker holds suspensions back"
    words = _WORDS.get(automation["mode"], automation["mode"])
    return f"{automation['mode']}: {words}{said}{why}{policy}{breaker}"


async def _get(settings: Settings) -> dict[str, Any]:
    async with reach(settings) as labeler:
        return await labeler.query(GET_AUTOMATION, [])
