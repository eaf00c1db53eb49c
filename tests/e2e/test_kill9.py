"""`kill -9` in mid-traffic: nothing acknowledged is lost, no event counts twice, the stream goes on where it was."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from labeler.adapters.sqlite import SqliteLabelLog, SqliteTelemetryLog
from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.atproto.label import Label
from labeler.reputation.inputs import Batch
from labeler.service.audit_check import verify

RELAY = "did:web:smtp.example.com"
SUBMITTERS = 4
MEMBERS = 5  # enrolled by one batch
LIMIT_S = 20.0


@dataclass
class Installation:
    """A data directory with its configuration, and the service on it, killed and started as a test likes."""

    folder: Path
    token: str

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Start the service and wait until it listens; afterwards it is stopped in good order, unless killed before."""
        environment = {**os.environ, "LABELER_SERVICE__LISTEN": "127.0.0.1:0"}
        with (self.folder / "service.log").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *self.command("serve", "--json"), env=environment, stdout=subprocess.PIPE, stderr=errors
            )
        assert process.stdout is not None
        service: Service | None = None
        try:
            first = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
            assert first, (self.folder / "service.log").read_text()[-2000:]
            service = Service(process, json.loads(first)["url"], self.token)
            async with httpx.AsyncClient(timeout=LIMIT_S) as client:
                assert (await client.get(f"{service.url}/livez")).status_code == 200
            yield service
        finally:
            if service is None or not service.killed:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            code = await asyncio.wait_for(process.wait(), LIMIT_S)
        assert code == (-signal.SIGKILL if service.killed else 0)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "labeler", *arguments, "--config", str(self.folder / "labeler.toml")]


@dataclass
class Service:
    """One run of the service."""

    process: asyncio.subprocess.Process
    url: str
    token: str
    killed: bool = False

    def kill(self) -> None:
        self.killed = True
        self.process.kill()

    async def submit(self, client: httpx.AsyncClient, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Hand in a batch; raises `httpx.TransportError` when the service dies meanwhile."""
        answer = await client.post(
            f"{self.url}/xrpc/email.atmos.telemetry.submitEvents",
            json={"events": events},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        assert body["rejected"] == []
        return body

    async def follow(self, seen: list[tuple[int, Label]], *, until: int) -> None:
        """Append to `seen` what the stream says after the last of it, until there are `until` or the service dies."""
        cursor = seen[-1][0] if seen else 0
        address = f"{self.url.replace('http', 'ws', 1)}/xrpc/com.atproto.label.subscribeLabels?cursor={cursor}"
        try:
            async with websockets.connect(address) as stream:
                while len(seen) < until:
                    message = await stream.recv()
                    assert isinstance(message, bytes)
                    frame = decode_frame(message)
                    assert isinstance(frame, LabelsFrame)
                    seen += [(frame.seq, label) for label in frame.labels]
        except (websockets.ConnectionClosedError, OSError, websockets.InvalidHandshake):
            assert self.killed


@dataclass
class Traffic:
    """Batches by number, and which of them were acknowledged. Each enrols members nobody saw before."""

    started: int = 0
    acknowledged: set[int] = field(default_factory=set)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def events(self, number: int) -> list[dict[str, Any]]:
        """Return the batch: members enrol, and each sends a mail that is delivered."""
        events: list[dict[str, Any]] = []
        for member in range(MEMBERS):
            common = {"did": f"did:plc:b{number}m{member}", "at": self.at, "domain": f"b{number}m{member}.example"}
            mail = {"messageId": "1", "recipient": f"{member:032x}", "recipientDomain": "example.org"}
            events += [
                {"id": f"{number}-{member}-{kind}", "kind": kind, **common, **({} if kind == "enrolled" else mail)}
                for kind in ("enrolled", "accepted", "delivered")
            ]
        return events

    async def run(self, service: Service, enough: asyncio.Event, count: int) -> None:
        """Submit one batch after the other until the service dies; set `enough` once `count` were acknowledged here."""
        here = 0

        async def submitter() -> None:
            nonlocal here
            async with httpx.AsyncClient(timeout=LIMIT_S) as client:
                while True:
                    number, self.started = self.started, self.started + 1
                    try:
                        answer = await service.submit(client, self.events(number))
                    except httpx.TransportError:
                        assert service.killed
                        return
                    assert answer["accepted"] == MEMBERS * 3
                    self.acknowledged.add(number)
                    here += 1
                    if here == count:
                        enough.set()

        await asyncio.gather(*(submitter() for _ in range(SUBMITTERS)))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Make an installation the way an operator does."""
    folder = tmp_path / "labeler"
    made = subprocess.run(
        [sys.executable, "-m", "labeler", "init", str(folder), "--hostname", "labeler.example.com",
         "--relay-did", RELAY, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Installation(folder, json.loads(made.stdout)["tokens"]["relay"])


async def test_killed_in_mid_traffic_it_loses_and_repeats_nothing(installation: Installation) -> None:
    """Invariants 1, 2, 3 and row 137: three runs end by `kill -9`, a fourth in good order."""
    traffic = Traffic()
    live: list[tuple[int, Label]] = []
    for count in (1, 8, 30):
        async with installation.running() as service:
            enough = asyncio.Event()
            async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
                group.create_task(traffic.run(service, enough, count))
                group.create_task(service.follow(live, until=10**9))
                await enough.wait()
                service.kill()

    async with installation.running() as service, httpx.AsyncClient(timeout=LIMIT_S) as client:
        # The relay never heard of the last batches of each run, and sends everything again to be sure.
        for number in range(traffic.started):
            answer = await service.submit(client, traffic.events(number))
            assert answer["accepted"] + answer["duplicates"] == MEMBERS * 3
            if number in traffic.acknowledged:
                assert answer["accepted"] == 0
        labels = traffic.started * MEMBERS
        await asyncio.wait_for(service.follow(live, until=labels), LIMIT_S)
        history: list[tuple[int, Label]] = []
        await asyncio.wait_for(service.follow(history, until=labels), LIMIT_S)

    assert [seq for seq, _ in live] == list(range(1, labels + 1))
    assert live == history
    assert Counter(label.uri for _, label in live) == Counter(
        f"did:plc:b{number}m{member}" for number in range(traffic.started) for member in range(MEMBERS)
    )
    await check_logs(installation, traffic, history)
    check_replay(installation, history)


async def check_logs(installation: Installation, traffic: Traffic, history: list[tuple[int, Label]]) -> None:
    """Every event stands in the input log once; the labels stand at its head; the audit chain agrees with both."""
    data = installation.folder / "data"
    async with (
        SqliteTelemetryLog(data / "telemetry.sqlite") as telemetry,
        SqliteLabelLog(data / "labels.sqlite") as log,
    ):
        rows = await telemetry.read(0, 10**6)
        assert [position for position, _ in rows] == list(range(1, await telemetry.head() + 1))
        ids = Counter(event.id for _, record in rows if isinstance(record, Batch) for event in record.events)
        assert ids == Counter(event["id"] for number in range(traffic.started) for event in traffic.events(number))
        assert (await log.bounds()).checkpoint == await telemetry.head()
        assert [(row.seq, row.label) for row in await log.read(0, 10**6)] == history
        verdict = await verify(log, telemetry, {}, lambda _: None)
        assert (verdict.fault, verdict.labels) == (None, len(history))


def check_replay(installation: Installation, history: list[tuple[int, Label]]) -> None:
    """Invariant 4: the input log alone gives the published labels again, signatures included."""
    replayed = subprocess.run(
        installation.command("replay", "--sign", "--json"), check=True, capture_output=True, text=True
    )
    assert [json.loads(line) for line in replayed.stdout.splitlines()] == [label.to_json() for _, label in history]


async def test_a_second_service_is_refused_and_a_killed_one_is_no_obstacle(installation: Installation) -> None:
    async with installation.running() as service:
        second = await asyncio.create_subprocess_exec(
            *installation.command("serve"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            _, errors = await asyncio.wait_for(second.communicate(), LIMIT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                second.kill()
        assert second.returncode == 2
        assert f"pid {service.process.pid}" in errors.decode()
        service.kill()
    async with installation.running():
        pass
