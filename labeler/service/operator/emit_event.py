"""`tools.ozone.moderation.emitEvent`: an operator's word, through the door existing moderation tools already use.

Three events are understood: a label change on an account, a comment, an acknowledgement.
"""

from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.errors import BadInput
from labeler.reputation.inputs import Decision
from labeler.service.access import require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import MAX_COMMENT_BYTES, NEEDED, Desk, Event

LABEL: Final = "tools.ozone.moderation.defs#modEventLabel"
COMMENT: Final = "tools.ozone.moderation.defs#modEventComment"
ACKNOWLEDGE: Final = "tools.ozone.moderation.defs#modEventAcknowledge"
REPO: Final = "com.atproto.admin.defs#repoRef"
RECORD: Final = "com.atproto.repo.strongRef"
MAX_HOURS: Final = 10 * 366 * 24  # ten years: anything longer is a decision without an end
MAX_EXTERNAL_ID_BYTES: Final = 512

_NAMES: Final = {LABEL: "label", COMMENT: "comment", ACKNOWLEDGE: "acknowledge"}


class EmitEvent:
    """The method: reads an Ozone event, hands it to the desk, shows it as Ozone does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer(self, call: Call) -> dict[str, Any]:
        """Take one event; answer with its modEventView. Raises `BadInput`, `Unavailable`."""
        body = call.body
        kind = body["event"]["$type"]
        if kind not in _NAMES:
            raise BadInput(f"Unsupported event type: {kind[:200]}")
        operator = require_operator(call.caller, NEEDED[_NAMES[kind]])
        decision, position = await self._desk.decide(operator, _event(_subject(body["subject"]), kind, body))
        return _view(decision, position, body)


def _subject(subject: dict[str, Any]) -> str:
    match subject["$type"]:
        case str(kind) if kind == REPO:
            return str(subject["did"])
        case str(kind) if kind == RECORD:
            raise BadInput("Only accounts can be labelled here (repoRef); records cannot.")
        case _:
            raise BadInput("Invalid subject")


def _event(did: str, kind: str, body: dict[str, Any]) -> Event:
    event = body["event"]
    apply: tuple[str, ...] = ()
    negate: tuple[str, ...] = ()
    hours: int | None = None
    if kind == LABEL:
        apply = tuple(dict.fromkeys(event["createLabelVals"]))
        negate = tuple(dict.fromkeys(event["negateLabelVals"]))
        hours = _hours(event)
        if not apply and not negate:
            raise BadInput("A label event must create or negate at least one value.")
    comment = _bounded(event, "comment", MAX_COMMENT_BYTES)
    external_id = _bounded(body, "externalId", MAX_EXTERNAL_ID_BYTES)
    return Event(_NAMES[kind], did, apply, negate, hours, comment, external_id)


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


def _proposal(decision: Decision) -> dict[str, Any]:
    """What became of a removal that only one admin has asked for: no label, and words that say so."""
    said = f": {decision.comment}" if decision.comment is not None else ""
    comment = f"Removal proposed, nothing applied yet; another admin must confirm it{said}"
    return {"$type": LABEL, "createLabelVals": [], "negateLabelVals": [], "comment": comment}


def _view(decision: Decision, position: int, body: dict[str, Any]) -> dict[str, Any]:
    """The event as the tools show it; its id is its place in the input log."""
    view: dict[str, Any] = {
        "id": position,
        "event": _proposal(decision) if decision.event == "propose-removal" else body["event"],
        "subject": {"$type": REPO, "did": decision.did},
        "subjectBlobCids": [],
        "createdBy": decision.operator,
        "createdAt": format_datetime(decision.received),
    }
    if "modTool" in body:
        view["modTool"] = body["modTool"]
    if decision.external_id is not None:
        view["externalId"] = decision.external_id
    return view
