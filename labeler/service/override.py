"""`email.atmos.operator.setOverride`: other terms for one member than the policy's, until they end or are taken back.

An override excuses from rules and moves caps. It lifts nothing and suspends nobody: those are labels, and emitEvent's.
"""

from datetime import datetime, timedelta
from typing import Any

from labeler.atproto.syntax import format_datetime
from labeler.errors import Unavailable
from labeler.reputation.decisions import Grant
from labeler.reputation.inputs import Override
from labeler.reputation.judge import Judge
from labeler.service.access import Operator, Role, require_operator
from labeler.service.http import Call
from labeler.service.ingest import Ingest
from labeler.service.operator import taken_in
from labeler.service.pipeline import Pipeline


class SetOverride:
    """The method, with its way to the input log and back from the pipeline. The judge knows which rules there are."""

    def __init__(self, judge: Judge, ingest: Ingest, pipeline: Pipeline) -> None:
        self._judge = judge
        self._ingest = ingest
        self._pipeline = pipeline

    async def answer(self, call: Call) -> dict[str, Any]:
        """Grant, or take back; answer with what stands then. Raises `BadInput`, `Unavailable`."""
        operator, body = require_operator(call.caller, Role.ADMIN), call.body
        policy = self._judge.policy
        if policy is None:
            raise Unavailable("no policy is in force yet, so there are no rules to except")

        def draft(received: datetime) -> Override:
            return _drafted(operator, body, received)

        override, position = await self._ingest.override(draft, [rule.id for rule in policy.rules])
        await taken_in(self._pipeline, position)
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
