"""`tools.ozone.moderation.emitEvent`: an operator's word, through the door existing moderation tools already use.

Understood are labels, comments, acknowledgements, escalations, tags, mutes and the end of an appeal, all about an
account. A report comes in by `com.atproto.moderation.createReport`, where its reporter speaks for itself.
"""

from typing import Any, Final

from labeler.errors import BadInput
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import MAX_COMMENT_BYTES, Desk, Event
from labeler.service.operator.ozone import COMMENT, LABEL, MUTE, NAMES, RECORD, REPO, REPORT, TAG, event_view

MAX_HOURS: Final = 10 * 366 * 24  # ten years: anything longer is a decision without an end
MAX_EXTERNAL_ID_BYTES: Final = 512
MAX_TOOL_BYTES: Final = 256


class EmitEvent:
    """The method: reads an Ozone event, hands it to the desk, shows it as Ozone does. `src` is our own DID."""

    def __init__(self, desk: Desk, src: str) -> None:
        self._desk = desk
        self._src = src

    async def answer(self, call: Call) -> dict[str, Any]:
        """Take one event; answer with its modEventView. Raises `BadInput`, `Unavailable`."""
        body = call.body
        kind = body["event"]["$type"]
        if kind == REPORT:
            raise BadInput("A report is made by its reporter, over com.atproto.moderation.createReport.")
        if kind not in NAMES:
            raise BadInput(f"Unsupported event type: {kind[:200]}")
        operator = require_operator(call.caller, Role.TRIAGE)  # the desk knows what this event needs
        decision, position = await self._desk.decide(operator, _event(_subject(body["subject"]), kind, body))
        view = event_view(position, decision, self._src)
        return view | ({"modTool": body["modTool"]} if "modTool" in body else {})


def _subject(subject: dict[str, Any]) -> str:
    match subject["$type"]:
        case str(kind) if kind == REPO:
            return str(subject["did"])
        case str(kind) if kind == RECORD:
            raise BadInput("Only accounts are moderated here (repoRef); records are not.")
        case _:
            raise BadInput("Invalid subject")


def _event(did: str, kind: str, body: dict[str, Any]) -> Event:
    event = body["event"]
    found = Event(
        NAMES[kind],
        did,
        comment=_bounded(event, "comment", MAX_COMMENT_BYTES),
        external_id=_bounded(body, "externalId", MAX_EXTERNAL_ID_BYTES),
        tool=_bounded(body.get("modTool", {}), "name", MAX_TOOL_BYTES),
    )
    if kind == LABEL:
        apply, negate = _once(event["createLabelVals"]), _once(event["negateLabelVals"])
        if not apply and not negate:
            raise BadInput("A label event must create or negate at least one value.")
        return found._replace(apply=apply, negate=negate, hours=_hours(event))
    if kind == TAG:
        add, remove = _once(event["add"]), _once(event["remove"])
        if not add and not remove:
            raise BadInput("A tag event must add or remove at least one tag.")
        both = sorted({*add} & {*remove})
        if both:
            raise BadInput(f"The same tag cannot be added and removed at once: {', '.join(both)[:200]}.")
        return found._replace(add_tags=add, remove_tags=remove, hours=_hours(event))
    if kind == MUTE:
        hours = _hours(event)
        if hours is None:
            raise BadInput("A mute needs an end: durationInHours of 1 or more.")
        return found._replace(hours=hours)
    return found._replace(sticky=bool(event.get("sticky"))) if kind == COMMENT else found


def _once(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _hours(event: dict[str, Any]) -> int | None:
    """Read durationInHours; 0 is what some tools send for "without an end"."""
    hours = event.get("durationInHours") or None
    if hours is not None and not 1 <= hours <= MAX_HOURS:
        raise BadInput(f"durationInHours must lie between 1 and {MAX_HOURS}, or be left out.")
    return hours


def _bounded(fields: dict[str, Any], name: str, limit: int) -> str | None:
    text: str | None = fields.get(name)
    if text is not None and len(text.encode()) > limit:
        raise BadInput(f"{name} is longer than {limit} bytes.")
    return text
