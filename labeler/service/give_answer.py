"""`email.atmos.reputation.answer`: a member answers what it was asked or reported for, and the clock stops."""

from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.service.access import require_anyone
from labeler.service.hearing import Hearing
from labeler.service.http import Call


class GiveAnswer:
    """The method, around the hearing. Whoever calls answers for itself and for nobody else."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    async def answer(self, call: Call) -> dict[str, Any]:
        """Take one answer; answer with its place in the input log and the cases it belongs to.

        Raises `BadInput`, `Unavailable`.
        """
        heard = await self._hearing.answer(require_anyone(call.caller).did, call.body["text"])
        return {
            "id": heard.position,
            "did": heard.answer.did,
            "answeredAt": format_datetime(heard.answer.received),
            "cases": list(heard.cases),
        }
