"""`com.atproto.moderation.createReport`: anybody who proves a DID reports a member, or appeals what was decided on it.

The door clients know: through the account host of whoever reports, with `atproto-proxy: <did>#atproto_labeler`.
"""

from typing import Any, Final

from labeler.atproto.syntax import check_at_uri, format_datetime, is_did
from labeler.errors import BadInput
from labeler.service.access import require_anyone
from labeler.service.hearing import Complaint, Hearing
from labeler.service.http import Call

REPO: Final = "com.atproto.admin.defs#repoRef"
RECORD: Final = "com.atproto.repo.strongRef"
MAX_TOOL_CHARS: Final = 200  # kept of the name a program gives itself


class CreateReport:
    """The method, around the hearing."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    async def answer(self, call: Call) -> dict[str, Any]:
        """Take one report; answer with it as it is on file, `id` being its place in the input log.

        Raises `BadInput`, `Unavailable`.
        """
        reporter, body = require_anyone(call.caller).did, call.body
        did, record, cid = _subject(body["subject"])
        tool = body.get("modTool", {}).get("name")
        complaint = Complaint(
            body["reasonType"], did, body.get("reason"), record, cid, tool[:MAX_TOOL_CHARS] if tool else None
        )
        report, position = await self._hearing.report(reporter, complaint)
        view: dict[str, Any] = {
            "id": position,
            "reasonType": report.reason,
            "subject": _shown(report.did, report.subject, report.subject_cid),
            "reportedBy": report.reporter,
            "createdAt": format_datetime(report.received),
        }
        return view | ({"reason": report.text} if report.text is not None else {})


def _subject(subject: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """The member a report is about: the account, or the one in whose repository the record lies."""
    match subject["$type"]:
        case str(kind) if kind == REPO:
            return str(subject["did"]), None, None
        case str(kind) if kind == RECORD:
            uri = str(subject["uri"])
            did = uri.removeprefix("at://").partition("/")[0]
            if not is_did(did):
                raise BadInput("Invalid subject: name the account in the uri by its DID.")
            try:
                check_at_uri(uri)
            except BadInput as error:
                raise BadInput(f"Invalid subject: {error.message}") from None
            return did, uri, str(subject["cid"])
        case _:
            raise BadInput("Invalid subject")


def _shown(did: str, record: str | None, cid: str | None) -> dict[str, Any]:
    if record is None:
        return {"$type": REPO, "did": did}
    return {"$type": RECORD, "uri": record, "cid": cid}
