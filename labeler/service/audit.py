"""`email.atmos.operator.listAudit`, `email.atmos.reputation.getAuditHead`, and the entry a start makes.

Operators read the chain; everybody may note its head, signed with the label key, and hold us to it later.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from labeler.atproto.syntax import format_datetime
from labeler.errors import Unavailable
from labeler.moderation.audit import LABELER, VERSION, AuditEntry, Link
from labeler.moderation.audit_settings import setting_entry
from labeler.ports import Clock, LabelLog
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.query import read_cursor
from labeler.service.signing import Pen

DEFAULT_LIMIT: Final = 50
PAGE: Final = 1_000  # entries read at once


class ListAudit:
    """The chain, page by page, oldest first."""

    def __init__(self, labels: LabelLog) -> None:
        self._labels = labels

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer entries behind the cursor, all or those `about` one. Raises `BadInput`, `Unavailable`, `Corrupt`."""
        require_operator(call.caller, Role.TRIAGE)
        after, limit = read_cursor(call.params.get("cursor")), call.params.get("limit", DEFAULT_LIMIT)
        found = await self._labels.audit(after, limit + 1, call.params.get("about"))
        answer: dict[str, Any] = {"entries": [link_record(link) for link in found[:limit]]}
        if len(found) > limit:
            answer["cursor"] = str(found[limit - 1].n)
        return answer


class GetAuditHead:
    """Where the chain ends, over our signature."""

    def __init__(self, labels: LabelLog, pen: Pen) -> None:
        self._labels = labels
        self._pen = pen

    async def answer(self, _: Call) -> dict[str, Any]:
        """Answer number, hash and moment of the newest entry. Raises `Unavailable` before the first."""
        head = await self._labels.audit_head()
        if head.n == 0:
            raise Unavailable("nothing has been audited yet")
        stated = {"ver": VERSION, "src": self._pen.src, "n": head.n, "hash": head.hash.hex(), "at": head.at}
        return stated | {"sig": _bytes(self._pen.sign_head(head))}


def link_record(link: Link) -> dict[str, Any]:
    """An entry of the chain as JSON shows it (`email.atmos.operator.listAudit#entry`); raises `Corrupt`."""
    entry = link.entry
    return {"n": link.n, "hash": link.hash.hex(), **entry._asdict(), "bytes": _bytes(link.raw)}


async def note_settings(labels: LabelLog, described: Mapping[str, Any], clock: Clock) -> None:
    """Note in the chain what is otherwise in the settings than at the start before. Raises `Unavailable`."""
    before = [entry async for entry in _about_us(labels)]
    entry = setting_entry(described, before, format_datetime(clock.now()))
    if entry is not None:
        at = (await labels.bounds()).checkpoint
        await labels.append([], expected=at, checkpoint=at, audit=[entry])


async def _about_us(labels: LabelLog) -> AsyncIterator[AuditEntry]:
    n = 0
    while page := await labels.audit(n, PAGE, LABELER):
        for link in page:
            yield link.entry
        n = page[-1].n


def _bytes(raw: bytes) -> dict[str, str]:
    """Bytes in JSON (data model spec §bytes), unpadded as in labels."""
    return {"$bytes": base64.b64encode(raw).decode("ascii").rstrip("=")}
