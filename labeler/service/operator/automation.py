"""`email.atmos.operator.getAutomation` and `setAutomation`: whether the rules decide, only pretend, or rest."""

from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.moderation.history import History
from labeler.reputation.judge import Judge
from labeler.service.access import Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import Desk


class AutomationDoors:
    """The methods, around the desk."""

    def __init__(self, desk: Desk, judge: Judge, history: History) -> None:
        self._desk = desk
        self._judge = judge
        self._history = history

    async def get(self, call: Call) -> dict[str, Any]:
        """Answer what the rules do now, and who said so. Raises `BadInput`."""
        require_operator(call.caller, Role.TRIAGE)
        return {"automation": automation_view(self._judge, self._history)}

    async def set(self, call: Call) -> dict[str, Any]:
        """Say what they shall do. Raises `BadInput`, `Unavailable`."""
        operator, body = require_operator(call.caller, Role.ADMIN), call.body
        _, position = await self._desk.automate(operator, body["mode"], body.get("comment"))
        answer = {"id": position, "automation": automation_view(self._judge, self._history)}
        return answer if self._desk.taken(position) else answer | {"pending": True}


def automation_view(judge: Judge, history: History) -> dict[str, Any]:
    """What stands (`email.atmos.operator.defs#automation`)."""
    view: dict[str, Any] = {"mode": judge.automation, "breakerClosed": judge.may_suspend}
    policy, word = judge.enacted, history.automation
    if policy is not None:
        view |= {"policyMode": policy.mode.value, "policyHash": policy.hash}
    if word is not None:
        view |= {"setBy": word.operator, "setAt": format_datetime(word.received)}
        view |= {"comment": word.comment} if word.comment is not None else {}
    return view
