"""`labeler label apply|negate|list`."""

import asyncio
from typing import Annotated, Any

import typer

from labeler.cli.calls import EMIT_EVENT, QUERY_LABELS, reach, tell
from labeler.cli.console import say, show_json, show_table
from labeler.cli.options import CONFIG, AsJson, Config, Hours
from labeler.reputation.definitions import MAIL_REMOVED
from labeler.settings import Settings, load_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Decide by hand; see what was decided.")

PAGE = "250"  # the most that queryLabels answers at once

Did = Annotated[str, typer.Argument(metavar="DID", help="The account.")]
Values = Annotated[list[str], typer.Argument(metavar="VAL", help="Label values, such as mail-throttled.")]
Blocked = Annotated[int | None, typer.Option(min=1, help="How long the rules may not apply it again.")]
Reason = Annotated[str | None, typer.Option(help="Why; stands in the evidence.")]
ExternalId = Annotated[str | None, typer.Option(help="An id of yours: the same decision is taken once.")]


@app.command(epilog='Example: labeler label apply did:plc:… mail-throttled --hours 48 --reason "list import"')
def apply(
    did: Did,
    vals: Values,
    hours: Hours = None,
    reason: Reason = None,
    external_id: ExternalId = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Apply labels by hand. A removal takes two admins: the first who applies mail-removed proposes it only.

    Needs LABELER_TOKEN, an operator's of role moderator, while the service runs.
    """
    view = _decide(load_settings(config), did, vals, [], hours, reason, external_id)
    if _only_proposed(view, vals):
        sentence = f"{did}: removal proposed, and nothing applied yet; another admin must confirm it"
    else:
        sentence = f"{did}: {', '.join(vals)} applied" + (f" for {hours} hours" if hours is not None else "")
    _show(view, as_json, sentence)


@app.command(epilog='Example: labeler label negate did:plc:… mail-suspended --reason "spoke with the owner"')
def negate(
    did: Did,
    vals: Values,
    hours: Blocked = None,
    reason: Reason = None,
    external_id: ExternalId = None,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take labels back by hand; the rules keep off them for a while.

    Needs LABELER_TOKEN, an operator's of role moderator, while the service runs.
    """
    view = _decide(load_settings(config), did, [], vals, hours, reason, external_id)
    _show(view, as_json, f"{did}: {', '.join(vals)} taken back")


@app.command("list", epilog="Example: labeler label list did:plc:… --json")
def list_labels(
    uris: Annotated[list[str] | None, typer.Argument(metavar="URI", help='A DID, or a beginning and "*".')] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show negations too.")] = False,
    config: Config = CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the labels in force, of all subjects or some."""
    labels = asyncio.run(_list(load_settings(config), uris or ["*"]))
    if not everything:
        labels = [label for label in labels if not label.get("neg")]  # expired ones are never answered
    if as_json:
        for label in labels:
            show_json(label)
        return
    show_table(
        ("uri", "val", "since", "until"),
        [
            (label["uri"], ("−" if label.get("neg") else "") + label["val"], label["cts"], label.get("exp", "–"))
            for label in labels
        ],
    )


def _decide(
    settings: Settings,
    did: str,
    create: list[str],
    negate: list[str],
    hours: int | None,
    reason: str | None,
    external_id: str | None,
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": create,
        "negateLabelVals": negate,
    }
    if hours is not None:
        event["durationInHours"] = hours
    if reason is not None:
        event["comment"] = reason
    body: dict[str, Any] = {
        "event": event,
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
        "createdBy": settings.service.did,  # the service takes the caller's word from the token, not from here
        "modTool": {"name": "labeler"},
    }
    if external_id is not None:
        body["externalId"] = external_id
    return tell(settings, EMIT_EVENT, body)


async def _list(settings: Settings, patterns: list[str]) -> list[dict[str, Any]]:
    labels: list[dict[str, Any]] = []
    asked = [("uriPatterns", pattern) for pattern in patterns] + [("limit", PAGE)]
    cursor: str | None = None
    async with reach(settings) as labeler:
        while True:
            page = await labeler.query(QUERY_LABELS, [*asked, *([("cursor", cursor)] if cursor else [])])
            labels += page["labels"]
            cursor = page.get("cursor")
            if cursor is None:
                return labels


def _only_proposed(view: dict[str, Any], vals: list[str]) -> bool:
    """Whether a removal was asked for, and the event that came of it applies none."""
    return MAIL_REMOVED in vals and MAIL_REMOVED not in view.get("event", {}).get("createLabelVals", [])


def _show(view: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        show_json(view)
    else:
        say(f"{sentence}, by {view['createdBy']} (event {view['id']})")
