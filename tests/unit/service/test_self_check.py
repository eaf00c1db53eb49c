"""Comparing ourselves with our own DID document."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.atproto.did_document import labeler_document
from labeler.atproto.keys import PrivateKey
from labeler.errors import Unavailable
from labeler.service.self_check import SelfCheck

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

DID = "did:web:labeler.example.com"
ENDPOINT = "https://labeler.example.com"
OTHER = PrivateKey.from_hex("51" * 32).public_key


@pytest.fixture
def dids() -> StaticDids:
    return StaticDids()


@pytest.fixture
def check(service: "Service", dids: StaticDids) -> SelfCheck:
    return SelfCheck(DID, service.signer_key, ENDPOINT, dids, service.pipeline, service.metrics)


def published(service: "Service", endpoint: str = ENDPOINT, /, **changes: Any) -> dict[str, Any]:
    key = PrivateKey.from_hex("22" * 32).public_key
    assert key.did_key == service.signer_key
    return labeler_document(DID, key, endpoint) | changes


def count(service: "Service", result: str) -> float:
    return service.metric("labeler_identity_checks_total", result=result)


@pytest.mark.row(86, 236)
@pytest.mark.parametrize("endpoint", [ENDPOINT, "https://LABELER.example.com", "https://labeler.example.com:443"])
async def test_the_document_that_is_ours_agrees(
    service: "Service", check: SelfCheck, dids: StaticDids, endpoint: str
) -> None:
    dids.documents[DID] = published(service, endpoint)
    assert await check.look()
    assert (check.check()["ok"], service.pipeline.held, count(service, "agrees")) == (True, None, 1)


@pytest.mark.row(86, 236)
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"verificationMethod": []}, "no usable #atproto_label key"),
        ({"verificationMethod": labeler_document(DID, OTHER, ENDPOINT)["verificationMethod"]}, OTHER.did_key),
        ({"service": []}, "no #atproto_labeler service"),
        ({"service": labeler_document(DID, OTHER, "https://elsewhere.com")["service"]}, "https://elsewhere.com"),
        ({"service": labeler_document(DID, OTHER, ENDPOINT + ":8443")["service"]}, ENDPOINT + ":8443"),
    ],
)
async def test_a_document_that_differs_stops_us(
    service: "Service", check: SelfCheck, dids: StaticDids, change: dict[str, Any], cause: str
) -> None:
    dids.documents[DID] = published(service, **change)
    assert not await check.look()
    assert not check.check()["ok"]
    assert cause in check.check()["message"]
    assert cause in str(service.pipeline.held)
    assert count(service, "differs") == 1


@pytest.mark.row(86, 236)
async def test_a_document_that_cannot_be_fetched_stops_nothing(
    service: "Service", check: SelfCheck, dids: StaticDids, caplog: pytest.LogCaptureFixture
) -> None:
    for broken in (True, False):
        dids.broken = broken
        assert not await check.look()
        assert (check.check()["ok"], service.pipeline.held) == (True, None)
    dids.documents[DID] = published(service, id="did:web:somebody.else")
    assert not await check.look()
    assert check.check()["ok"], "a document of another DID is none of ours"
    assert count(service, "unreachable") == 3
    assert {record.levelno for record in caplog.records if "compared" in record.message} == {logging.WARNING}


@pytest.mark.row(86)
async def test_what_stopped_us_is_not_forgotten_because_nobody_answers(
    service: "Service", check: SelfCheck, dids: StaticDids
) -> None:
    dids.documents[DID] = published(service, service=[])
    await check.look()
    dids.broken = True
    await check.look()
    assert not check.check()["ok"]
    assert "no #atproto_labeler service" in str(service.pipeline.held)
    dids.broken = False
    dids.documents[DID] = published(service)
    assert await check.look()
    assert (check.check()["ok"], service.pipeline.held) == (True, None)


@pytest.mark.row(86)
async def test_while_we_differ_labels_wait_and_nothing_is_lost(
    service: "Service", check: SelfCheck, dids: StaticDids
) -> None:
    dids.documents[DID] = published(service, verificationMethod=[])
    await check.look()
    status, _ = await service.emit("did:plc:alice")
    assert status == 200, "the decision is durable, and answered at once"
    service.advance(hours=1)
    await asyncio.sleep(0.05)
    assert (await service.labels.bounds()).head == 0
    assert service.ingest.position > service.pipeline.position
    dids.documents[DID] = published(service)
    await check.look()
    await service.pipeline.reached(service.ingest.position)
    status, body = await service.query(uriPatterns="did:plc:alice")
    assert [label["val"] for label in body["labels"]] == ["mail-throttled"]


@pytest.mark.row(86)
async def test_while_we_differ_what_hands_out_labels_refuses(
    service: "Service", check: SelfCheck, dids: StaticDids
) -> None:
    async def serve(number: int) -> int:
        return number

    guarded = check.agreeing(serve)
    assert await guarded(7) == 7
    dids.documents[DID] = published(service, verificationMethod=[])
    await check.look()
    with pytest.raises(Unavailable, match="no usable #atproto_label key"):
        await guarded(7)


async def test_a_service_that_ends_while_it_is_held_ends(service: "Service") -> None:
    service.pipeline.hold("because")
    await service.emit("did:plc:alice")
    service.pipeline.close()
    await asyncio.wait_for(service.tasks[1], 5)
    assert (await service.labels.bounds()).head == 0


async def test_it_looks_again_and_again_and_says_the_same_thing_once(
    service: "Service", check: SelfCheck, dids: StaticDids, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    dids.documents[DID] = published(service)
    watching = asyncio.create_task(check.watch(0.001))
    await service.until(lambda: count(service, "agrees") > 3)
    dids.documents[DID] = published(service, service=[])
    await service.until(lambda: count(service, "differs") > 3)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    said = [record.levelname for record in caplog.records if record.name == "labeler.service.self_check"]
    assert said == ["INFO", "ERROR"]
