"""`email.atmos.operator.listCases` and `getCase`: what waits for a decision, and all there is to know about it."""

from typing import Any, Final

from labeler.errors import BadInput
from labeler.moderation.case_queue import NOBODY, PLACE_NUMBERS, Wanted, page
from labeler.moderation.cases import URGENCIES, CaseBook, CaseKind
from labeler.service.access import Operator, Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.case_view import CaseViews
from labeler.service.operator.cursor import read_cursor, write_cursor
from labeler.service.operator.desk import Desk

STATES: Final = {"open": True, "closed": False, "all": None}
"""Whether a case of that name for a list is open; None: either."""

_KINDS: Final = tuple(kind.value for kind in CaseKind)


class ListCases:
    """The queue."""

    def __init__(self, cases: CaseBook, views: CaseViews) -> None:
        self._cases = cases
        self._views = views

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer a page of cases, and where to go on. Raises `BadInput`."""
        operator, params = require_operator(call.caller, Role.TRIAGE), call.params
        after = read_cursor(params["cursor"], *[int] * PLACE_NUMBERS) if "cursor" in params else None
        found = page(self._cases, _wanted(operator, params), after, params["limit"])
        answer: dict[str, Any] = {"cases": [self._views.brief(case, operator) for case in found.cases]}
        return answer | ({"cursor": write_cursor(found.behind)} if found.behind is not None else {})


class GetCase:
    """One case."""

    def __init__(self, desk: Desk, views: CaseViews) -> None:
        self._desk = desk
        self._views = views

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer the case; raises `BadInput` (CaseNotFound)."""
        operator = require_operator(call.caller, Role.TRIAGE)
        return self._views.full(self._desk.case(call.params["number"]), operator)


def _wanted(operator: Operator, params: dict[str, Any]) -> Wanted:
    state, kind, urgency = params["state"], params.get("kind"), params.get("urgency")
    for name, value, known in (("state", state, STATES), ("kind", kind, _KINDS), ("urgency", urgency, URGENCIES)):
        if value is not None and value not in known:
            raise BadInput(f"{name} must be one of {', '.join(known)}.")
    assignee = params.get("assignee")
    return Wanted(
        open=STATES[state],
        kind=CaseKind(kind) if kind is not None else None,
        about=params.get("about"),
        assignee={"me": operator.did, "none": NOBODY}.get(assignee, assignee) if assignee is not None else None,
        escalated=params.get("escalated"),
        urgency=urgency,
    )
