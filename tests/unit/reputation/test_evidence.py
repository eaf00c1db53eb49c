"""The record behind a label."""

from datetime import UTC, datetime
from typing import Any

import pytest

from labeler.atproto import cbor
from labeler.atproto.syntax import is_cid
from labeler.reputation.catalogue import CATALOGUE
from labeler.reputation.decisions import Change, Verb
from labeler.reputation.evidence import describe, evidence_record, finding_record, ppm, seal
from labeler.reputation.findings import Finding, Met, Severity
from labeler.reputation.ledger import EventLedger, merkle_root
from labeler.reputation.metrics import METRICS, Measurement, View
from labeler.reputation.policy import Policy
from labeler.reputation.windows import SubjectWindows
from tests.filled_windows import setting

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR = int(NOW.timestamp()) // 3600
EMPTY_TREE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # RFC 6962 §2.1: SHA-256 of nothing


def finding(policy: Policy, name: str, measured: Measurement, *conditions: Met, since_hour: int = HOUR) -> Finding:
    rule = next(item for item in policy.rules if item.id == name)
    return Finding(rule, measured, Severity.THROTTLE, rule.throttle, True, since_hour * 3600, conditions)


def test_shares_are_whole_parts_per_million_that_every_reader_keeps() -> None:
    assert [ppm(share) for share in (0.0, 1 / 3, 0.05, 1.0, 12.5)] == [0, 333_333, 50_000, 1_000_000, 12_500_000]
    assert [ppm(share) for share in (1e300, -1e300)] == [2**53 - 1, 1 - 2**53]


def test_a_rate_tells_its_interval(policy: Policy) -> None:
    assert finding_record(finding(policy, "invalid-recipients", Measurement(3, 14, 3 / 14, 3))) == {
        "rule": "invalid-recipients",
        "metric": "invalid-recipient-rate",
        "windowSeconds": 604_800,
        "since": "2026-03-06T12:00:00.000Z",
        "k": 3,
        "n": 14,
        "estimatePpm": 214_286,
        "comparedPpm": 50_307,
        "thresholdPpm": 50_000,
        "minEvents": 3,
        "confidencePpm": 995_000,
        "severity": "throttle",
        "text": "3 distinct recipients that do not exist, of 14 distinct recipients whose existence is known by now "
        "(7d): at least 5.03% with 99.5 % confidence, limit 5 %",
    }


@pytest.mark.parametrize(
    ("name", "measured", "text"),
    [
        (
            "complaints",
            Measurement(3, 500, 0.006, 3),
            "3 distinct recipients that complained, of 500 distinct recipients reached (7d): "
            "at least 0.11% with 99.9 % confidence, limit 0.1 %",
        ),
        (
            "policy-blocks",
            Measurement(10, 50, 0.18, 10, (4, 200), "mx.example"),
            "10 of 50 recipients at mx.example refused for policy (24h), and 4 of 200 of all others: "
            "18.0% more, limit 3 %",
        ),
        (
            "policy-blocks",
            Measurement(0, 0, 0.0, 0),
            "0 of 0 recipients refused for policy (24h), and 0 of 0 of all others: 0.0% more, limit 3 %",
        ),
        (
            "hourly-volume",
            Measurement(350, 100, 3.5, 350),
            "350 messages accepted in the window (1h), 3.5 times the agreed hourly cap of 100, limit 3",
        ),
        (
            "domain-spray",
            Measurement(48, 50, 0.96, 50),
            "50 recipients at 48 domains (24h): 96%, limit 85 %",
        ),
        (
            "velocity",
            Measurement(40, 3, 8.25, 40, (2.5, 3.0)),
            "40 messages accepted in the last hour, where about 3 are usual: "
            "less likely than one in 10^8.2, limit 10^5",
        ),
        (
            "suppression-evasion",
            Measurement(2, 9, 2.0, 2),
            f"2 {CATALOGUE['suppression-evasion'].k} (30d), limit 1",
        ),
    ],
)
def test_a_finding_in_words_a_member_understands(policy: Policy, name: str, measured: Measurement, text: str) -> None:
    assert describe(finding(policy, name, measured)) == text


def test_every_rule_can_say_what_it_found_where_nothing_is(policy: Policy) -> None:
    view = View(SubjectWindows(), 0, HOUR * 3600, setting())
    for rule in policy.rules:
        found = Finding(rule, METRICS[rule.metric].measure(view), Severity.NONE, rule.throttle, False)
        assert rule.window.text in describe(found) or rule.metric == "velocity"
        assert cbor.decode(cbor.encode(finding_record(found))) == finding_record(found)


class TestWhatAFindingTellsBesides:
    def test_a_spread_tells_its_conditions_and_no_interval(self, policy: Policy) -> None:
        met, unmet = Met("min_excess", 3.0, 50.0, True), Met("min_first_contact", 0.8, 0.75, False)
        record = finding_record(finding(policy, "domain-spray", Measurement(48, 50, 0.96, 50), met, unmet))
        assert record["conditions"] == [
            {"name": "minExcess", "leastPpm": 3_000_000, "valuePpm": 50_000_000, "met": True},
            {"name": "minFirstContact", "leastPpm": 800_000, "valuePpm": 750_000, "met": False},
        ]
        assert "confidencePpm" not in record

    def test_an_excess_tells_the_pool_and_the_provider(self, policy: Policy) -> None:
        record = finding_record(finding(policy, "policy-blocks", Measurement(10, 50, 0.18, 10, (4, 200), "mx.example")))
        assert (record["poolK"], record["poolN"], record["provider"]) == (4, 200, "mx.example")

    def test_a_surprise_tells_the_usual(self, policy: Policy) -> None:
        record = finding_record(finding(policy, "velocity", Measurement(40, 3, 8.25, 40, (2.5, 3.0))))
        assert (record["usualPpm"], record["variancePpm"]) == (2_500_000, 3_000_000)

    def test_how_many_were_a_provider_s_doing(self, policy: Policy) -> None:
        measured = Measurement(3, 14, 3 / 14, 3, excused=7)
        assert finding_record(finding(policy, "invalid-recipients", measured))["excused"] == 7
        assert "excused" not in finding_record(finding(policy, "invalid-recipients", measured._replace(excused=0)))


def ledger(**hours: list[str]) -> EventLedger:
    made = EventLedger()
    for age, ids in hours.items():
        made.counted += [(HOUR - int(age[1:]), name) for name in ids]
        made.seal("did:web:relay.example")
    return made


class TestARecord:
    @staticmethod
    def of(policy_hash: str | None, change: Change, events: EventLedger) -> dict[str, Any]:
        return evidence_record("did:plc:m", change, NOW, policy_hash, events)

    def test_says_what_happened_under_which_policy(self, policy: Policy) -> None:
        fired = finding(policy, "complaints", Measurement(3, 500, 0.006, 3))
        change = Change(Verb.APPLY, "mail-throttled", NOW, "complaints", "too many complaints", (fired,))
        record = self.of(policy.hash, change, EventLedger())
        events = {"events": 0, "eventsRoot": EMPTY_TREE, "firstHour": HOUR, "lastHour": HOUR}
        assert record == {
            "did": "did:plc:m",
            "val": "mail-throttled",
            "change": "apply",
            "at": "2026-03-06T12:00:00.000Z",
            "actor": "complaints",
            "reason": "too many complaints",
            "findings": [finding_record(fired) | events],
            "policy": policy.hash,
        }
        assert "policy" not in self.of(None, change, EventLedger())

    def test_names_the_root_of_the_events_in_the_hours_of_the_window(self, policy: Policy) -> None:
        events = ledger(h9=["a"], h3=["b", "c"], h0=["d"])
        fired = finding(policy, "complaints", Measurement(3, 500, 0.006, 3), since_hour=HOUR - 5)
        change = Change(Verb.APPLY, "mail-throttled", NOW, "complaints", "", (fired,))
        (told,) = self.of(policy.hash, change, events)["findings"]
        leaves = [f"{hour}:{events.hours[hour][0]}:".encode() + events.hours[hour][1] for hour in (HOUR - 3, HOUR)]
        assert told["eventsRoot"] == merkle_root(leaves).hex()
        assert (told["events"], told["firstHour"], told["lastHour"]) == (3, HOUR - 5, HOUR)

    def test_of_a_slate_that_is_clean_from_the_next_hour_on_names_no_event(self, policy: Policy) -> None:
        fired = finding(policy, "complaints", Measurement(0, 0, 0.0, 0), since_hour=HOUR + 1)
        change = Change(Verb.APPLY, "mail-throttled", NOW, "complaints", "", (fired,))
        (told,) = self.of(policy.hash, change, ledger(h0=["a"]))["findings"]
        assert (told["events"], told["eventsRoot"]) == (0, EMPTY_TREE)

    def test_the_seal_is_the_address_of_canonical_bytes(self, policy: Policy) -> None:
        change = Change(Verb.NEGATE, "clean-sender", None, "restricted", "mail is restricted")
        record = self.of(policy.hash, change, EventLedger())
        raw, cid = seal(record)
        assert cbor.decode(raw) == record
        assert is_cid(cid)
        assert seal({"b": 1, "a": 2}) == seal({"a": 2, "b": 1})
        assert seal({"a": 2})[1] != seal({"a": 3})[1]
