"""Sockets that mean harm: each is answered or cut, at a bounded cost, while a good subscriber misses nothing."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets
import zstandard

from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.service import body, door
from tests.service_process import (
    EMIT,
    STREAM,
    SUBMIT,
    Answer,
    Cut,
    ServiceProcess,
    install,
    read_answer,
    request,
    serving,
    upgrade,
)

if TYPE_CHECKING:
    from tests.conftest import Installation

LIMIT_S = 20.0
PATIENCE_S = 0.5  # what the service waits in these tests
GROWTH_MIB = 64.0  # memory, whatever one test of this file sends
LATE_S = 5.0  # no label takes longer to the good subscriber, whatever goes on beside it
PATH = "/xrpc/com.atproto.label.queryLabels"
MASK = bytes(4)  # zeros are a legal mask (RFC 6455 §5.3), and change nothing


@dataclass
class Witness:
    """A good subscriber, and an operator who gives it something to see."""

    port: int
    seen: list[tuple[int, str]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    late: float = 0.0

    async def follow(self) -> None:
        url = f"ws://127.0.0.1:{self.port}{STREAM}?cursor=0"
        async with websockets.connect(url) as stream:
            async for raw in stream:
                assert isinstance(raw, bytes)
                frame = decode_frame(raw)
                assert isinstance(frame, LabelsFrame)
                self.seen += [(frame.seq, label.uri) for label in frame.labels]

    async def publish(self) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=LIMIT_S) as client:
            while True:
                began = time.perf_counter()
                await self.decide(client, f"did:plc:w{len(self.published)}")
                self.late = max(self.late, time.perf_counter() - began)
                await asyncio.sleep(0.02)

    async def decide(self, client: httpx.AsyncClient, did: str) -> None:
        answer = await client.post(
            EMIT,
            json={
                "event": {
                    "$type": "tools.ozone.moderation.defs#modEventLabel",
                    "createLabelVals": ["mail-throttled"],
                    "negateLabelVals": [],
                },
                "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": did},
                "createdBy": "did:plc:moderator",
            },
            headers={"Authorization": "Bearer moderator"},
        )
        assert answer.status_code == 200, answer.text
        self.published.append(did)


@asynccontextmanager
async def witnessed(port: int) -> AsyncIterator[Witness]:
    """Run the block beside a good subscriber; afterwards it has seen everything, in order, in time."""
    witness = Witness(port)
    following, publishing = asyncio.create_task(witness.follow()), asyncio.create_task(witness.publish())
    try:
        yield witness
        async with asyncio.timeout(LIMIT_S):
            while len(witness.published) < 5 and not publishing.done():  # noqa: ASYNC110 - decided over HTTP
                await asyncio.sleep(0.01)
        assert not publishing.done(), publishing.exception()
        count = len(witness.published)
        async with asyncio.timeout(LIMIT_S):
            while len(witness.seen) < count and not following.done():  # noqa: ASYNC110 - it comes over the socket
                await asyncio.sleep(0.01)
        assert not following.done(), following.exception()
    finally:
        for task in (publishing, following):
            task.cancel()
        await asyncio.gather(publishing, following, return_exceptions=True)
    assert [seq for seq, _ in witness.seen] == list(range(1, len(witness.seen) + 1)), "no gap"
    assert [uri for _, uri in witness.seen][:count] == witness.published[:count]
    assert witness.late < LATE_S


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, installation: "Installation") -> "Installation":
    """An installation that waits half a second for everything."""
    monkeypatch.setattr(door, "HEAD_SECONDS", PATIENCE_S)
    monkeypatch.setattr(door, "IDLE_SECONDS", 2 * PATIENCE_S)
    monkeypatch.setattr(door, "WRITE_SECONDS", PATIENCE_S)
    monkeypatch.setattr(body, "READ_SECONDS", PATIENCE_S)
    with (installation.folder / "labeler.toml").open("a") as file:
        file.write(f"\n[limits]\nping_seconds = {PATIENCE_S}\nslow_consumer_seconds = {PATIENCE_S}\n")
        file.write(f"silent_seconds = {PATIENCE_S}\n")
    return installation


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("besieged")
    install(folder)
    with serving(folder) as running:
        for _ in range(300):
            running.ask("GET", f"{PATH}?uriPatterns=*")
        yield running


@pytest.fixture
def service(process: ServiceProcess) -> Iterator[ServiceProcess]:
    """The service, which after the test is alive, no bigger, and holds no more connections than before."""
    rss, descriptors = process.rss_mib, process.descriptors
    yield process
    assert process.alive
    assert process.rss_mib - rss < GROWTH_MIB
    assert process.ask("GET", "/livez").status == 200
    deadline = time.monotonic() + LIMIT_S
    while process.descriptors > descriptors + 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.descriptors <= descriptors + 20
    assert "Traceback" not in process.log()


async def trickle(port: int, start: bytes, drop: bytes) -> bytes:
    """Send `start`, then `drop` byte by byte for ever; return what came back by the time we are cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)

    async def drip() -> None:
        for number in range(10_000):
            writer.write(drop[number % len(drop) :][:1])
            await asyncio.sleep(0.03)

    dripping = asyncio.create_task(drip())
    answer = b""
    try:
        async with asyncio.timeout(LIMIT_S):
            while piece := await reader.read(65_536):
                answer += piece
    except ConnectionError:
        pass  # reset under our dripping; what was said before counts
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()
    return answer


def told(raw: bytes) -> tuple[int, str]:
    """Status and error name of one raw answer."""
    head, _, content = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(content)["error"]


@pytest.mark.row(117, 158, 169)
@pytest.mark.parametrize(
    "start",
    [upgrade()[:-2], request("POST", SUBMIT, token="relay", Content_Type="application/json")[:-2], b"GE"],
    ids=["upgrade", "POST", "request line"],
)
async def test_slow_loris_heads_are_told_and_cut(impatient: "Installation", start: bytes) -> None:
    """However busily a head is dripped, it has a fixed time to be complete in."""
    drop = b"X-Drip: drop\r\n" if len(start) > 2 else b"T" * 14
    async with impatient.serving(), witnessed(impatient.port):
        began = time.monotonic()
        answers = await asyncio.gather(*(trickle(impatient.port, start, drop) for _ in range(60)))
        assert time.monotonic() - began < PATIENCE_S + 4
    assert {told(answer) for answer in answers if answer} <= {(408, "RequestTimeout"), (400, "InvalidRequest")}
    assert any(answers), "it is told"


@pytest.mark.row(169)
@pytest.mark.parametrize(
    "start",
    [
        request("POST", SUBMIT, token="relay", Content_Type="application/json", Content_Length="1000000")
        + b'{"events":[',
        request("POST", EMIT, token="moderator", Content_Type="application/json", Content_Length="9000") + b"{",
        request("GET", f"{PATH}?uriPatterns=*", Content_Length="100"),
        request("POST", SUBMIT, token="relay", Content_Type="application/json", Transfer_Encoding="chunked"),
    ],
    ids=["batch", "procedure", "query", "chunked"],
)
async def test_slow_loris_bodies_are_told_and_cut(impatient: "Installation", start: bytes) -> None:
    silent = start.startswith(b"GET") or b"chunked" in start  # where the first byte more would already be answered
    async with impatient.serving(), witnessed(impatient.port):
        held = (_silent(impatient.port, start) if silent else trickle(impatient.port, start, b" ") for _ in range(40))
        answers = await asyncio.gather(*held)
    assert {told(answer) for answer in answers} == {(408, "RequestTimeout")}


async def _silent(port: int, start: bytes) -> bytes:
    """Send `start` and nothing more; return what came back by the time we are cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(start)
    try:
        async with asyncio.timeout(LIMIT_S):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.row(158)
async def test_connections_that_say_nothing_are_closed(impatient: "Installation") -> None:
    """At once after the connection, and in between two requests."""
    async with impatient.serving(), witnessed(impatient.port):
        assert set(await asyncio.gather(*(_silent(impatient.port, b"") for _ in range(100)))) == {b""}
        kept = await _silent(impatient.port, request("GET", "/livez"))
        assert kept.startswith(b"HTTP/1.1 200")
        assert kept.count(b"HTTP/1.1") == 1


@pytest.mark.row(148, 149, 158)
async def test_half_open_subscribers_are_dropped(impatient: "Installation") -> None:
    """A peer that is gone without a FIN answers no ping; one that only closed its own side is gone, too."""
    async with impatient.serving() as running, witnessed(impatient.port):
        socks = [await asyncio.to_thread(_subscribed, impatient.port) for _ in range(20)]
        for sock in socks[:10]:
            sock.shutdown(socket.SHUT_WR)
        await _until(running.client, "labeler_subscribers", 1.0)
        for sock in socks:
            sock.close()


async def _until(client: httpx.AsyncClient, name: str, value: float) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            text = (await client.get("/metrics")).text
            found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
            if found and float(found[0]) == value:
                return
            await asyncio.sleep(0.05)


def _subscribed(port: int, query: str = "") -> socket.socket:
    """Open a label stream by hand and do nothing more."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    sock.sendall(upgrade(query))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = sock.recv(1)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 101"), head
    return sock


@pytest.mark.row(146, 158)
async def test_answers_nobody_takes_in_are_cut_off(impatient: "Installation") -> None:
    """A client that asks and asks and never reads holds a bounded buffer for a bounded time."""
    async with impatient.serving(), witnessed(impatient.port):
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", impatient.port))
            many = request("GET", "/xrpc/email.atmos.reputation.getPolicy") * 20_000
            with pytest.raises(ConnectionError):
                await _flood(sock, many)


async def _flood(sock: socket.socket, data: bytes) -> None:
    """Send for ever."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            await asyncio.get_running_loop().sock_sendall(sock, data)


@pytest.mark.row(146, 148)
async def test_a_flood_of_pings_without_a_reader_is_cut_off(impatient: "Installation") -> None:
    async with impatient.serving(), witnessed(impatient.port):
        with await asyncio.to_thread(_subscribed, impatient.port) as sock:
            sock.setblocking(False)
            pings = (b"\x89\xfd" + MASK + bytes(125)) * 10_000
            with pytest.raises(ConnectionError):
                await _flood(sock, pings)


def envelope_of(answer: Answer) -> tuple[int, str]:
    """Status and error name; whatever is refused is refused in the one envelope."""
    assert answer.headers["content-type"] == "application/json"
    return answer.status, answer.json()["error"]


async def hit(service: ServiceProcess, raw: bytes, count: int = 8) -> set[tuple[int, str]]:
    """Send the same bytes on several connections at once, beside a good subscriber; return what was told."""
    async with witnessed(service.port):
        answers = await asyncio.gather(*(asyncio.to_thread(service.exchange, raw) for _ in range(count)))
    return {envelope_of(answer) for answer in answers}


TEN_MB = 10 * 1024 * 1024


@pytest.mark.row(180)
@pytest.mark.parametrize(
    ("path", "token", "status"), [(SUBMIT, "relay", 413), (EMIT, "moderator", 413), (SUBMIT, None, 401)]
)
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_ten_megabytes_are_refused(
    service: ServiceProcess, path: str, token: str | None, status: int, announced: bool
) -> None:
    if announced:
        raw = request("POST", path, token=token, body=b" " * TEN_MB)
    else:
        chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        raw = request("POST", path, token=token, Content_Type="application/json", Transfer_Encoding="chunked")
        raw += chunks * (TEN_MB // 0x10000) + b"0\r\n\r\n"
    assert {told for told, _ in await hit(service, raw)} == {status}


def bomb(name: str) -> bytes:
    """128 MiB of nothing, or as many nothings as fit: in one piece, in many, in zstd with a window as big."""
    size = 128 * 1024 * 1024
    match name:
        case "gzip":
            packer = zlib.compressobj(9, wbits=31)
            return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
        case "gzip members":
            return gzip.compress(bytes(1 << 16), mtime=0) * 2000
        case "gzip empty members":
            return gzip.compress(b"", mtime=0) * 50_000
        case "zstd":
            return zstandard.ZstdCompressor().compress(bytes(size))
        case "zstd window":
            window = zstandard.ZstdCompressionParameters(window_log=27)
            return zstandard.ZstdCompressor(compression_params=window).compress(bytes(size))
        case _:
            return zstandard.ZstdCompressor().compress(b"") * 50_000


@pytest.mark.row(180)
@pytest.mark.parametrize(
    "name", ["gzip", "gzip members", "gzip empty members", "zstd", "zstd window", "zstd empty frames"]
)
async def test_bombs_do_not_go_off(service: ServiceProcess, name: str) -> None:
    """What comes out is bounded as what goes in."""
    raw = bomb(name)
    assert len(raw) < 2 * 1024 * 1024, "small enough to be let in"
    sent = request("POST", SUBMIT, token="relay", body=raw, Content_Encoding=name.partition(" ")[0])
    assert await hit(service, sent) <= {(413, "PayloadTooLarge"), (400, "InvalidRequest")}


@pytest.mark.row(111, 169)
@pytest.mark.parametrize(
    "raw",
    [
        request("GET", f"{PATH}?" + "&".join(f"uriPatterns=p{number}" for number in range(100_000))),
        request("GET", f"{PATH}?" + "&".join(f"p{number}" for number in range(9000))),
        request("GET", f"{PATH}?uriPatterns=" + "x" * (1 << 20)),
        request("GET", "/" + "x" * (1 << 20)),
        request("GET", f"{PATH}?uriPatterns=*")[:-2] + b"X-Header: v\r\n" * 10_000 + b"\r\n",
        request("GET", f"{PATH}?uriPatterns=*", X_Long="v" * (1 << 20)),
        request("GET", f"{PATH}?uriPatterns=*") + b"\0garbage\r\n\r\n" * 1000,
        b"\0" * (1 << 20),
        b"x" * (1 << 20),
        b"\r\n" * (1 << 18) + b"no request\r\n\r\n",
    ],
    ids=[
        "100 000 parameters",
        "9 000 unknown parameters",
        "1 MiB of query",
        "1 MiB of path",
        "10 000 headers",
        "1 MiB of header",
        "garbage behind a request",
        "zeros",
        "no line",
        "empty lines",
    ],
)
async def test_oversized_and_garbled_requests_are_told(service: ServiceProcess, raw: bytes) -> None:
    async with witnessed(service.port):
        answers = await asyncio.gather(*(asyncio.to_thread(_answered, service, raw) for _ in range(8)))
    for answer in answers:
        if answer is not None and answer.status != 200:
            assert envelope_of(answer) == (400, "InvalidRequest")
    assert any(answers) or raw.startswith(b"\0") or raw.startswith(b"x")


def _answered(service: ServiceProcess, raw: bytes) -> Answer | None:
    try:
        return service.exchange(raw)
    except Cut:
        return None


@pytest.mark.row(169, 171)
async def test_garbage_pipelined_behind_requests_is_the_last_thing_read(service: ServiceProcess) -> None:
    def talk() -> list[int]:
        statuses = []
        with service.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(request("GET", "/livez") * 100 + b"garbage garbage\r\n\r\n" + request("GET", "/livez") * 100)
            while line := stream.readline():
                statuses.append(int(line.split()[1]))
                size = 0
                while (field := stream.readline()) not in (b"\r\n", b""):
                    if field.lower().startswith(b"content-length:"):
                        size = int(field.split(b":")[1])
                stream.read(size)
        return statuses

    async with witnessed(service.port):
        statuses = await asyncio.to_thread(talk)
    assert statuses == [200] * (len(statuses) - 1) + [400]


@pytest.mark.row(169)
@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"\r\n\r\n", b"g" * 100_000])
async def test_broken_chunks_are_a_bad_request(service: ServiceProcess, chunk: bytes) -> None:
    head = request("POST", SUBMIT, token="relay", Content_Type="application/json", Transfer_Encoding="chunked")
    assert await hit(service, head + chunk) == {(400, "InvalidRequest")}


def frame(opcode: int, payload: bytes, *, first: int = 0x80, mask: bool = True, size: bytes | None = None) -> bytes:
    """Write one client frame, right or wrong (RFC 6455 §5.2); `first` carries FIN and the reserved bits."""
    if size is None:
        length = len(payload)
        if length < 126:
            size = bytes([length])
        else:
            size = b"\x7e" + struct.pack(">H", length) if length <= 0xFFFF else b"\x7f" + struct.pack(">Q", length)
    if not mask:
        return bytes([first | opcode]) + size + payload
    return bytes([first | opcode, size[0] | 0x80]) + size[1:] + MASK + payload


WS_FRAMES = {
    "announced 2^62": frame(2, b"x" * 100, size=b"\x7f" + struct.pack(">Q", 2**62)),
    "announced 2^64-1": frame(2, b"x" * 100, size=b"\x7f" + b"\xff" * 8),
    "1 MiB": frame(2, b"x" * (1 << 20)),
    "fragments for ever": frame(2, b"x", first=0) + frame(0, b"x", first=0) * 100_000,
    "big fragments": frame(2, b"x" * 60_000, first=0) + frame(0, b"x" * 60_000, first=0) * 20,
    "empty fragments": frame(2, b"", first=0) + frame(0, b"", first=0) * 100_000,
    "continuation of nothing": frame(0, b"x"),
    "new message in a fragmented one": frame(2, b"x", first=0) + frame(2, b"y"),
    "reserved bits": frame(2, b"x", first=0xF0),
    "reserved opcode": frame(3, b"x"),
    "unmasked": frame(2, b"x" * 20, mask=False),
    "text": frame(1, b"hello"),
    "text that is no UTF-8": frame(1, b"\xff\xfe"),
    "long ping": frame(9, b"x" * 200),
    "fragmented ping": frame(9, b"x", first=0),
    "close with one byte": frame(8, b"\x03"),
    "close with a bad code": frame(8, struct.pack(">H", 999)),
    "close with bad text": frame(8, struct.pack(">H", 1000) + b"\xff"),
    "many texts": frame(1, b"hello") * 50_000,
    "HTTP again": request("GET", "/livez") * 10,
    "garbage": bytes(range(256)) * 400,
}


@pytest.mark.row(147, 148, 153, 158)
@pytest.mark.parametrize("name", WS_FRAMES)
async def test_frames_of_any_kind_are_ignored_or_end_that_stream(service: ServiceProcess, name: str) -> None:
    """Harmless ones are ignored, harmful ones close that one stream by RFC 6455 §7.4.1; others go on."""

    def talk() -> int | None:
        with _subscribed(service.port) as sock, sock.makefile("rb") as stream:
            with contextlib.suppress(OSError):  # cut before all was sent
                sock.sendall(WS_FRAMES[name] + frame(9, b"still there"))
                sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while head := stream.read(2):
                    size = head[1]
                    if size == 126:
                        size = int.from_bytes(stream.read(2))
                    payload = stream.read(size)
                    if head[0] == 0x88:
                        return int.from_bytes(payload[:2])
        return None

    async with witnessed(service.port):
        codes = await asyncio.gather(*(asyncio.to_thread(talk) for _ in range(4)))
    assert set(codes) <= {None, 1000, 1002, 1003, 1007, 1009}


@pytest.mark.row(158)
async def test_thousands_of_connections_come_and_go(service: ServiceProcess) -> None:
    """Closed, reset, reset in the middle of an upgrade or of a stream: every place is free again."""

    def storm(number: int) -> None:
        openings = [b"", b"GET /liv", request("GET", "/livez"), upgrade(), upgrade("?cursor=0"), upgrade("?cursor=x")]
        for turn in range(250):
            with service.connect() as sock:
                sock.sendall(openings[(number + turn) % len(openings)])
                if turn % 3 == 0:
                    with contextlib.suppress(Cut, ValueError):
                        read_answer(sock) if openings[(number + turn) % len(openings)][-4:] == b"\r\n\r\n" else None
                if turn % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with witnessed(service.port):
        await asyncio.gather(*(asyncio.to_thread(storm, number) for number in range(12)))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
            await _until(client, "labeler_subscribers", 1.0)
