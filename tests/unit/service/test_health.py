"""Health, readiness, metrics, identity: the plain pages."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.atproto.did_document import label_key, labeler_endpoint
from labeler.service import health
from labeler.service.identity import Identity

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

DID = "did:web:labeler.example.com"


async def ready(service: "Service") -> tuple[int, dict[str, Any]]:
    status, body, _ = await service.call("GET", "/readyz")
    assert body["ready"] == (status == 200)
    return status, body["checks"]


@pytest.mark.row(185)
async def test_health_tells_the_version(service: "Service") -> None:
    """Row 185."""
    status, body, _ = await service.call("GET", "/xrpc/_health")
    assert (status, list(body)) == (200, ["version"])


@pytest.mark.row(185)
async def test_health_fails_with_the_label_log(service: "Service") -> None:
    service.labels.broken = True
    status, body, _ = await service.call("GET", "/xrpc/_health")
    assert (status, body["error"]) == (503, "Service Unavailable")


async def test_alive_is_alive_whatever_the_disk_does(service: "Service") -> None:
    service.labels.broken = service.telemetry.broken = True
    status, _, _ = await service.call("GET", "/livez")
    assert status == 200


async def test_a_fresh_labeler_is_ready_without_telemetry(service: "Service") -> None:
    status, checks = await ready(service)
    assert status == 200
    assert set(checks) == {"telemetryLog", "labelLog", "pipeline", "telemetry", "serving"}


async def test_silence_counts_only_after_a_first_event(service: "Service", event: Any) -> None:
    service.advance(days=30)
    assert (await ready(service))[0] == 200
    service.advance(days=-30)
    await service.submit(event(1))
    assert (await ready(service))[0] == 200
    service.advance(hours=2)
    status, checks = await ready(service)
    assert (status, checks["telemetry"]["ok"]) == (503, False)
    assert checks["telemetry"]["ageSeconds"] >= 7200 - 1


async def test_a_failed_write_is_seen_until_one_succeeds(service: "Service", event: Any) -> None:
    service.telemetry.broken = True
    await service.submit(event(1))
    status, checks = await ready(service)
    assert (status, checks["telemetryLog"]["ok"]) == (503, False)
    service.telemetry.broken = False
    await service.submit(event(1))
    assert (await ready(service))[0] == 200


async def test_a_log_that_does_not_answer_is_not_ready(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.02)

    async def hang() -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(service.telemetry, "head", hang)
    status, checks = await ready(service)
    assert (status, checks["telemetryLog"]) == (503, {"ok": False, "message": "no answer"})


async def test_a_pipeline_that_stands_still_is_not_ready(service: "Service") -> None:
    service.tasks[1].cancel()
    await service.ingest.tick()
    assert (await ready(service))[1]["pipeline"] == {"ok": True, "waiting": 1}, "it has only just come in"
    service.pipeline.moved_at -= 3600
    status, checks = await ready(service)
    assert (status, checks["pipeline"]) == (503, {"ok": False, "waiting": 1})


async def test_a_service_that_is_closing_is_not_ready(service: "Service") -> None:
    service.health.closing = True
    assert (await ready(service))[0] == 503


async def test_metrics_are_prometheus_text_without_addresses(service: "Service", event: Any) -> None:
    await service.submit(event(1))
    status, body, headers = await service.call("GET", "/metrics")
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    text = body.decode()
    assert 'labeler_events_total{result="accepted"} 1.0' in text
    assert "labeler_pipeline_lag_records" in text
    assert "127.0.0.1" not in text
    assert "did:" not in text


@pytest.mark.row(222, 227, 228)
async def test_the_did_document_leads_to_key_and_endpoint(service: "Service") -> None:
    """Rows 222 to 228."""
    status, document, headers = await service.call("GET", "/.well-known/did.json")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert label_key(document, DID).did_key == service.signer_key
    assert labeler_endpoint(document, DID) == "https://labeler.example.com"


@pytest.mark.row(227)
@pytest.mark.parametrize(
    ("did", "endpoint", "status"),
    [
        ("did:plc:labeler", "https://labeler.example.com", 404),
        ("did:web:elsewhere.example.com", "https://labeler.example.com", 404),
        ("did:web:labeler.example.com", "https://labeler.example.com", 200),
        ("did:web:localhost%3A8080", "http://localhost:8080", 200),
        ("did:web:localhost%3A8080", "http://localhost:8081", 404),
    ],
)
async def test_only_the_did_web_of_our_host_name_has_its_document_here(
    service: "Service", did: str, endpoint: str, status: int
) -> None:
    page = await Identity(did, service.signer_key, endpoint).did_document(None)  # type: ignore[arg-type]
    assert page.status == status


@pytest.mark.row(227)
async def test_whose_document_it_is_does_not_hang_on_what_the_client_calls_us(service: "Service") -> None:
    status, document, _ = await service.call("GET", "/.well-known/did.json", headers={"Host": "elsewhere.example.com"})
    assert (status, document["id"]) == (200, DID)


@pytest.mark.row(187)
async def test_tools_and_crawlers_find_their_files(service: "Service") -> None:
    """Row 187."""
    _, body, _ = await service.call("GET", "/.well-known/ozone-metadata.json")
    assert body == {"did": DID, "url": "https://labeler.example.com", "publicKey": service.signer_key}
    status, text, _ = await service.call("GET", "/robots.txt")
    assert (status, b"Allow: /" in text) == (200, True)
