"""`tools.ozone.moderation.emitEvent`: an operator's word, through the door existing moderation tools already use.

Three events are understood: a label change on an account, a comment, an acknowledgement. The decision goes into the
input log like everything else; the answer is given once the fold has taken it in and its labels are published.
"""

import asyncio
import contextlib
import functools
from datetime import UTC, datetime
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.errors import BadInput, Unavailable
from labeler.reputation.inputs import Decision
from labeler.service.access import Operator, Role, require_operator
from labeler.service.http import Call
from labeler.service.ingest import Ingest
from labeler.service.pipeline import Pipeline

LABEL: Final = "tools.ozone.moderation.defs#modEventLabel"
COMMENT: Final = "tools.ozone.moderation.defs#modEventComment"
ACKNOWLEDGE: Final = "tools.ozone.moderation.defs#modEventAcknowledge"
REPO: Final = "com.atproto.admin.defs#repoRef"
RECORD: Final = "com.atproto.repo.strongRef"
ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)
MAX_HOURS: Final = 10 * 366 * 24  # ten years: anything longer is a decision without an end
MAX_COMMENT_BYTES: Final = 4_000  # it becomes the reason in an evidence record
MAX_EXTERNAL_ID_BYTES: Final = 512
PUBLISH_SECONDS: Final = 30.0  # how long an answer waits for the labels

_NEEDED: Final = {LABEL: Role.MODERATOR, COMMENT: Role.TRIAGE, ACKNOWLEDGE: Role.TRIAGE}
_NAMES: Final = {LABEL: "label", COMMENT: "comment", ACKNOWLEDGE: "acknowledge"}


class EmitEvent:
    """The method, with its way to the input log and back from the pipeline."""

    def __init__(self, ingest: Ingest, pipeline: Pipeline) -> None:
        self._ingest = ingest
        self._pipeline = pipeline

    async def answer(self, call: Call) -> dict[str, Any]:
        """Take one event; answer with its modEventView. Raises `BadInput`, `Unavailable`."""
        body = call.body
        kind = body["event"]["$type"]
        if kind not in _NEEDED:
            raise BadInput(f"Unsupported event type: {kind[:200]}")
        operator = require_operator(call.caller, _NEEDED[kind])
        did = _subject(body["subject"])
        draft = functools.partial(_draft, operator, did, kind, body)
        draft(ANY_TIME)  # what is wrong with the request shows here, before it waits for the log
        decision, position = await self._ingest.decide(draft)
        await taken_in(self._pipeline, position)
        return _view(decision, position, body)


async def taken_in(pipeline: Pipeline, position: int) -> None:
    """Wait, for a while, until what an operator said is judged and what it leads to is published.

    It is durable already, and takes effect as soon as the pipeline gets there: an error would be a lie.
    """
    with contextlib.suppress(TimeoutError, Unavailable):
        async with asyncio.timeout(PUBLISH_SECONDS):
            await pipeline.reached(position)


def _subject(subject: dict[str, Any]) -> str:
    match subject["$type"]:
        case str(kind) if kind == REPO:
            return str(subject["did"])
        case str(kind) if kind == RECORD:
            raise BadInput("Only accounts can be labelled here (repoRef); records cannot.")
        case _:
            raise BadInput("Invalid subject")


def _draft(operator: Operator, did: str, kind: str, body: dict[str, Any], received: datetime) -> Decision:
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
    return Decision(
        received=received,
        operator=operator.did,
        did=did,
        event=_NAMES[kind],
        apply=apply,
        negate=negate,
        duration_h=hours,
        comment=_bounded(event, "comment", MAX_COMMENT_BYTES),
        external_id=_bounded(body, "externalId", MAX_EXTERNAL_ID_BYTES),
    )


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


def _view(decision: Decision, position: int, body: dict[str, Any]) -> dict[str, Any]:
    """The event as the tools show it; its id is its place in the input log."""
    view: dict[str, Any] = {
        "id": position,
        "event": body["event"],
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
