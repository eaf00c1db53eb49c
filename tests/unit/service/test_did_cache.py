"""Remembering DID documents: how long, how many, how often somebody is asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.errors import BadInput, LabelerError, Unavailable
from labeler.service import look_ups
from labeler.service.did_cache import CachedDids
from labeler.service.observe import Metrics

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"


class GatedDids(StaticDids):
    """Answers once the gate is open; knows how many are asked at once."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        super().__init__(documents)
        self.gate = asyncio.Event()
        self.gate.set()
        self.open = self.most = 0

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.gate.wait()
            return await super().resolve(did, refresh=refresh)
        finally:
            self.open -= 1


@pytest.fixture
def source() -> GatedDids:
    return GatedDids({ALICE: {"id": ALICE}})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def dids(source: GatedDids, metrics: Metrics) -> AsyncIterator[CachedDids]:
    cache = CachedDids(source, metrics, known=["did:web:known.example.com"])
    yield cache
    await cache.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let time pass for the cache."""
    passed = 0.0
    real = asyncio.BaseEventLoop.time

    def time(self: asyncio.BaseEventLoop) -> float:
        return real(self) + passed

    def advance(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(asyncio.BaseEventLoop, "time", time)
    return advance


async def refusal(dids: CachedDids, did: str, **options: bool) -> type[LabelerError]:
    with pytest.raises(LabelerError) as refused:
        await dids.resolve(did, **options)
    return type(refused.value)


@pytest.mark.row(211)
async def test_a_document_is_remembered_for_five_minutes_at_most(
    dids: CachedDids, source: GatedDids, later: Callable[[float], None]
) -> None:
    await dids.resolve(ALICE)
    later(299)
    await dids.resolve(ALICE)
    assert source.asked == [ALICE]
    later(2)
    await dids.resolve(ALICE)
    assert source.asked == [ALICE, ALICE]
    assert look_ups.KEEP_SECONDS <= 300


@pytest.mark.row(211, 212)
async def test_failures_are_remembered_for_less(
    dids: CachedDids, source: GatedDids, later: Callable[[float], None], metrics: Metrics
) -> None:
    for _ in range(3):
        assert await refusal(dids, "did:plc:nobody") is BadInput
    later(look_ups.KEEP_REFUSED_SECONDS + 1)
    assert await refusal(dids, "did:plc:nobody") is BadInput
    assert source.asked == ["did:plc:nobody"] * 2
    source.broken = True
    for _ in range(3):
        assert await refusal(dids, ALICE) is Unavailable
    assert source.asked.count(ALICE) == 1
    source.broken = False
    later(look_ups.KEEP_UNAVAILABLE_SECONDS + 1)
    assert await dids.resolve(ALICE) == {"id": ALICE}
    results = {
        result: metrics.registry.get_sample_value("labeler_did_lookups_total", {"result": result})
        for result in ("found", "refused", "unavailable")
    }
    assert results == {"found": 1, "refused": 2, "unavailable": 1}


@pytest.mark.row(212)
async def test_a_document_that_is_too_old_is_nothing_when_nobody_can_say(
    dids: CachedDids, source: GatedDids, later: Callable[[float], None]
) -> None:
    await dids.resolve(ALICE)
    later(301)
    source.broken = True
    assert await refusal(dids, ALICE) is Unavailable


@pytest.mark.row(210)
async def test_a_refresh_of_one_did_happens_once_in_thirty_seconds(
    dids: CachedDids, source: GatedDids, later: Callable[[float], None]
) -> None:
    await dids.resolve(ALICE)
    for _ in range(5):
        await dids.resolve(ALICE, refresh=True)
    assert len(source.asked) == 2
    later(29)
    await dids.resolve(ALICE, refresh=True)
    assert len(source.asked) == 2
    later(2)
    await dids.resolve(ALICE, refresh=True)
    assert len(source.asked) == 3
    assert look_ups.REFRESH_SECONDS == 30


@pytest.mark.row(210)
async def test_the_throttle_outlives_what_was_remembered(
    source: GatedDids, metrics: Metrics, later: Callable[[float], None]
) -> None:
    dids = CachedDids(source, metrics, keep=1.0)
    await dids.resolve(ALICE, refresh=True)
    later(2)
    await dids.resolve(ALICE)  # looked up because it was too old
    await dids.resolve(ALICE, refresh=True)
    assert len(source.asked) == 2


async def test_a_refresh_that_fails_takes_nothing_away(
    dids: CachedDids, source: GatedDids, later: Callable[[float], None]
) -> None:
    await dids.resolve(ALICE)
    source.broken = True
    assert await dids.resolve(ALICE, refresh=True) == {"id": ALICE}
    await dids.resolve(ALICE, refresh=True)
    assert len(source.asked) == 2, "and counts for the throttle"
    later(31)
    source.broken = False
    del source.documents[ALICE]
    assert await refusal(dids, ALICE, refresh=True) is BadInput, "a DID that was taken down is gone at once"


async def test_many_who_ask_at_once_are_one_look_up(dids: CachedDids, source: GatedDids) -> None:
    source.gate.clear()
    waiting = [asyncio.create_task(dids.resolve(ALICE)) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    source.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError), "who leaves spoils it for nobody"
    assert found[1:] == [{"id": ALICE}] * 49
    assert source.asked == [ALICE]


@pytest.mark.row(210)
async def test_strangers_wait_for_each_other_and_nobody_else_for_them(
    dids: CachedDids, source: GatedDids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_ups, "QUEUE_SECONDS", 0.1)
    source.gate.clear()
    strangers = [asyncio.create_task(dids.resolve(f"did:web:s{number}.example.com")) for number in range(40)]
    done, pending = await asyncio.wait(strangers, timeout=0.4)
    assert {type(task.exception()) for task in done} == {Unavailable}
    assert len(pending) == source.most == look_ups.STRANGERS_AT_ONCE
    known = asyncio.create_task(dids.resolve("did:web:known.example.com"))
    await asyncio.sleep(0.01)
    assert source.open == look_ups.STRANGERS_AT_ONCE + 1
    source.gate.set()
    await asyncio.gather(known, *strangers, return_exceptions=True)


async def test_what_is_remembered_is_bounded_in_bytes(
    dids: CachedDids, source: GatedDids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look_ups, "MAX_BYTES", 10_000)
    known = dids._look_ups
    for number in range(100):
        did = f"did:web:s{number}.example.com"
        source.documents[did] = {"id": did, "padding": "x" * 1000}
        await dids.resolve(did)
        await refusal(dids, f"did:web:none{number}.example.com")
        assert known._bytes == sum(entry.size for entry in known._entries.values()) <= 10_000
    source.asked.clear()
    await dids.resolve("did:web:s99.example.com")
    assert source.asked == []
    await dids.resolve("did:web:s0.example.com")
    assert source.asked == ["did:web:s0.example.com"]


async def test_closing_gives_up_what_still_runs(source: GatedDids, metrics: Metrics) -> None:
    cache = CachedDids(source, metrics)
    source.gate.clear()
    waiting = asyncio.create_task(cache.resolve(ALICE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert source.open == 0
