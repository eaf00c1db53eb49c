"""`tools.ozone.server.getConfig` and `tools.ozone.team.listMembers`: who is asking, and who may decide here.

The team is what the configuration names; it is changed there and nowhere else.
"""

from collections.abc import Iterable
from typing import Any, Final

from labeler.service.access import Operator, Role
from labeler.service.http import Call
from labeler.service.operator.query_events import DEFAULT_LIMIT

TEAM: Final = "tools.ozone.team.defs#"
ROLES: Final = {Role.ADMIN: "roleAdmin", Role.MODERATOR: "roleModerator", Role.TRIAGE: "roleTriage"}


class GetConfig:
    """What the service is to a moderation tool. It has no app view, account host or chat to name."""

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer who is asking: the role of an operator, nothing for anybody else."""
        viewer = {"role": TEAM + ROLES[call.caller.role]} if isinstance(call.caller, Operator) else {}
        return {"appview": {}, "pds": {}, "blobDivert": {}, "chat": {}, "viewer": viewer}


class ListMembers:
    """The team, in the order of their DIDs; of two roles of one DID the higher counts."""

    def __init__(self, operators: Iterable[Operator]) -> None:
        self._roles: dict[str, Role] = {}
        for operator in operators:
            self._roles[operator.did] = max(operator.role, self._roles.get(operator.did, operator.role))

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer one page; the cursor is the last DID of it."""
        params = call.params
        limit, past, wanted = params.get("limit", DEFAULT_LIMIT), params.get("cursor", ""), params.get("roles")
        part = params.get("q", "").lower()
        found = [
            {"did": did, "disabled": False, "role": TEAM + ROLES[role]}
            for did, role in sorted(self._roles.items())
            if did > past and part in did.lower() and (not wanted or TEAM + ROLES[role] in wanted)
        ]
        if params.get("disabled"):
            found = []  # who may no longer decide is no longer in the configuration
        answer: dict[str, Any] = {"members": found[:limit]}
        if len(found) > limit:
            answer["cursor"] = found[limit - 1]["did"]
        return answer
