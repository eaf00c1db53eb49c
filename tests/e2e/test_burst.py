"""A burst of labels, and many who join in the middle of it: one sequence, the same bytes for everybody.

The slice in the suite is small; `make burst` runs 20 000 labels and 200 subscribers and prints what it took. Labels
come about as they do in life: members are enrolled by telemetry and decided on by an operator. Two failures of other
labelers are told here against ours: labels lost because ids were given before their transactions committed, and a
stream that goes deaf when the wake-up from its database is lost.
"""

import asyncio
import hashlib
import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import labeler.assembly
from labeler.atproto.frames import ErrorFrame, LabelsFrame, decode_frame
from labeler.service.wake import Wake
from tests.service_process import EMIT, SUBMIT, ServiceProcess, install, serving, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Installation

LABELS, SUBSCRIBERS = (20_000, 200) if os.environ.get("BURST") == "full" else (2_000, 50)
BATCH = 500  # labels a batch
LIMIT_S = 300.0 if LABELS > 2_000 else 40.0
PONG = b"\x8a\x80" + bytes(4)


@dataclass
class Subscriber:
    """A client that keeps no labels, only their number, their last seq and the hash of all their bytes."""

    port: int
    cursor: int | None
    digest: Any = field(default_factory=hashlib.sha256)
    count: int = 0
    first: int | None = None
    last: int = 0
    error: str | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    _rest: bytes = b""

    async def follow(self, until: int, *, pause_after: int | None = None) -> None:
        """Read up to seq `until`, or until `pause_after` labels came or the service closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._rest = b""
        query = "" if self.cursor is None else f"?cursor={self.cursor}"
        writer.write(upgrade(query))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        self.opened.set()
        try:
            while self.last < until and (pause_after is None or self.count < pause_after) and self.error is None:
                data = await reader.read(1 << 18)
                if not data:
                    break
                if self._take(data):
                    writer.write(PONG)
        finally:
            self.cursor = self.last or self.cursor
            writer.transport.abort()

    def _take(self, data: bytes) -> bool:
        """Count and hash whole messages; tell whether a ping was among them."""
        data = self._rest + data
        place, end, pinged, counted = 0, len(data), False, 0
        message = b""
        while place + 2 <= end:
            size, start = data[place + 1], place + 2
            if size == 126:
                size, start = int.from_bytes(data[place + 2 : place + 4]), place + 4
            if start + size > end:
                break
            if data[place] == 0x82:
                if self.first is None and not counted:
                    self.first = seq_of(data[start : start + size])
                message = data[start : start + size]
                self.digest.update(message)
                counted += 1
            else:
                pinged |= data[place] == 0x89
            place = start + size
        self._rest = data[place:]
        self.count += counted
        if message:
            self.last = seq_of(message) or self.last
            self._look_for_an_error(message)
        return pinged

    def _look_for_an_error(self, message: bytes) -> None:
        frame = decode_frame(message)
        if isinstance(frame, ErrorFrame):
            self.error = frame.error


def seq_of(message: bytes) -> int | None:
    frame = decode_frame(message)
    return frame.seq if isinstance(frame, LabelsFrame) else None


@dataclass
class Replay:
    """The whole log as a subscriber reads it from the beginning: message by message."""

    messages: list[bytes]

    def digest(self, after: int) -> bytes:
        whole = hashlib.sha256()
        for message in self.messages[after:]:
            whole.update(message)
        return bytes(whole.digest())


async def replay(port: int, count: int) -> Replay:
    """Read `count` labels from cursor 0 and hold their seqs to 1, 2, 3 …"""
    kept = _Keeping(port, 0)
    await asyncio.wait_for(kept.follow(count), LIMIT_S)
    frames = [decode_frame(message) for message in kept.messages]
    assert [frame.seq for frame in frames if isinstance(frame, LabelsFrame)] == list(range(1, count + 1))
    subjects = {frame.labels[0].uri for frame in frames if isinstance(frame, LabelsFrame)}
    assert len(subjects) == count, "every subject once, so that nothing is superseded"
    return Replay(kept.messages)


class _Keeping(Subscriber):
    def __init__(self, port: int, cursor: int | None) -> None:
        super().__init__(port, cursor, digest=self)
        self.messages: list[bytes] = []

    def update(self, message: bytes) -> None:
        self.messages.append(message)


def batched(numbers: range, size: int) -> Iterator[range]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def enrolments(numbers: range) -> dict[str, Any]:
    """A batch that enrols one new member a number: one label each."""
    at = datetime.now(UTC).isoformat()
    return {
        "events": [
            {"id": f"e{n}", "kind": "enrolled", "did": f"did:plc:m{n}", "at": at, "domain": f"m{n}.example"}
            for n in numbers
        ]
    }


async def submit(client: httpx.AsyncClient, numbers: range) -> None:
    answer = await client.post(SUBMIT, json=enrolments(numbers), headers={"Authorization": "Bearer relay"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == len(numbers)


async def decide(client: httpx.AsyncClient, did: str) -> None:
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-throttled"],
        "negateLabelVals": [],
    }
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": did}
    body = {"event": event, "subject": subject, "createdBy": "did:plc:moderator"}
    answer = await client.post(EMIT, json=body, headers={"Authorization": "Bearer moderator"})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def service(tmp_path: "Path") -> Iterator[ServiceProcess]:
    install(tmp_path)
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def impatient(tmp_path: "Path") -> Iterator[ServiceProcess]:
    """A service that cuts who takes in nothing for a second."""
    install(tmp_path, limits="slow_consumer_seconds = 1.0")
    with serving(tmp_path) as running:
        yield running


def client_of(service: ServiceProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=60)


async def head(client: httpx.AsyncClient) -> int:
    for line in (await client.get("/metrics")).text.splitlines():
        if line.startswith("labeler_seq_head "):
            return int(float(line.split()[1]))
    raise AssertionError("no labeler_seq_head")


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.row(131, 133, 134, 137, 140, 141, 144)
async def test_everybody_sees_the_same_sequence_whenever_they_join(service: ServiceProcess) -> None:
    """Subscribers join all through a burst, at cursors of all ages or live, and some leave and come back."""
    dice = random.Random(20_000)
    moved, published = asyncio.Condition(), 0
    joined: list[tuple[Subscriber, int | None, int]] = []  # with the cursor asked for, and the head at that time
    began = time.perf_counter()

    async def note(client: httpx.AsyncClient, least: int) -> None:
        nonlocal published
        while True:
            found = await head(client)
            async with moved:
                published = found
                moved.notify_all()
            if published >= least:
                return
            await asyncio.sleep(0.01)

    async def burst() -> None:
        async with client_of(service) as client:
            for numbers in batched(range(LABELS - 1), BATCH):
                await submit(client, numbers)
                await note(client, 0)
            await note(client, LABELS - 1)
            async with moved:
                await moved.wait_for(lambda: len(joined) == SUBSCRIBERS)
            for subscriber, _, _ in joined:
                await subscriber.opened.wait()
            await submit(client, range(LABELS - 1, LABELS))  # for those who came last, and wait for one more

    async def join(number: int) -> None:
        moment = dice.randrange(LABELS - BATCH)  # join when about so many labels are out
        age = dice.choice([None, 0.0, 1.0, dice.random(), dice.random()])
        leaves = dice.randrange(1, LABELS) if number % 10 == 0 and age is not None else None
        async with moved:
            await moved.wait_for(lambda: published >= moment)
            cursor = None if age is None else int(published * age)
            subscriber = Subscriber(service.port, cursor)
            joined.append((subscriber, cursor, published))
            moved.notify_all()
        if leaves is not None:
            await subscriber.follow(LABELS, pause_after=leaves)
        await subscriber.follow(LABELS)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(burst())
        for number in range(SUBSCRIBERS):
            group.create_task(join(number))
    spent = time.perf_counter() - began
    log = await replay(service.port, LABELS)
    for subscriber, cursor, known in joined:
        assert subscriber.error is None
        assert subscriber.first is not None
        after = subscriber.first - 1
        assert after >= known if cursor is None else after == cursor
        assert subscriber.count == LABELS - after
        assert bytes(subscriber.digest.digest()) == log.digest(after), "the same labels, in the same bytes"
    beginnings = len({subscriber.first for subscriber, _, _ in joined})
    frames = sum(subscriber.count for subscriber, _, _ in joined)
    sys.stdout.write(
        f"\n{LABELS} labels, {SUBSCRIBERS} subscribers joining on the way: {spent:.1f} s, {frames} frames, "
        f"{frames / spent:.0f} a second; {beginnings} different beginnings; "
        f"memory of the service {service.rss_mib:.0f} MiB\n"
    )


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.row(127, 133, 134, 145, 146)
async def test_who_stops_reading_for_an_hour_of_log_gets_what_was_missed(impatient: ServiceProcess) -> None:
    """It is told ConsumerTooSlow, comes back with its cursor, and reads on where it stopped."""
    count = 5_000
    async with client_of(impatient) as client:
        sleeper = Subscriber(impatient.port, 0)
        await submit(client, range(100))
        await sleeper.follow(LABELS, pause_after=100)
        reader, writer = await asyncio.open_connection(limit=4096, sock=_small(impatient.port))
        writer.write(upgrade(f"?cursor={sleeper.cursor}"))
        await reader.readuntil(b"\r\n\r\n")
        for numbers in batched(range(100, count), BATCH):  # nobody reads meanwhile
            await submit(client, numbers)
        async with asyncio.timeout(LIMIT_S):
            while 'reason="ConsumerTooSlow"} 1.0' not in (await client.get("/metrics")).text:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.05)
        late = b""
        while data := await _read_or_nothing(reader):
            late += data
        assert len(late) < 300 * count, "it was not sent everything"
        writer.transport.abort()
        await asyncio.wait_for(sleeper.follow(count), LIMIT_S)
    assert (sleeper.first, sleeper.count) == (1, count)
    assert bytes(sleeper.digest.digest()) == (await replay(impatient.port, count)).digest(0)


def _small(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    return sock


async def _read_or_nothing(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1 << 16)
    except ConnectionError:
        return b""


@pytest.mark.row(133, 134, 137)
async def test_who_was_away_for_an_hour_of_log_gets_exactly_what_was_missed(service: ServiceProcess) -> None:
    async with client_of(service) as client:
        away = Subscriber(service.port, 0)
        await submit(client, range(10))
        await away.follow(10)
        before = away.count
        for numbers in batched(range(10, 3_610), BATCH):  # a label a second
            await submit(client, numbers)
        await asyncio.wait_for(away.follow(3_610), LIMIT_S)
    assert (before, away.count) == (10, 3_610)
    assert bytes(away.digest.digest()) == (await replay(service.port, 3_610)).digest(0)


@pytest.mark.row(133, 137, 140)
async def test_commit_order_race(service: ServiceProcess) -> None:
    """Decisions and telemetry at once, from many connections: what was seen live is what replay shows, in bytes.

    Where ids are taken before their transaction commits, the lower of two may become visible after a reader has gone
    past it; live subscribers then never see it, and replay does.
    """
    decisions, events = 300, 300
    live = [Subscriber(service.port, cursor) for cursor in (None, 0, 0, None)]
    async with client_of(service) as client:
        following = [asyncio.create_task(subscriber.follow(decisions + events)) for subscriber in live]
        async with asyncio.timeout(LIMIT_S):
            while "labeler_subscribers 4.0" not in (await client.get("/metrics")).text:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.01)
            await asyncio.gather(
                *(decide(client, f"did:plc:d{number}") for number in range(decisions)),
                *(submit(client, numbers) for numbers in batched(range(events), 10)),
            )
            await asyncio.gather(*following)
    log = await replay(service.port, decisions + events)
    for subscriber in live:
        assert (subscriber.first, subscriber.count) == (1, decisions + events)
        assert bytes(subscriber.digest.digest()) == log.digest(0)


class DeafWake(Wake):
    """A wake-up nobody ever hears."""

    def wake(self) -> None:
        return


@pytest.mark.row(133)
async def test_lost_wake_ups_delay_and_lose_nothing(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listener loss: when the way from writer to reader is broken, readers look for themselves."""
    made: list[Wake] = []

    def make() -> Wake:
        made.append(Wake() if not made else DeafWake())  # the second one wakes subscribers
        return made[-1]

    monkeypatch.setattr(labeler.assembly, "Wake", make)
    with (installation.folder / "labeler.toml").open("a") as file:
        file.write("\n[limits]\nping_seconds = 0.5\n")
    async with installation.serving() as running:
        early, live = Subscriber(installation.port, 0), Subscriber(installation.port, None)
        following = [asyncio.create_task(subscriber.follow(20)) for subscriber in (early, live)]
        async with asyncio.timeout(LIMIT_S):
            while "labeler_subscribers 2.0" not in (await running.client.get("/metrics")).text:  # noqa: ASYNC110 - asked over HTTP
                await asyncio.sleep(0.01)
        for number in range(20):
            await running.label(f"did:plc:w{number}", "mail-throttled")
        await asyncio.wait_for(asyncio.gather(*following), 10)
        assert len(made) == 2
        log = await replay(installation.port, 20)
        for subscriber in (early, live):
            assert bytes(subscriber.digest.digest()) == log.digest(0)
