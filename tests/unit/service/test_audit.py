"""The audit chain in a running service: what gets into it, who reads it, and that it agrees with both logs."""

import hashlib
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.memory import MemoryLabelLog, MemoryTelemetryLog
from labeler.atproto import cbor
from labeler.atproto.keys import PrivateKey
from labeler.errors import BadInput, Corrupt, Unavailable
from labeler.moderation.audit import GENESIS, AuditEntry, Head, Link, chained
from labeler.ports import Entry, Sequenced
from labeler.reputation.inputs import Decision, Question, Tick
from labeler.service import audit_check, pipeline
from labeler.service.access import Account
from labeler.service.audit import GetAuditHead, ListAudit, note_settings
from labeler.service.audit_check import Verdict, verify
from labeler.service.http import Call

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

LIST = "/xrpc/email.atmos.operator.listAudit"
HEAD = "/xrpc/email.atmos.reputation.getAuditHead"
ALICE = "did:plc:alice"
KEY = PrivateKey.from_hex("22" * 32)  # of the service under test


async def settled(service: "Service") -> None:
    await service.pipeline.reached(service.ingest.position)


async def kinds(service: "Service", about: str | None = None) -> list[str]:
    return [link.entry.kind for link in await service.labels.audit(0, 1000, about)]


async def checked(service: "Service", pins: dict[int, bytes] | None = None) -> Verdict:
    return await verify(service.labels, service.telemetry, pins or {}, lambda _: None)


async def busy(service: "Service") -> None:
    """Words of several kinds, labels from some of them, and telemetry in between."""
    for number in range(3):
        assert (await service.emit(f"did:plc:m{number}"))[0] == 200
    assert (await service.emit("did:plc:m0", event=negation()))[0] == 200
    await service.call("POST", "/xrpc/email.atmos.operator.askMember", json={"did": ALICE}, token="moderator")
    await service.submit({"id": "e", "kind": "accepted", "did": ALICE, "at": "2026-03-02T11:59:00.000Z"})
    await service.call(
        "POST", "/xrpc/email.atmos.operator.setOverride", json={"did": ALICE, "dailyCap": 7}, token="admin"
    )
    await settled(service)


def negation() -> dict[str, Any]:
    kind = "tools.ozone.moderation.defs#modEventLabel"
    return {"$type": kind, "createLabelVals": [], "negateLabelVals": ["mail-throttled"]}


async def test_every_word_and_label_is_in_the_chain_in_its_order(service: "Service") -> None:
    await busy(service)
    found = await kinds(service)
    assert found[:2] == ["begin", "policy"]
    assert found[2:] == ["decision", "label"] * 4 + ["question", "override"]
    assert await kinds(service, "did:plc:m0") == ["decision", "label", "decision", "label"]
    head = await service.labels.audit_head()
    assert await checked(service, {head.n: head.hash}) == Verdict(head, 4, 7, None)


async def test_what_only_leads_to_words_is_appended_at_once(service: "Service") -> None:
    _, position = await service.ingest.ask(lambda received: Question(received, "did:plc:moderator", ALICE))
    await settled(service)
    assert (await service.labels.bounds()).checkpoint == position
    assert await kinds(service, ALICE) == ["question"]


async def test_a_failing_disk_notes_nothing_twice(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "RETRY_SECONDS", 0.01)
    service.labels.broken = True
    for number in range(3):
        await service.ingest.decide(decision(number))
    await service.until(lambda: service.pipeline.failed)
    service.labels.broken = False
    await settled(service)
    assert (await kinds(service)).count("decision") == 3
    assert (await checked(service)).fault is None


def decision(number: int) -> Any:
    return lambda received: Decision(received, "did:plc:moderator", f"did:plc:m{number}", apply=("mail-throttled",))


@pytest.mark.parametrize("written", [1, 2, 3])
async def test_a_crash_between_two_appends_loses_and_repeats_nothing(service: "Service", written: int) -> None:
    """What lies behind the stored checkpoint is noted once more, for the first time."""
    for number in range(3):
        await service.ingest.decide(decision(number))
        await settled(service)
    whole = await service.labels.audit(0, 100)
    again = type(service)(telemetry=service.telemetry)
    entries = await service.labels.read(0, 10)
    links = [link.entry for link in whole]
    await again.labels.append([], expected=0, checkpoint=1, audit=[links[1]])
    for number in range(1, written):
        entry = _entry(entries[number - 1], links[2 * number + 1], await service.labels.evidence(number))
        entry = entry._replace(words=(links[2 * number],))
        await again.labels.append([entry], expected=number, checkpoint=number + 1)
    await again.start()
    await settled(again)
    assert [link.entry for link in await again.labels.audit(0, 100)] == links
    assert (await again.labels.audit_head()).hash == whole[-1].hash
    assert (await checked(again)).fault is None
    await again.stop()


def _entry(sequenced: Sequenced, noted: AuditEntry, evidence: bytes | None) -> Entry:
    assert evidence is not None
    body = noted.body
    return Entry(sequenced.label, "did:key:z", evidence, body["evidence"], noted.actor, body["reason"])


async def test_a_log_that_goes_on_behind_an_older_one_is_verified_from_there(service: "Service") -> None:
    """Words and labels of before the chain need no entries."""
    again = type(service)(telemetry=service.telemetry)
    await again.labels.append([], expected=0, checkpoint=1)  # the policy, judged before there was a chain
    await again.start()
    await again.ingest.decide(decision(1))
    await settled(again)
    assert await kinds(again) == ["begin", "decision", "label"]
    assert (await checked(again)).fault is None
    await again.stop()


async def test_paging_does_not_matter(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    await busy(service)
    for size in (1, 2, 3):
        monkeypatch.setattr(audit_check, "PAGE", size)
        monkeypatch.setattr(audit_check, "RECORDS", size)
        shares = list[float]()
        verdict = await verify(service.labels, service.telemetry, {}, shares.append)
        assert (verdict.fault, verdict.labels, verdict.words) == (None, 4, 7)
        assert shares == sorted(shares)
        assert 0 < shares[-1] <= 1


async def test_a_cut_tail_is_found_with_or_without_its_labels(service: "Service") -> None:
    await busy(service)
    chain = service.labels._chain
    head = await service.labels.audit_head()
    del chain[-1]
    assert (await checked(service)).fault == "input position 8: this override has no audit entry"
    del chain[-3:]
    assert (await checked(service)).fault == "label 4: it has no audit entry"
    assert (await checked(service, {head.n: head.hash})).fault == "label 4: it has no audit entry"


async def test_a_link_that_vanishes_while_it_is_read_ends_it(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object) -> list[Link]:
        return []

    monkeypatch.setattr(service.labels, "audit", none)
    fault = (await checked(service)).fault
    assert fault is not None
    assert "has no audit entry" in fault


async def test_a_log_that_contradicts_itself_is_a_fault_and_one_that_is_away_is_not(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def holed(*_: object) -> Any:
        raise Corrupt("records are missing between 1 and 3")

    async def away(*_: object) -> Any:
        raise Unavailable("the disk is gone")

    monkeypatch.setattr(service.telemetry, "read", holed)
    assert (await checked(service)).fault == "records are missing between 1 and 3"
    monkeypatch.setattr(service.telemetry, "read", away)
    with pytest.raises(Unavailable):
        await checked(service)


async def test_what_comes_in_while_it_looks_is_looked_at_once_more(service: "Service") -> None:
    bounds, moved = service.labels.bounds, iter([True])

    async def moving() -> Any:
        found = await bounds()
        if next(moved, False):
            await service.labels.append([], expected=found.checkpoint, checkpoint=found.checkpoint)
            return found._replace(checkpoint=0)
        return found

    service.labels.bounds = moving  # type: ignore[method-assign]
    assert (await checked(service)).fault is None


async def test_operators_read_the_chain_in_pages(service: "Service") -> None:
    await busy(service)
    shown: list[dict[str, Any]] = []
    cursor = ""
    while True:
        status, body, _ = await service.call("GET", f"{LIST}?limit=5{cursor}", token="triage")
        assert status == 200, body
        shown += body["entries"]
        if "cursor" not in body:
            break
        cursor = f"&cursor={body['cursor']}"
    hash_ = GENESIS
    for number, entry in enumerate(shown, 1):
        raw = b64decode(entry["bytes"]["$bytes"] + "==")
        hash_ = hashlib.sha256(hash_ + raw).digest()
        assert (entry["n"], entry["hash"]) == (number, hash_.hex())
        assert cbor.decode(raw) == {name: entry[name] for name in ("kind", "at", "about", "actor", "body")}
    assert len(shown) == (await service.labels.audit_head()).n
    _, body, _ = await service.call("GET", f"{LIST}?about={ALICE}", token="triage")
    assert [entry["kind"] for entry in body["entries"]] == ["question", "override"]
    _, body, _ = await service.call("GET", f"{LIST}?about=labeler", token="triage")
    assert [entry["kind"] for entry in body["entries"]] == ["begin", "policy"]


@pytest.mark.parametrize(("token", "expected"), [(None, 401), ("relay", 403), ("triage", 200)])
async def test_the_chain_is_for_operators_and_its_head_for_everybody(
    service: "Service", token: str | None, expected: int
) -> None:
    assert (await service.call("GET", LIST, token=token))[0] == expected
    assert (await service.call("GET", HEAD, token=token))[0] == 200


@pytest.mark.parametrize("query", ["cursor=x", "limit=0", "limit=251"])
async def test_a_bad_question_is_told(service: "Service", query: str) -> None:
    status, body, _ = await service.call("GET", f"{LIST}?{query}", token="triage")
    assert (status, body["error"]) == (400, "InvalidRequest")


async def test_an_account_is_refused_by_the_method_itself(service: "Service") -> None:
    with pytest.raises(BadInput):
        await ListAudit(service.labels).answer(Call({}, Account(ALICE), None, None))  # type: ignore[arg-type]


async def test_the_head_is_signed_with_the_label_key(service: "Service") -> None:
    await busy(service)
    head = await service.labels.audit_head()
    _, body, _ = await service.call("GET", HEAD)
    sig = b64decode(body.pop("sig")["$bytes"] + "==")
    assert body == {
        "ver": 1, "src": "did:web:labeler.example.com", "n": head.n, "hash": head.hash.hex(), "at": head.at,
    }  # fmt: skip
    assert KEY.public_key.verify(cbor.encode(body), sig)


async def test_before_the_first_entry_there_is_no_head(service: "Service") -> None:
    with pytest.raises(Unavailable):
        await GetAuditHead(MemoryLabelLog(), None).answer(None)  # type: ignore[arg-type]


async def test_settings_are_noted_at_a_start_that_changed_them(service: "Service") -> None:
    log, pages = MemoryLabelLog(), 3
    for number in range(pages):
        await note_settings(log, {"limits": {"json_bytes": number // 2}}, service.clock)
    links = await log.audit(0, 10)
    assert [link.entry.kind for link in links] == ["begin", "setting", "setting"]
    assert [json.loads(link.entry.body["set"]["limits.json_bytes"]) for link in links[1:]] == [0, 1]
    verdict = await verify(log, MemoryTelemetryLog(), {}, lambda _: None)
    assert verdict.fault is None
    telemetry = MemoryTelemetryLog()
    await telemetry.append([Tick(service.clock.now())])
    assert (await verify(log, telemetry, {}, lambda _: None)).fault is None
    assert list(links) == chained(Head(0, GENESIS, ""), [link.entry for link in links])
