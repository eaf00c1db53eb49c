"""`email.atmos.operator.setOverride`: other terms for one member than the policy's, until they end or are taken back.

An override excuses from rules and moves caps. It lifts nothing and suspends nobody: those are labels, and emitEvent's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.reputation.decisions import Grant, Member
from labeler.reputation.inputs import Override
from labeler.service.access import Operator, Role, require_operator
from labeler.service.http import Call
from labeler.service.operator.desk import Desk


class SetOverride:
    """The method, around the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer(self, call: Call) -> dict[str, Any]:
        """Grant, or take back; answer with what stands then. Raises `BadInput`, `Unavailable`."""
        operator, body = require_operator(call.caller, Role.ADMIN), call.body

        def draft(received: datetime) -> Override:
            return _drafted(operator, body, received)

        override, position = await self._desk.override(operator, draft)
        answer: dict[str, Any] = {
            "id": position,
            "did": override.did,
            "setAt": format_datetime(override.received),
        }
        hours = override.duration_h
        until = override.received + timedelta(hours=hours) if hours is not None else None
        if override.exempt or override.hourly_cap is not None or override.daily_cap is not None:
            granted = Grant(override.operator, until, override.exempt, override.hourly_cap, override.daily_cap)
            answer["override"] = grant_record(granted)
        return answer


def grant_record(grant: Grant) -> dict[str, Any]:
    """What was granted (`email.atmos.reputation.defs#override`)."""
    record: dict[str, Any] = {"setBy": grant.operator}
    if grant.until is not None:
        record["until"] = format_datetime(grant.until)
    if grant.exempt:
        record["exempt"] = list(grant.exempt)
    caps = {"hourlyCap": grant.hourly_cap, "dailyCap": grant.daily_cap}
    return record | {name: cap for name, cap in caps.items() if cap is not None}


def standing_grant(member: Member, now: datetime) -> dict[str, Any]:
    """What `getStanding` adds for the member and operators while other terms than the policy's stand."""
    grant = member.grant
    return {"override": grant_record(grant)} if grant is not None and grant.stands(now) else {}


def grant_words(record: Mapping[str, Any]) -> list[str]:
    """What was granted, in words; nothing where the policy's own terms are back."""
    words = [f"exempt from {', '.join(map(str, record['exempt']))}"] if record.get("exempt") else []
    caps = {"hourlyCap": "hourly cap", "dailyCap": "daily cap"}
    return words + [f"{said} {record[name]}" for name, said in caps.items() if record.get(name) is not None]


def _drafted(operator: Operator, body: dict[str, Any], received: datetime) -> Override:
    return Override(
        received=received,
        operator=operator.did,
        did=body["did"],
        exempt=tuple(dict.fromkeys(body.get("exempt", ()))),
        hourly_cap=body.get("hourlyCap"),
        daily_cap=body.get("dailyCap"),
        duration_h=body.get("durationInHours"),
        comment=body.get("comment"),
    )
