"""A query that nobody waits for any more is given up."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from labeler.service import door

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

QUERY = b"GET /xrpc/com.atproto.label.queryLabels?uriPatterns=* HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.row(188)
async def test_a_query_ends_when_its_client_leaves(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.01)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(service.labels, "find", endless)
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(QUERY)
    async with asyncio.timeout(10):
        await begun.wait()
        await asyncio.sleep(0.05)
        assert not ended.is_set(), "as long as the client waits, so do we"
        writer.close()
        await ended.wait()
    monkeypatch.undo()
    assert (await service.query(uriPatterns="*"))[0] == 200


@pytest.mark.row(188)
async def test_a_query_that_is_answered_in_time_is_left_alone(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.001)
    find = service.labels.find

    async def slow(query: Any) -> Any:
        await asyncio.sleep(0.05)
        return await find(query)

    monkeypatch.setattr(service.labels, "find", slow)
    assert await service.query(uriPatterns="*") == (200, {"labels": []})


async def test_what_is_handed_in_is_finished_although_nobody_waits(service: "Service", event: Any) -> None:
    """Only queries are given up: a procedure that began is carried through."""
    body = b'{"events":[{"id":"e","kind":"accepted","did":"did:plc:a","at":"2026-03-02T11:59:00Z"}]}'
    head = (
        "POST /xrpc/email.atmos.telemetry.submitEvents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer relay\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with service.busy_disk(1):
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head.encode() + body)
        await service.until(lambda: service.ingest._jobs)
        writer.close()
    await service.until(lambda: service.metric("labeler_events_total", result="accepted"))
