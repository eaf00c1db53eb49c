"""`labeler case list|show|claim|release|resolve|reopen|comment`."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import reach, tell
from labeler.cli.case_table import show_case, show_cases
from labeler.cli.console import say, show_json
from labeler.cli.options import CONFIG, AsJson, Comment, Config, Hours
from labeler.service.operator.casework import (
    CLAIM_CASE,
    COMMENT_CASE,
    GET_CASE,
    LIST_CASES,
    REOPEN_CASE,
    RESOLVE_CASE,
)
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="What waits for a person's decision.")

PAGE = 100  # the most that listCases answers at once

Number = Annotated[int, typer.Argument(metavar="CASE", min=1, help="The number of the case.")]
Revision = Annotated[
    int | None, typer.Option(min=0, help="The revision looked at: when somebody was faster, nothing happens.")
]


@app.command("list", epilog="Example: labeler case list --assignee none --kind suspension")
def list_cases(  # noqa: PLR0913, PLR0917 - each is an option of the command
    state: Annotated[str, typer.Option(help="open, closed or all.")] = "open",
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as suspension or appeal.")] = None,
    about: Annotated[str | None, typer.Option(metavar="DID", help="Only about this member or provider.")] = None,
    assignee: Annotated[str | None, typer.Option(help="Only an operator's: a DID, me, or none.")] = None,
    urgency: Annotated[str | None, typer.Option(help="Only routine, urgent or immediate ones.")] = None,
    escalated: Annotated[bool, typer.Option("--escalated", help="Only those about which a deadline passed.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most.")] = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """List cases, the most urgent and oldest first.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    wanted = {"state": state, "kind": kind, "about": about, "assignee": assignee, "urgency": urgency}
    params = [(name, value) for name, value in wanted.items() if value is not None]
    params += [("escalated", "true")] if escalated else []
    cases = asyncio.run(_list(load_settings(config), params, limit))
    if as_json:
        for case in cases:
            show_json(case)
    else:
        show_cases(cases)


@app.command(epilog="Example: labeler case show 17")
def show(number: Number, config: Config = CONFIG, as_json: AsJson = False) -> None:
    """Show one case: what happened, where its member stands, and what each resolution needs.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    answer = asyncio.run(_show(load_settings(config), number))
    if as_json:
        show_json(answer)
    else:
        show_case(answer)


@app.command(epilog="Example: labeler case claim 17")
def claim(
    number: Number,
    revision: Revision = None,
    comment: Comment = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say that you look after a case.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    _act(config, CLAIM_CASE, {"number": number, "revision": revision, "comment": comment}, as_json, "claimed")


@app.command(epilog='Example: labeler case release 17 --comment "off duty until Monday"')
def release(
    number: Number,
    revision: Revision = None,
    comment: Comment = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let go of a case; a moderator may release anybody's.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    body = {"number": number, "release": True, "revision": revision, "comment": comment}
    _act(config, CLAIM_CASE, body, as_json, "released")


@app.command(epilog='Example: labeler case resolve 17 lift --hours 72 --comment "list bought by mistake, deleted"')
def resolve(  # noqa: PLR0913, PLR0917 - each is an option or an argument of the command
    number: Number,
    resolution: Annotated[
        str, typer.Argument(metavar="HOW", help="uphold, lift, shorten, override, dismiss or remove.")
    ],
    hours: Hours = None,
    exempt: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="override: a rule that judges it no more; repeatable.")
    ] = None,
    hourly_cap: Annotated[int | None, typer.Option(min=1, help="override: messages an hour.")] = None,
    daily_cap: Annotated[int | None, typer.Option(min=1, help="override: messages a day.")] = None,
    revision: Revision = None,
    comment: Comment = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Decide a case. `labeler case show` says what each way to end it needs and does.

    --hours is how long a restriction lasts from now on (uphold, shorten), how long the rules may not apply it again
    (lift), or how long an override stands. `remove` proposes the removal; the case stays open until it is confirmed.
    Needs LABELER_TOKEN, an operator's of role moderator (override, remove: admin), while the service runs.
    """
    body = {
        "number": number,
        "resolution": resolution,
        "durationInHours": hours,
        "exempt": exempt or None,
        "hourlyCap": hourly_cap,
        "dailyCap": daily_cap,
        "revision": revision,
        "comment": comment,
    }
    _act(config, RESOLVE_CASE, body, as_json, f"resolved: {resolution}")


@app.command(epilog='Example: labeler case reopen 17 --comment "it happened again"')
def reopen(
    number: Number,
    revision: Revision = None,
    comment: Comment = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Open a closed case again; no label changes.

    Needs LABELER_TOKEN, an operator's of role moderator, while the service runs.
    """
    _act(config, REOPEN_CASE, {"number": number, "revision": revision, "comment": comment}, as_json, "open again")


@app.command(epilog='Example: labeler case comment 17 "spoke with the owner, waits for the list"')
def comment(
    number: Number,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What there is to say.")],
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Add words to a case.

    Needs LABELER_TOKEN, an operator's, while the service runs.
    """
    _act(config, COMMENT_CASE, {"number": number, "comment": words}, as_json, "commented on")


def _act(config: Config, nsid: str, body: dict[str, Any], as_json: bool, what: str) -> None:
    answer = tell(load_settings(config), nsid, {name: value for name, value in body.items() if value is not None})
    if as_json:
        show_json(answer)
        return
    case = answer["case"]
    if "removal" in answer:
        what = f"stays open; the removal of {case['about']} is proposed as case {answer['removal']['number']}"
    later = "; it takes effect as soon as the labels can be written" if answer.get("pending") else ""
    say(f"Case {case['number']} ({case['kind']}, {case['about']}): {what}, revision {case['revision']}{later}")


async def _list(settings: Settings, params: list[tuple[str, str]], limit: int | None) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    cursor: str | None = None
    async with reach(settings) as labeler:
        while limit is None or len(cases) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(cases))
            page = await labeler.query(
                LIST_CASES, [*params, ("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
            )
            cases += page["cases"]
            cursor = page.get("cursor")
            if cursor is None:
                break
    return cases


async def _show(settings: Settings, number: int) -> dict[str, Any]:
    async with reach(settings) as labeler:
        return await labeler.query(GET_CASE, [("number", str(number))])
