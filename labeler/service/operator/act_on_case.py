"""`email.atmos.operator.claimCase`, `commentCase`, `reopenCase` and `resolveCase`: what people do about a case.

Every answer shows the case as it stands then; of two who decide at once the slower is told CaseChanged.
"""

from typing import Any

from labeler.moderation.cases import CaseBook, CaseKind
from labeler.service.access import Operator, require_operator
from labeler.service.http import Call
from labeler.service.operator.case_view import CaseViews
from labeler.service.operator.desk import ACTS, Desk
from labeler.service.operator.resolutions import REMOVE, Resolution


class ActOnCase:
    """The methods, around the desk."""

    def __init__(self, desk: Desk, cases: CaseBook, views: CaseViews) -> None:
        self._desk = desk
        self._cases = cases
        self._views = views

    async def claim(self, call: Call) -> dict[str, Any]:
        """Claim a case, or let go of it. Raises `BadInput`, `Unavailable`."""
        return await self._act(call, "release" if call.body.get("release") else "claim")

    async def comment(self, call: Call) -> dict[str, Any]:
        """Add words to a case. Raises `BadInput`, `Unavailable`."""
        return await self._act(call, "comment")

    async def reopen(self, call: Call) -> dict[str, Any]:
        """Open a closed case again. Raises `BadInput`, `Unavailable`."""
        return await self._act(call, "reopen")

    async def resolve(self, call: Call) -> dict[str, Any]:
        """Decide a case; for `remove` the answer shows that case too. Raises `BadInput`, `Unavailable`."""
        operator, body = require_operator(call.caller, ACTS["resolve"]), call.body
        resolution = Resolution(
            body["resolution"],
            comment=body.get("comment"),
            hours=body.get("durationInHours"),
            exempt=tuple(dict.fromkeys(body.get("exempt", ()))),
            hourly_cap=body.get("hourlyCap"),
            daily_cap=body.get("dailyCap"),
        )
        _, position = await self._desk.resolve(operator, body["number"], resolution, revision=body.get("revision"))
        answer = self._answer(operator, body["number"], position)
        removal = self._cases.find_open(CaseKind.REMOVAL, answer["case"]["about"])
        if resolution.name == REMOVE and removal is not None:
            answer["removal"] = self._views.brief(removal, operator)
        return answer

    async def _act(self, call: Call, act: str) -> dict[str, Any]:
        operator, body = require_operator(call.caller, ACTS[act]), call.body
        _, position = await self._desk.act(
            operator, body["number"], act, comment=body.get("comment"), revision=body.get("revision")
        )
        return self._answer(operator, body["number"], position)

    def _answer(self, operator: Operator, number: int, position: int) -> dict[str, Any]:
        answer = {"id": position, "case": self._views.brief(self._desk.case(number), operator)}
        return answer if self._desk.taken(position) else answer | {"pending": True}
