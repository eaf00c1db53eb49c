"""Remembering handles: for minutes, whatever the letters, and nothing for what is no handle."""

import asyncio

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.adapters.handle_static import StaticHandles
from labeler.errors import BadInput
from labeler.service import look_ups
from labeler.service.handle_cache import CachedHandles
from labeler.service.observe import Metrics

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def source() -> StaticHandles:
    dids = StaticDids({ALICE: {"id": ALICE, "alsoKnownAs": ["at://alice.test"]}})
    return StaticHandles(dids, {"alice.test": ALICE})


async def test_a_handle_is_looked_up_once_in_minutes(source: StaticHandles) -> None:
    metrics = Metrics()
    kept = CachedHandles(source, metrics, keep=0.1)
    for handle in ("alice.test", "ALICE.test", "alice.TEST"):
        assert await kept.resolve(handle) == ALICE
    assert source.asked == ["alice.test"]
    await asyncio.sleep(0.11)
    assert await kept.resolve("alice.test") == ALICE
    assert source.asked == ["alice.test"] * 2
    assert metrics.registry.get_sample_value("labeler_handle_lookups_total", {"result": "found"}) == 2
    assert look_ups.KEEP_SECONDS == 300
    await kept.close()


async def test_a_refusal_keeps_its_name(source: StaticHandles) -> None:
    kept = CachedHandles(source, Metrics())
    for _ in range(2):
        with pytest.raises(BadInput) as refused:
            await kept.resolve("nobody.test")
        assert refused.value.name == "HandleNotFound"
    assert source.asked == ["nobody.test"]


async def test_what_is_no_handle_is_neither_asked_nor_remembered(source: StaticHandles) -> None:
    kept = CachedHandles(source, Metrics())
    for text in ("", "alice", "x" * 100_000, "alice.\u212aom"):
        with pytest.raises(BadInput):
            await kept.resolve(text)
    assert source.asked == []
    assert not kept._look_ups._entries
