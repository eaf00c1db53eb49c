"""`email.atmos.operator.listStandings`: every member known, a page at a time."""

from typing import Any

from labeler.errors import BadInput
from labeler.moderation.roster import STANDINGS, Wanted
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.cursor import read_cursor, write_cursor
from labeler.service.operator.member_list import MemberList


class ListStandings:
    """The method, over the list of members."""

    def __init__(self, members: MemberList) -> None:
        self._members = members

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer a page of members, and where to go on. Raises `BadInput`."""
        require_operator(call.caller, Role.TRIAGE)
        cursor = call.params.get("cursor")
        after = read_cursor(cursor, int, str) if cursor is not None else None
        listing = await self._members.page(self._wanted(call.params), after, call.params["limit"])
        answer: dict[str, Any] = {"standings": listing.rows}
        return answer | ({"cursor": write_cursor(listing.behind)} if listing.behind is not None else {})

    def _wanted(self, params: dict[str, Any]) -> Wanted:
        sort, state = params["sort"], params.get("standing")
        for name, value, known in (("sort", sort, self._members.orders), ("standing", state, STANDINGS)):
            if value is not None and value not in known:
                raise BadInput(f"{name} must be one of {', '.join(known)}.")
        return Wanted(params.get("q", ""), state, sort)
