"""`email.atmos.reputation.*`: why a member is labelled, on what evidence, under which policy.

The public sees states and rules of the game; numbers and evidence are for operators and for the member concerned.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from labeler.atproto import cbor
from labeler.atproto.syntax import format_datetime
from labeler.errors import BadInput, Unavailable
from labeler.moderation.cases import CaseBook
from labeler.moderation.member_view import told_to_member
from labeler.ports import Clock, LabelLog, LabelQuery, Sequenced
from labeler.reputation.definitions import DEFINITIONS, MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED, Definition
from labeler.reputation.evidence import ppm
from labeler.reputation.judge import Judge
from labeler.reputation.policy import Bar, Policy, Rule
from labeler.reputation.standing import standing
from labeler.service.access import forbidden, may_see
from labeler.service.http import Call
from labeler.service.ingest import Ingest
from labeler.service.operator.set_override import standing_grant

MAX_LABELS_A_URI: Final = 250
_NEVER: Final = datetime.min.replace(tzinfo=UTC)  # as `now` of a query: nothing has expired yet


class GetStanding:
    """Where one member stands."""

    def __init__(self, judge: Judge, cases: CaseBook, clock: Clock) -> None:
        self._judge = judge
        self._cases = cases
        self._clock = clock

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer state, labels, tier and caps; to operators and the member itself also the numbers behind them, and
        how the cases about it stand.
        """
        did, now = call.params["did"], self._clock.now()
        found = standing(self._judge, did, now)
        if not may_see(call.caller, did):
            return found.public
        subject = self._judge.subjects.get(did)
        granted = standing_grant(subject.member, now) if subject is not None else {}
        return found.full() | granted | {"cases": told_to_member(self._cases.about(did))}


class GetEvidence:
    """The record one label was decided on."""

    def __init__(self, labels: LabelLog) -> None:
        self._labels = labels

    async def answer(self, call: Call) -> dict[str, Any]:
        """Answer the record by `seq`, or by `uri` and `val` the newest.

        Raises `BadInput` when there is none, or when it is about somebody else (403).
        """
        params = call.params
        if "seq" in params:
            seq = params["seq"]
            current = next(iter(await self._labels.read(seq - 1, 1)), None)
        elif "uri" in params and "val" in params:
            current = await self._newest(params["uri"], params["val"])
            seq = current.seq if current is not None else 0
        else:
            raise BadInput("Name the label by seq, or by uri and val.")
        raw = await self._labels.evidence(seq)
        if raw is None:
            raise BadInput("There is no such label.", name="EvidenceNotFound")
        evidence = cbor.decode(raw)
        if not (isinstance(evidence, dict) and may_see(call.caller, str(evidence.get("did")))):
            raise forbidden("Evidence is shown to operators, and to the account it is about.")
        answer: dict[str, Any] = {"seq": seq, "evidenceCid": cbor.cid_of(raw), "evidence": evidence}
        if current is not None and current.seq == seq:
            answer["label"] = current.label.to_json()
        return answer

    async def _newest(self, uri: str, val: str) -> Sequenced | None:
        found = await self._labels.find(LabelQuery((uri,), (), 0, MAX_LABELS_A_URI, _NEVER))
        return next((sequenced for sequenced in reversed(found) if sequenced.label.val == val), None)


class GetPolicy:
    """The policy in force, and what each label means at a relay."""

    def __init__(self, judge: Judge, ingest: Ingest) -> None:
        self._judge = judge
        self._ingest = ingest

    async def answer(self, _: Call) -> dict[str, Any]:
        """Answer hash, text, rules and the table of labels; raises `Unavailable` before the first policy."""
        policy = self._judge.policy
        if policy is None:
            raise Unavailable("no policy is in force yet")
        answer: dict[str, Any] = {
            "hash": policy.hash,
            "name": policy.name,
            "mode": policy.mode.value,
            "rules": [_rule(rule) for rule in policy.rules],
            "labels": [_enforcement(definition, policy) for definition in DEFINITIONS],
        }
        written = self._ingest.policy
        if written is not None and hashlib.sha256(written.text.encode()).hexdigest() == policy.hash:
            answer |= {"policy": written.text, "activatedAt": format_datetime(written.received)}
        return answer


def _rule(rule: Rule) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": rule.id,
        "family": rule.family,
        "metric": rule.metric,
        "mode": rule.mode.value,
        "windowSeconds": rule.window.seconds,
        "summary": rule.summary,
        "source": rule.source,
        "throttle": _bar(rule.throttle),
        "exitBelowPpm": ppm(rule.exit_below),
    }
    return row | ({"suspend": _bar(rule.suspend)} if rule.suspend is not None else {})


def _bar(bar: Bar) -> dict[str, Any]:
    row: dict[str, Any] = {"thresholdPpm": ppm(bar.above), "minEvents": bar.min_events}
    return row | ({"confidencePpm": ppm(bar.confidence)} if bar.confidence is not None else {})


def _enforcement(definition: Definition, policy: Policy) -> dict[str, Any]:
    row: dict[str, Any] = {
        "val": definition.val,
        "name": definition.name,
        "description": definition.description,
        "adverse": definition.adverse,
        "action": "none",
    }
    if definition.val in (MAIL_SUSPENDED, MAIL_REMOVED):
        row["action"] = "reject"
    elif definition.val == MAIL_THROTTLED:
        terms = policy.labels[MAIL_THROTTLED]
        caps = {"hourlyCap": terms.hourly_cap, "authMailHourlyCap": terms.auth_mail_hourly_cap}
        row |= {"action": "throttle"} | {name: cap for name, cap in caps.items() if cap is not None}
    return row
