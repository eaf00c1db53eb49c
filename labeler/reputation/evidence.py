"""The record behind a label: which numbers, of which events, under which policy, led to it. Content-addressed.

Numbers are integers, shares parts per million: the atproto data model has no floats (data-model spec §Why No Floats).
Anybody who has the log can compute each of them again; `conformance/check_evidence.py` does, with none of our code.
"""

from datetime import UTC, datetime
from typing import Any, Final

from labeler.atproto.cbor import cid_of, encode
from labeler.atproto.syntax import format_datetime
from labeler.reputation.catalogue import CATALOGUE, Scale
from labeler.reputation.decisions import Change
from labeler.reputation.findings import Finding, Met
from labeler.reputation.ledger import EventLedger
from labeler.reputation.volume import HOUR_S

PPM: Final = 1_000_000
_LARGEST: Final = 2**53 - 1  # what JSON readers keep exactly


def ppm(share: float) -> int:
    """A share as whole parts per million."""
    return max(-_LARGEST, min(_LARGEST, round(share * PPM)))


def evidence_record(
    did: str, change: Change, now: datetime, policy_hash: str | None, ledger: EventLedger
) -> dict[str, Any]:
    """The evidence as the lexicon `email.atmos.reputation.defs#evidence` shapes it."""
    record: dict[str, Any] = {
        "did": did,
        "val": change.val,
        "change": change.verb.value,
        "at": format_datetime(now),
        "actor": change.actor,
        "reason": change.reason,
        "findings": [{**finding_record(finding), **_events(finding, now, ledger)} for finding in change.findings],
    }
    if policy_hash is not None:
        record["policy"] = policy_hash
    return record


def _events(finding: Finding, now: datetime, ledger: EventLedger) -> dict[str, Any]:
    """What the numbers are made of: the Merkle root over the hours of the window."""
    root = ledger.root(finding.since_s // HOUR_S, int(now.timestamp()) // HOUR_S)
    return {
        "events": root.events,
        "eventsRoot": root.digest,
        "firstHour": root.first_hour,
        "lastHour": root.last_hour,
    }


def finding_record(finding: Finding) -> dict[str, Any]:
    """One finding with its numbers (`email.atmos.reputation.defs#finding`)."""
    measured = finding.measurement
    record: dict[str, Any] = {
        "rule": finding.rule.id,
        "metric": finding.rule.metric,
        "windowSeconds": finding.rule.window.seconds,
        "since": format_datetime(datetime.fromtimestamp(finding.since_s, UTC)),
        "k": measured.k,
        "n": measured.n,
        "estimatePpm": ppm(measured.estimate),
        "comparedPpm": ppm(finding.compared),
        "thresholdPpm": ppm(finding.bar.above),
        "minEvents": finding.bar.min_events,
        "severity": finding.severity.name.lower(),
        "text": describe(finding),
    }
    if finding.bar.confidence is not None:
        record["confidencePpm"] = ppm(finding.bar.confidence)
    if measured.against is not None:
        names = ("poolK", "poolN") if finding.rule.scale is Scale.EXCESS else ("usualPpm", "variancePpm")
        pair = measured.against if finding.rule.scale is Scale.EXCESS else map(ppm, measured.against)
        record |= {name: int(value) for name, value in zip(names, pair, strict=True)}
    if measured.at is not None:
        record["provider"] = measured.at
    if measured.excused:
        record["excused"] = measured.excused
    if finding.conditions:
        record["conditions"] = [_condition(met) for met in finding.conditions]
    return record


def _condition(met: Met) -> dict[str, Any]:
    return {"name": _camel(met.name), "leastPpm": ppm(met.least), "valuePpm": ppm(met.value), "met": met.enough}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def describe(finding: Finding) -> str:
    """A finding in words a member understands."""
    measured, rule, terms = finding.measurement, finding.rule, CATALOGUE[finding.rule.metric]
    window = rule.window.text
    limit = f"{finding.bar.above * 100:g} %"
    if rule.scale is Scale.RATE and finding.bar.confidence is not None:
        surely = f"at least {finding.compared:.2%} with {finding.bar.confidence * 100:g} % confidence, limit {limit}"
        return f"{measured.k} {terms.k}, of {measured.n} {terms.n} ({window}): {surely}"
    if rule.scale is Scale.EXCESS:
        pool_k, pool_n = measured.against or (0, 0)
        where = f" at {measured.at}" if measured.at is not None else ""
        return (
            f"{measured.k} of {measured.n} recipients{where} refused for policy ({window}), "
            f"and {int(pool_k)} of {int(pool_n)} of all others: {measured.estimate:.1%} more, limit {limit}"
        )
    if rule.metric == "domain-spray":
        return f"{measured.n} recipients at {measured.k} domains ({window}): {measured.estimate:.0%}, limit {limit}"
    if rule.scale is Scale.MULTIPLE:
        return (
            f"{measured.k} {terms.k} ({window}), {measured.estimate:.1f} times {terms.n} of {measured.n}, "
            f"limit {finding.bar.above:g}"
        )
    if rule.scale is Scale.SURPRISE:
        return (
            f"{measured.k} {terms.k}, where about {measured.n} are usual: less likely than one in "
            f"10^{measured.estimate:.1f}, limit 10^{finding.bar.above:g}"
        )
    return f"{measured.k} {terms.k} ({window}), limit {int(finding.bar.above)}"


def seal(record: dict[str, Any]) -> tuple[bytes, str]:
    """Canonical bytes of an evidence record and their CID."""
    raw = encode(record)
    return raw, cid_of(raw)
