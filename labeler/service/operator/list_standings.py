"""`email.atmos.operator.listStandings`: every member known, a page at a time.

Everybody is looked at for a page, cheaply and a stretch at a time, so that telemetry and readers come in between; only
the members of the page are measured.
"""

import asyncio
import heapq
from typing import Any, Final

from labeler.errors import BadInput
from labeler.moderation.roster import STANDINGS, Place, Roster, Wanted
from labeler.ports import Clock
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.cursor import read_cursor, write_cursor

STRETCH: Final = 2_000  # members looked at without letting others run: some milliseconds


class ListStandings:
    """The method, over the roster."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer a page of members, and where to go on. Raises `BadInput`."""
        require_operator(call.caller, Role.TRIAGE)
        wanted, limit, now = self._wanted(call.params), call.params["limit"], self._clock.now()
        first: list[Place] = []
        dids = self._roster.dids()
        for start in range(0, len(dids), STRETCH):
            found = self._roster.places(dids[start : start + STRETCH], wanted, now)
            first = heapq.nsmallest(limit + 1, [*first, *found])
            await asyncio.sleep(0)
        answer: dict[str, Any] = {"standings": [self._roster.row(did, now) for _, did in first[:limit]]}
        return answer | ({"cursor": write_cursor(first[limit - 1])} if len(first) > limit else {})

    def _wanted(self, params: dict[str, Any]) -> Wanted:
        sort, state = params["sort"], params.get("standing")
        for name, value, known in (("sort", sort, [*self._roster.orders]), ("standing", state, STANDINGS)):
            if value is not None and value not in known:
                raise BadInput(f"{name} must be one of {', '.join(known)}.")
        cursor = params.get("cursor")
        after = read_cursor(cursor, int, str) if cursor is not None else None
        return Wanted(params.get("q", ""), state, sort, after)
