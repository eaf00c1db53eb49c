"""The record behind a label."""

from datetime import UTC, datetime

import pytest

from labeler.atproto import cbor
from labeler.atproto.syntax import is_cid
from labeler.reputation.decisions import Change, Verb
from labeler.reputation.evidence import describe, evidence_record, finding_record, ppm, seal
from labeler.reputation.findings import Finding, Severity
from labeler.reputation.metrics import Measurement
from labeler.reputation.policy import Policy

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)


def finding(policy: Policy, name: str, measured: Measurement) -> Finding:
    rule = next(item for item in policy.rules if item.id == name)
    return Finding(rule, measured, Severity.THROTTLE, rule.throttle, True)


def test_shares_are_whole_parts_per_million() -> None:
    assert [ppm(share) for share in (0.0, 1 / 3, 0.05, 1.0, 12.5)] == [0, 333_333, 50_000, 1_000_000, 12_500_000]


def test_a_rate_tells_its_interval(policy: Policy) -> None:
    assert finding_record(finding(policy, "invalid-recipients", Measurement(3, 14, 3 / 14, 3))) == {
        "rule": "invalid-recipients",
        "metric": "invalid-recipient-rate",
        "windowSeconds": 604_800,
        "k": 3,
        "n": 14,
        "estimatePpm": 214_286,
        "comparedPpm": 75_714,
        "thresholdPpm": 50_000,
        "confidencePpm": 950_000,
        "severity": "throttle",
        "text": "3 of 14 recipients do not exist (7d): at least 7.6% with 95% confidence, limit 5 %",
    }


@pytest.mark.parametrize(
    ("name", "measured", "text"),
    [
        (
            "complaints",
            Measurement(2, 500, 0.004, 2),
            "2 of 500 recipients complained (7d): at least 0.1% with 95% confidence, limit 0.1 %",
        ),
        ("hourly-volume", Measurement(350, 100, 3.5, 350), "350 messages (1h), 3.5 times the agreed 100"),
        (
            "domain-spray",
            Measurement(48, 50, 0.96, 50, 0.9),
            "50 recipients at 48 domains (24h): 96% have one of their own",
        ),
    ],
)
def test_a_finding_in_words_a_member_understands(policy: Policy, name: str, measured: Measurement, text: str) -> None:
    assert describe(finding(policy, name, measured)) == text


def test_a_spread_tells_its_strangers_and_no_interval(policy: Policy) -> None:
    record = finding_record(finding(policy, "domain-spray", Measurement(48, 50, 0.96, 50, 0.9)))
    assert record["firstContactPpm"] == 900_000
    assert "confidencePpm" not in record


def test_a_record_says_what_happened_under_which_policy(policy: Policy) -> None:
    fired = finding(policy, "complaints", Measurement(2, 500, 0.004, 2))
    change = Change(Verb.APPLY, "mail-throttled", NOW, "complaints", "too many complaints", (fired,))
    record = evidence_record("did:plc:m", change, NOW, policy.hash)
    assert record == {
        "did": "did:plc:m",
        "val": "mail-throttled",
        "change": "apply",
        "at": "2026-03-06T12:00:00.000Z",
        "actor": "complaints",
        "reason": "too many complaints",
        "findings": [finding_record(fired)],
        "policy": policy.hash,
    }
    assert "policy" not in evidence_record("did:plc:m", change, NOW, None)


def test_the_seal_is_the_address_of_canonical_bytes(policy: Policy) -> None:
    change = Change(Verb.NEGATE, "clean-sender", None, "restricted", "mail is restricted")
    raw, cid = seal(evidence_record("did:plc:m", change, NOW, policy.hash))
    assert cbor.decode(raw) == evidence_record("did:plc:m", change, NOW, policy.hash)
    assert is_cid(cid)
    assert seal({"b": 1, "a": 2}) == seal({"a": 2, "b": 1})
    assert seal({"a": 2})[1] != seal({"a": 3})[1]
