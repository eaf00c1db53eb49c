"""The record behind a label: which numbers, under which policy, led to it. Content-addressed, integers only.

Shares are parts per million: the atproto data model has no floats (data-model spec §Why No Floats).
"""

from datetime import datetime
from typing import Any, Final

from labeler.atproto.cbor import cid_of, encode
from labeler.atproto.syntax import format_datetime
from labeler.reputation.decisions import Change
from labeler.reputation.findings import Finding

PPM: Final = 1_000_000


def ppm(share: float) -> int:
    """A share as whole parts per million."""
    return round(share * PPM)


def evidence_record(did: str, change: Change, now: datetime, policy_hash: str | None) -> dict[str, Any]:
    """The evidence as the lexicon `email.atmos.reputation.defs#evidence` shapes it."""
    record: dict[str, Any] = {
        "did": did,
        "val": change.val,
        "change": change.verb.value,
        "at": format_datetime(now),
        "actor": change.actor,
        "reason": change.reason,
        "findings": [finding_record(finding) for finding in change.findings],
    }
    if policy_hash is not None:
        record["policy"] = policy_hash
    return record


def finding_record(finding: Finding) -> dict[str, Any]:
    """One finding with its numbers (`email.atmos.reputation.defs#finding`)."""
    measured = finding.measurement
    record: dict[str, Any] = {
        "rule": finding.rule.id,
        "metric": finding.rule.metric,
        "windowSeconds": finding.rule.window.seconds,
        "k": measured.k,
        "n": measured.n,
        "estimatePpm": ppm(measured.estimate),
        "comparedPpm": ppm(finding.compared),
        "thresholdPpm": ppm(finding.bar.above),
        "severity": finding.severity.name.lower(),
        "text": describe(finding),
    }
    if finding.bar.confidence is not None:
        record["confidencePpm"] = ppm(finding.bar.confidence)
    if measured.first_contact is not None:
        record["firstContactPpm"] = ppm(measured.first_contact)
    return record


def describe(finding: Finding) -> str:
    """A finding in words a member understands."""
    measured, rule = finding.measurement, finding.rule
    window = rule.window.text
    if rule.metric.endswith("-rate"):
        what = "recipients do not exist" if rule.metric == "invalid-recipient-rate" else "recipients complained"
        bound = f"at least {finding.compared:.1%} with {finding.bar.confidence:.0%} confidence"
        return f"{measured.k} of {measured.n} {what} ({window}): {bound}, limit {finding.bar.above * 100:g} %"
    if rule.metric == "domain-spray":
        return (
            f"{measured.n} recipients at {measured.k} domains ({window}): {measured.estimate:.0%} have one of their own"
        )
    return f"{measured.k} messages ({window}), {measured.estimate:.1f} times the agreed {measured.n}"


def seal(record: dict[str, Any]) -> tuple[bytes, str]:
    """Canonical bytes of an evidence record and their CID."""
    raw = encode(record)
    return raw, cid_of(raw)
