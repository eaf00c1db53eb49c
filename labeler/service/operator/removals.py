"""`email.atmos.operator.proposeRemoval` and `confirmRemoval`: a removal takes two admins, or one and a day."""

from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.moderation.cases import CaseBook, CaseKind
from labeler.reputation.inputs import Decision
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import Desk


class Removals:
    """The methods, around the desk."""

    def __init__(self, desk: Desk, cases: CaseBook) -> None:
        self._desk = desk
        self._cases = cases

    async def propose(self, call: Call) -> dict[str, Any]:
        """Propose; answer with the case that waits for the second admin. Raises `BadInput`, `Unavailable`."""
        operator = require_operator(call.caller, Role.ADMIN)
        word, position = await self._desk.propose_removal(operator, call.body["did"], call.body.get("comment"))
        view = self._view(word, position, "proposed")
        case, alone_from = self._cases.find_open(CaseKind.REMOVAL, word.did), self._desk.alone_from(word.did)
        if case is not None and alone_from is not None:
            view |= {"case": case.number, "aloneFrom": format_datetime(alone_from)}
        return {"removal": view}

    async def confirm(self, call: Call) -> dict[str, Any]:
        """Confirm; the member is removed. Raises `BadInput`, `Unavailable`."""
        operator = require_operator(call.caller, Role.ADMIN)
        word, position = await self._desk.confirm_removal(operator, call.body["did"], call.body.get("comment"))
        return {"removal": self._view(word, position, "removed")}

    def _view(self, word: Decision, position: int, state: str) -> dict[str, Any]:
        view: dict[str, Any] = {
            "id": position,
            "did": word.did,
            "state": state,
            "by": word.operator,
            "at": format_datetime(word.received),
        }
        return view if self._desk.taken(position) else view | {"pending": True}
