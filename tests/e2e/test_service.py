"""The whole service as the wiring builds it: start, work, end and start again, on SQLite files and a real port."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from labeler.adapters.sqlite import SqliteLabelLog, SqliteTelemetryLog
from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.errors import Corrupt, Misconfigured
from labeler.reputation.inputs import Batch, Decision, PolicyActivated
from labeler.service import policy_file
from labeler.wiring import offline, run

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

SUBJECT = "did:plc:alice"
NSID = "com.atproto.label.subscribeLabels"


def mail(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    """One event about message `number` of the subject, a minute ago."""
    return {
        "id": f"{number}-{kind}",
        "kind": kind,
        "did": SUBJECT,
        "at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "messageId": f"m{number}",
        "recipient": f"{number:032x}",
        "recipientDomain": "example.org",
        **fields,
    }


def bad_list(start: int, count: int) -> list[dict[str, Any]]:
    """A bought list: every third recipient does not exist."""
    events = []
    for number in range(start, start + count):
        unknown = number % 3 == 0
        outcome = {"smtpCode": 550, "status": "5.1.1"} if unknown else {"smtpCode": 250, "status": "2.0.0"}
        events += [mail(number, "accepted"), mail(number, "bounced" if unknown else "delivered", **outcome)]
    return events


async def received(running: "Running", cursor: int, count: int) -> list[tuple[int, str, bytes]]:
    """Read `count` labels after `cursor` off the stream."""
    found: list[tuple[int, str, bytes]] = []
    async with websockets.connect(f"{running.ws_url}/xrpc/{NSID}?cursor={cursor}") as stream, asyncio.timeout(20):
        while len(found) < count:
            raw = await stream.recv()
            assert isinstance(raw, bytes)
            frame = decode_frame(raw)
            assert isinstance(frame, LabelsFrame)
            found += [(frame.seq, label.val, label.to_bytes()) for label in frame.labels]
    return found


async def settled(running: "Running") -> None:
    """Wait until everything handed in is judged."""
    async with asyncio.timeout(20):
        while True:
            checks = (await running.client.get("/readyz")).json()["checks"]
            if checks["pipeline"]["waiting"] == 0:
                return
            await asyncio.sleep(0.01)


async def test_telemetry_becomes_a_signed_label_on_the_stream(installation: "Installation") -> None:
    async with installation.serving() as running:
        waiting = asyncio.create_task(received(running, 0, 1))
        answer = await running.submit(bad_list(0, 150))
        assert (answer["accepted"], answer["rejected"]) == (300, [])
        [(seq, val, _)] = await waiting
        assert (seq, val) in [(1, "mail-throttled"), (1, "mail-suspended")]
        standing = (await running.client.get(f"/xrpc/email.atmos.reputation.getStanding?did={SUBJECT}")).json()
        assert standing["standing"] in ("throttled", "suspended")
        readiness = await running.client.get("/readyz")
        assert readiness.status_code == 200, readiness.text


async def test_a_restart_changes_nothing_that_others_see(installation: "Installation") -> None:
    async with installation.serving() as running:
        await running.submit(bad_list(0, 150))
        await running.label("did:plc:bob", "mail-throttled")
        await settled(running)
        before = await received(running, 0, 2)
        document = (await running.client.get("/.well-known/did.json")).json()
    async with installation.serving() as running:
        assert await received(running, 0, 2) == before
        assert (await running.client.get("/.well-known/did.json")).json() == document
        assert (await running.submit(bad_list(0, 150)))["duplicates"] == 300, "what was counted is remembered"
        await running.label("did:plc:carol", "mail-throttled")
        [(seq, _, _)] = await received(running, before[-1][0], 1)
        assert seq == before[-1][0] + 1
    async with SqliteTelemetryLog(installation.settings.service.data_dir / "telemetry.sqlite") as log:
        records = [record for _, record in await log.read(0, 100)]
    assert [type(record) for record in records].count(PolicyActivated) == 1, "an unchanged policy is not written again"
    stamps = [record.received for record in records]
    assert stamps == sorted(set(stamps))


async def test_labels_lost_with_the_process_are_made_again_byte_for_byte(installation: "Installation") -> None:
    """What stands in the input log behind the checkpoint is judged at the next start, to the same bytes."""
    data = installation.settings.service.data_dir
    async with installation.serving() as running:
        await running.submit(bad_list(0, 10))
    copy = installation.folder / "before"
    shutil.copytree(data, copy)
    async with installation.serving() as running:
        await running.submit(bad_list(10, 150))
        await running.label("did:plc:bob", "mail-suspended")
        await settled(running)
        before = await received(running, 0, 2)
    for name in os.listdir(data):  # the label log of before, the input log of after
        if name.startswith("labels"):
            (data / name).unlink()
    for name in os.listdir(copy):
        if name.startswith("labels"):
            shutil.copy(copy / name, data / name)
    async with installation.serving() as running:
        assert await received(running, 0, 2) == before


async def test_the_stream_ends_with_1001_after_everything_is_delivered(installation: "Installation") -> None:
    stack = contextlib.AsyncExitStack()
    running = await stack.enter_async_context(installation.serving())
    async with websockets.connect(f"{running.ws_url}/xrpc/{NSID}?cursor=0") as stream:
        await running.label(SUBJECT, "mail-throttled")
        await stack.aclose()
        assert isinstance(await stream.recv(), bytes)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await stream.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


async def test_a_signal_ends_the_service_in_order(installation: "Installation") -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    service = asyncio.create_task(run(installation.settings, ready=ready.set_result))
    await asyncio.wait_for(ready, 20)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(service, 20)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "POLL_SECONDS", 0.02)


@pytest.mark.usefixtures("often")
async def test_a_changed_policy_is_in_force_without_a_restart(installation: "Installation") -> None:
    path = installation.folder / "policy.toml"
    async with installation.serving() as running:

        async def policy() -> dict[str, Any]:
            found: dict[str, Any] = (await running.client.get("/xrpc/email.atmos.reputation.getPolicy")).json()
            return found

        first = await policy()
        path.write_text("broken", encoding="utf-8")
        await asyncio.sleep(0.2)
        assert await policy() == first, "a broken file changes nothing"
        path.write_text(first["policy"] + "\n# stricter\n", encoding="utf-8")
        async with asyncio.timeout(10):
            while (await policy())["hash"] == first["hash"]:  # noqa: ASYNC110 - it is asked over HTTP
                await asyncio.sleep(0.01)
        assert (await policy())["policy"].endswith("# stricter\n")


async def test_a_broken_policy_stops_the_start(installation: "Installation") -> None:
    (installation.folder / "policy.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"policy\.toml"):
        await run(installation.settings)


def watch(installation: "Installation", policy: str) -> None:
    """Configure a canary policy."""
    (installation.folder / "canary.toml").write_text(policy, encoding="utf-8")
    config = installation.folder / "labeler.toml"
    config.write_text(config.read_text().replace("[service]", '[service]\ncanary_policy_file = "canary.toml"'))


async def test_a_canary_policy_is_watched_and_says_nothing(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate would throttle nobody; what is published stays as it was, also over a restart."""
    monkeypatch.setattr("labeler.assembly.GRACE", timedelta(0))
    shipped = (installation.folder / "policy.toml").read_text(encoding="utf-8")
    watch(installation, re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", shipped))
    counted = 'labeler_canary_disagreements{side="current",val="mail-suspended"} 1.0'
    async with installation.serving() as running:
        await running.submit(bad_list(0, 60))
        await settled(running)
        assert counted in (await running.client.get("/metrics")).text
        standing = (await running.client.get(f"/xrpc/email.atmos.reputation.getStanding?did={SUBJECT}")).json()
        assert standing["standing"] == "suspended"
    async with installation.serving() as running:
        assert counted in (await running.client.get("/metrics")).text


async def test_a_canary_policy_that_changes_is_taken_up_with_a_fresh_report(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeler.assembly.GRACE", timedelta(0))
    monkeypatch.setattr("labeler.service.policy_file.POLL_SECONDS", 0.01)
    shipped = (installation.folder / "policy.toml").read_text(encoding="utf-8")
    watch(installation, shipped)
    counted = 'labeler_canary_disagreements{side="current",val="mail-suspended"} 1.0'

    async def shown(running: "Running", line: str) -> None:
        async with asyncio.timeout(20):
            while line not in (await running.client.get("/metrics")).text:  # noqa: ASYNC110 - a counter
                await asyncio.sleep(0.01)

    async with installation.serving() as running:
        await running.submit(bad_list(0, 60))
        await settled(running)
        (installation.folder / "canary.toml").write_text("name = ", encoding="utf-8")
        await shown(running, "labeler_canary_policy_refused 1.0")
        lenient = re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", shipped)
        (installation.folder / "canary.toml").write_text(lenient, encoding="utf-8")
        await shown(running, counted)
        await shown(running, "labeler_canary_policy_refused 0.0")
        assert 'labeler_policy_loads_total{result="refused"}' not in (await running.client.get("/metrics")).text


async def test_a_broken_canary_policy_stops_the_start(installation: "Installation") -> None:
    watch(installation, "name = ")
    with pytest.raises(Misconfigured, match=r"canary\.toml"):
        await run(installation.settings)


async def test_a_second_service_on_the_same_data_refuses(installation: "Installation") -> None:
    async with installation.serving():
        with pytest.raises(Misconfigured, match="held by another process"):
            await run(installation.settings)


async def test_a_port_in_use_is_named(installation: "Installation") -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", installation.port)
    with pytest.raises(Misconfigured, match=str(installation.port)):
        await run(installation.settings)
    server.close()
    await server.wait_closed()


async def test_our_own_corruption_ends_the_service(installation: "Installation") -> None:
    """Another writer on the label log: the pipeline stops the process instead of publishing beside it."""
    service = installation.serving()
    running = await service.__aenter__()
    await running.label("did:plc:bob", "mail-throttled")  # the checkpoint is where it belongs, and rests
    async with SqliteLabelLog(installation.settings.service.data_dir / "labels.sqlite") as log:
        checkpoint = (await log.bounds()).checkpoint
        await log.append([], expected=checkpoint, checkpoint=checkpoint + 1)
    with contextlib.suppress(httpx.HTTPError):
        await running.label(SUBJECT, "mail-throttled")
    with pytest.raises(Corrupt, match="another writer"):
        await service.__aexit__(None, None, None)


async def test_verbs_work_where_no_service_runs(installation: "Installation") -> None:
    def draft(received: datetime) -> Decision:
        return Decision(received, "did:plc:moderator", SUBJECT, apply=("mail-throttled",))

    async with offline(installation.settings) as labeler:
        _, position = await labeler.ingest.decide(draft)
        await labeler.pipeline.reached(position)
        with pytest.raises(Misconfigured):
            await run(installation.settings)
    async with installation.serving() as running:
        assert [val for _, val, _ in await received(running, 0, 1)] == ["mail-throttled"]


async def stalled_body(started: asyncio.Event, go: asyncio.Event) -> AsyncIterator[bytes]:
    yield b'{"events":'
    started.set()
    await go.wait()
    yield json.dumps(bad_list(0, 1)).encode() + b"}"


async def test_what_is_in_flight_at_the_end_is_answered(installation: "Installation") -> None:
    """A batch still arriving when the service ends is told to come back; an acknowledged one is never lost."""
    started, go = asyncio.Event(), asyncio.Event()
    stack = contextlib.AsyncExitStack()
    running = await stack.enter_async_context(installation.serving())
    await running.submit(bad_list(1, 1))
    late = asyncio.create_task(
        running.client.post(
            "/xrpc/email.atmos.telemetry.submitEvents",
            content=stalled_body(started, go),
            headers={"Authorization": "Bearer relay", "Content-Type": "application/json"},
        )
    )
    await started.wait()
    ending = asyncio.create_task(stack.aclose())
    await asyncio.sleep(0.2)
    go.set()
    with contextlib.suppress(Exception):
        assert (await late).status_code == 503
    await ending
    async with SqliteTelemetryLog(installation.settings.service.data_dir / "telemetry.sqlite") as log:
        batches = [record for _, record in await log.read(0, 100) if isinstance(record, Batch)]
    assert [len(batch.events) for batch in batches] == [2]
