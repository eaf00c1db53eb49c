"""getStanding, getEvidence and getPolicy over a real socket."""

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from labeler.atproto.cbor import cid_of, encode
from labeler.reputation.policy import parse_policy
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

STANDING = "/xrpc/email.atmos.reputation.getStanding"
EVIDENCE = "/xrpc/email.atmos.reputation.getEvidence"
POLICY = "/xrpc/email.atmos.reputation.getPolicy"


def at_every_bound(text: str) -> str:
    """The policy with the longest texts, most rules and largest numbers that it may have."""
    head, *rules = text.split("[[rules]]")
    (rule,) = [rule for rule in rules if 'id = "complaints"' in rule]
    lines = [line for line in rule.splitlines() if not line.startswith(("id", "family", "summary", "source"))]
    many, left = [], 4096
    for number in range(100):
        summary = "s" * ((left - 2 * (99 - number)) // (100 - number))
        left -= len(summary) + 2
        name = f"r{number}".ljust(64, "-")
        texts = {"id": name, "family": name, "summary": summary, "source": "ö" * 4096 if number < 20 else ""}
        many.append("\n".join([*(f'{key} = "{value}"' for key, value in texts.items()), *lines, ""]))
    text = "[[rules]]\n".join([head, *many]).replace('name = "default"', f'name = "{"é" * 512}"')
    for few, most in (
        ("min_events = 3", f"min_events = {2**53 - 1}"),
        ("hourly_cap = 20", f"hourly_cap = {2**53 - 1}"),
    ):
        assert few in text
        text = text.replace(few, most)
    return text + "#" * (262_144 - len(text.encode()))


async def test_a_policy_at_every_bound_is_shown(service: "Service") -> None:
    policy = at_every_bound(service.policy_text)
    await service.pipeline.reached(await service.ingest.activate(policy))
    status, body, _ = await service.call("GET", POLICY)
    assert status == 200, body
    load_lexicons().check_output(POLICY.rpartition("/")[2], body)
    assert (body["policy"], len(body["rules"]), len(body["name"].encode())) == (policy, 100, 1024)
    assert len("; ".join(rule["summary"] for rule in body["rules"])) == 4096
    assert max(len(rule["source"].encode()) for rule in body["rules"]) == 8192


async def test_a_did_nobody_mentioned_stands_unknown(service: "Service") -> None:
    body = await service.standing(None)
    assert (body["did"], body["standing"], body["labels"]) == ("did:plc:alice", "unknown", [])


async def test_telemetry_makes_a_member_known(service: "Service", event: Any) -> None:
    await service.submit(event(1))
    await service.pipeline.reached(service.ingest.position)
    assert (await service.standing(None))["standing"] == "warming"


@pytest.mark.row(309)
async def test_the_public_sees_the_state_and_operators_the_numbers(service: "Service", event: Any) -> None:
    await service.submit(event(1))
    await service.emit()
    public, full = await service.standing(None), await service.standing("triage")
    assert public["standing"] == full["standing"] == "throttled"
    assert [label["val"] for label in public["labels"]] == ["mail-throttled"]
    assert {"findings", "headroom", "clears"} <= set(full)
    assert not {"findings", "headroom", "clears"} & set(public)
    assert await service.standing("relay") == public


async def test_the_public_part_is_these_fields_and_no_others(service: "Service", event: Any) -> None:
    """A throttled newcomer with an open report and an override: nothing of it shows but the label and the caps."""
    enrolled = {"tier": "new", "domain": "alice.example", "hourlyCap": 500}
    await service.submit(event(1, kind="enrolled", **enrolled), event(2, kind="abuseReported", category="phishing"))
    await service.emit()
    override = {"did": "did:plc:alice", "exempt": ["velocity"]}
    await service.call("POST", "/xrpc/email.atmos.operator.setOverride", json=override, token="admin")
    public, full = await service.standing(None), await service.standing("triage")
    assert set(public) == {"did", "standing", "labels", "tier", "hourlyCap", "dailyCap"}
    assert {frozenset(label) for label in public["labels"]} == {
        frozenset({"val", "cts", "since", "reasonClass", "clearedBy"})
    }
    assert [report["category"] for report in full["reports"]] == ["phishing"]
    assert full["warmup"]["stage"] == "first-steps"
    assert full["override"] == {"setBy": "did:plc:admin", "exempt": ["velocity"]}


async def test_numbers_below_zero_and_words_in_any_script_can_be_answered(service: "Service", event: Any) -> None:
    """A member better than the pool has a negative excess; relays name providers and categories as they like."""
    name = "почта" * 50
    words = {"provider": name, "domain": name, "recipientDomain": "пример.рф"}
    mail = {"messageId": "m", "recipient": "a" * 32, **words}
    refused = {"kind": "bounced", "smtpCode": 550, "status": "5.7.1", "did": "did:plc:bob"}
    events = [event(1, **mail), event(2, kind="delivered", **mail), event(3, did="did:plc:bob", **mail)]
    events += [event(4, **{**mail, **refused}), event(5, kind="abuseReported", category="спам" * 16)]
    events += [event(6, kind="enrolled", tier="новый" * 12, domain=name)]
    status, body = await service.submit(*events)
    assert (status, body["rejected"]) == (200, [])
    await service.pipeline.reached(service.ingest.position)
    for did in ("did:plc:alice", "did:plc:bob"):
        full = await service.standing("triage", did)
        assert {finding["rule"] for finding in full["findings"]} >= {"policy-blocks", "invalid-recipients"}


async def test_a_wrong_token_is_not_quietly_the_public(service: "Service") -> None:
    status, _, _ = await service.call("GET", f"{STANDING}?did=did:plc:alice", token="wrong")
    assert status == 401


@pytest.mark.parametrize("query", ["", "?did=", "?did=alice", "?did=did:plc:a&did=did:plc:b"])
async def test_standing_needs_one_did(service: "Service", query: str) -> None:
    status, body, _ = await service.call("GET", STANDING + query)
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.row(309)
async def test_evidence_is_found_by_seq_and_by_label(service: "Service") -> None:
    await service.emit()
    status, by_seq, _ = await service.call("GET", f"{EVIDENCE}?seq=1", token="triage")
    assert status == 200
    _, by_label, _ = await service.call("GET", f"{EVIDENCE}?uri=did:plc:alice&val=mail-throttled", token="triage")
    assert by_label == by_seq
    assert by_seq["evidence"]["did"] == by_seq["label"]["uri"] == "did:plc:alice"
    assert by_seq["evidenceCid"] == cid_of(encode(by_seq["evidence"])), "the record is what its address names"


async def test_evidence_outlives_its_label(service: "Service") -> None:
    await service.emit()
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": [],
        "negateLabelVals": ["mail-throttled"],
    }
    await service.emit(event=event)
    status, body, _ = await service.call("GET", f"{EVIDENCE}?seq=1", token="admin")
    assert (status, body["evidence"]["change"], "label" in body) == (200, "apply", False)
    _, body, _ = await service.call("GET", f"{EVIDENCE}?uri=did:plc:alice&val=mail-throttled", token="admin")
    assert (body["seq"], body["evidence"]["change"]) == (2, "negate")


async def test_evidence_of_an_expired_label_is_still_there(service: "Service") -> None:
    await service.emit()
    service.clock.time = service.clock.time.replace(year=2036)
    status, _, _ = await service.call("GET", f"{EVIDENCE}?uri=did:plc:alice&val=mail-throttled", token="admin")
    assert status == 200


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("wrong", 401), ("relay", 403)])
async def test_evidence_is_not_for_everybody(service: "Service", token: str | None, status: int) -> None:
    await service.emit()
    found, _, _ = await service.call("GET", f"{EVIDENCE}?seq=1", token=token)
    assert found == status


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("seq=99", "EvidenceNotFound"),
        ("seq=9007199254740991", "EvidenceNotFound"),
        ("uri=did:plc:bob&val=mail-throttled", "EvidenceNotFound"),
        ("seq=0", "InvalidRequest"),
        ("uri=did:plc:alice", "InvalidRequest"),
        ("", "InvalidRequest"),
    ],
)
async def test_evidence_that_is_not_there(service: "Service", query: str, error: str) -> None:
    status, body, _ = await service.call("GET", f"{EVIDENCE}?{query}", token="admin")
    assert (status, body["error"]) == (400, error)


async def test_the_policy_is_public_with_what_each_label_means(service: "Service") -> None:
    status, body, _ = await service.call("GET", POLICY)
    assert status == 200
    assert body["hash"] == hashlib.sha256(body["policy"].encode()).hexdigest()
    rows = {row["val"]: row for row in body["labels"]}
    assert rows["mail-throttled"]["action"] == "throttle"
    assert rows["mail-throttled"]["hourlyCap"] > 0
    assert (rows["mail-suspended"]["action"], rows["mail-removed"]["action"]) == ("reject", "reject")
    assert (rows["clean-sender"]["action"], rows["relay-member"]["action"]) == ("none", "none")


async def test_the_rules_are_public_with_their_bars(service: "Service") -> None:
    _, body, _ = await service.call("GET", POLICY)
    assert (body["name"], body["mode"]) == ("default", "enforce")
    rules = {rule["id"]: rule for rule in body["rules"]}
    assert list(rules) == [rule.id for rule in parse_policy(body["policy"]).rules]
    assert rules["invalid-recipients"] == {
        "id": "invalid-recipients",
        "family": "recipients",
        "metric": "invalid-recipient-rate",
        "mode": "enforce",
        "windowSeconds": 7 * 86_400,
        "summary": "too many recipients do not exist",
        "source": rules["invalid-recipients"]["source"],
        "throttle": {"thresholdPpm": 50_000, "minEvents": 3, "confidencePpm": 995_000},
        "suspend": {"thresholdPpm": 100_000, "minEvents": 5, "confidencePpm": 985_000},
        "exitBelowPpm": 30_000,
    }
    assert rules["invalid-recipients"]["source"]
    assert "confidencePpm" not in rules["hourly-volume"]["throttle"]
    assert "suspend" not in rules["velocity"]


async def test_before_the_first_policy_there_is_no_answer(service: "Service") -> None:
    service.judge._verdicts.policy = None
    status, body, _ = await service.call("GET", POLICY)
    assert (status, body["error"]) == (503, "NotEnoughResources")
