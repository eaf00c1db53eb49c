"""subscribeLabels over a real socket: cursors, errors in the stream, caps, and peers that do not play along."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from labeler.atproto.frames import ErrorFrame, InfoFrame, LabelsFrame, decode_frame
from labeler.errors import Corrupt, Unavailable
from labeler.ports import Bounds
from labeler.service import stream
from labeler.service.pages import PAGE_BYTES, binary_message
from labeler.service.peer import Patience, Peer
from labeler.service.stream import StreamLimits

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

PATH = "/xrpc/com.atproto.label.subscribeLabels"


async def frames(ws: ClientWebSocketResponse, count: int) -> list[Any]:
    """Receive `count` messages; each must be one binary frame."""
    received = []
    for _ in range(count):
        message = await ws.receive(timeout=10)
        assert message.type is WSMsgType.BINARY, message
        received.append(decode_frame(message.data))
    return received


async def seqs(ws: ClientWebSocketResponse, count: int) -> list[int]:
    return [frame.seq for frame in await frames(ws, count)]


async def closing(ws: ClientWebSocketResponse) -> tuple[int | None, str | None]:
    message = await ws.receive(timeout=10)
    assert message.type is WSMsgType.CLOSE, message
    return message.data, message.extra


@pytest.mark.row(131, 133)
async def test_cursor_zero_replays_everything_and_goes_on_live(service: "Service") -> None:
    await service.publish(3)
    async with service.subscribe("?cursor=0") as ws:
        assert await seqs(ws, 3) == [1, 2, 3]
        await service.publish(2)
        assert await seqs(ws, 2) == [4, 5]


@pytest.mark.row(120, 141, 153)
async def test_a_frame_carries_one_verifiable_label(service: "Service") -> None:
    await service.publish(1)
    async with service.subscribe("?cursor=0") as ws:
        (frame,) = await frames(ws, 1)
    [stored] = await service.labels.read(0, 1)
    assert frame == LabelsFrame(1, (stored.label,))


@pytest.mark.row(130)
async def test_without_a_cursor_only_new_labels_come(service: "Service") -> None:
    """Row 130."""
    await service.publish(3)
    async with service.subscribe() as ws:
        await service.publish(1)
        assert await seqs(ws, 1) == [4]


@pytest.mark.row(129)
async def test_an_empty_cursor_is_no_cursor(service: "Service") -> None:
    await service.publish(3)
    async with service.subscribe("?cursor=") as ws:
        await service.publish(1)
        assert await seqs(ws, 1) == [4]


@pytest.mark.row(133, 134, 327)
async def test_the_cursor_is_the_last_seq_seen(service: "Service") -> None:
    """Row 134: exclusive."""
    await service.publish(5)
    async with service.subscribe("?cursor=3") as ws:
        assert await seqs(ws, 2) == [4, 5]


async def test_a_cursor_at_the_head_waits(service: "Service") -> None:
    await service.publish(2)
    async with service.subscribe("?cursor=2") as ws:
        await service.publish(1)
        assert await seqs(ws, 1) == [3]


@pytest.mark.parametrize(("published", "cursor"), [(0, 1), (2, 3), (2, 2**53 - 1)])
@pytest.mark.row(125, 126, 127, 132)
async def test_a_cursor_from_the_future_is_an_error_frame(service: "Service", published: int, cursor: int) -> None:
    """Rows 126, 132: the frame and the close code of the reference, byte for byte."""
    await service.publish(published)
    async with service.subscribe(f"?cursor={cursor}") as ws:
        message = await ws.receive(timeout=10)
        assert message.data.hex() == (
            "a1626f7020a2656572726f726c467574757265437572736f72676d65737361676575437572736f7220696e20746865206675747572652e"
        )
        assert await closing(ws) == (1008, "FutureCursor")


@pytest.mark.row(132)
async def test_cursor_zero_is_fine_on_an_empty_log(service: "Service") -> None:
    async with service.subscribe("?cursor=0") as ws:
        await service.publish(1)
        assert await seqs(ws, 1) == [1]


@pytest.mark.parametrize("query", ["abc", "1.5", "-1", "1e2", "0x10", "9" * 400, "1&cursor=2", "%20"])
@pytest.mark.row(126, 128, 129)
async def test_a_bad_cursor_is_an_error_frame(service: "Service", query: str) -> None:
    """Row 129."""
    async with service.subscribe(f"?cursor={query}") as ws:
        (frame,) = await frames(ws, 1)
        assert isinstance(frame, ErrorFrame)
        assert frame.error == "InvalidRequest"
        assert await closing(ws) == (1008, "InvalidRequest")


@pytest.mark.row(124, 135, 136, 328)
async def test_a_cursor_before_the_history_is_told_so(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 135, 136: OutdatedCursor first, then what is left; none for cursor 0."""
    await service.publish(5)
    whole: Bounds = await service.labels.bounds()

    async def pruned() -> Bounds:
        return whole._replace(floor=3)

    monkeypatch.setattr(service.labels, "bounds", pruned)
    async with service.subscribe("?cursor=2") as ws:
        info, first = await frames(ws, 2)
        assert isinstance(info, InfoFrame)
        assert info.name == "OutdatedCursor"
        assert first.seq == 4
    async with service.subscribe("?cursor=3") as ws:
        assert await seqs(ws, 1) == [4]
    async with service.subscribe("?cursor=0") as ws:
        (frame,) = await frames(ws, 1)
        assert isinstance(frame, LabelsFrame)


@pytest.mark.row(132, 135, 136, 328)
async def test_a_log_pruned_to_nothing_still_knows_its_head(service: "Service") -> None:
    """A client at the head of a quiet stream comes back: it is neither from the future nor outdated."""
    await service.publish(5)
    await service.labels.prune(6)
    async with service.subscribe("?cursor=5") as ws:
        await service.publish(1)
        assert await seqs(ws, 1) == [6]
    await service.labels.prune(7)
    async with service.subscribe("?cursor=7") as ws:
        (frame,) = await frames(ws, 1)
        assert isinstance(frame, ErrorFrame)
        assert frame.error == "FutureCursor"
    async with service.subscribe("?cursor=3") as outdated, service.subscribe("?cursor=0") as oldest:
        await service.publish(1)
        info, live = await frames(outdated, 2)
        assert isinstance(info, InfoFrame)
        assert (info.name, live.seq) == ("OutdatedCursor", 7)
        assert await seqs(oldest, 1) == [7]


@pytest.mark.row(148, 149)
async def test_an_idle_peer_is_pinged_at_the_pace_that_is_set(impatient: "Service") -> None:
    """Ten pings a second here; thirty seconds apart by default, as consumers expect."""
    loop = asyncio.get_running_loop()
    async with impatient.subscribe(autoping=False) as ws:
        times = []
        for _ in range(4):
            message = await ws.receive(timeout=10)
            assert message.type is WSMsgType.PING
            times.append(loop.time())
            await ws.pong(message.data)
    assert times[-1] - times[0] > 0.2, "not all at once"
    assert Patience().ping == 30.0


@pytest.mark.row(118, 329)
async def test_a_plain_get_is_426(service: "Service") -> None:
    """Row 118."""
    status, body, headers = await service.call("GET", PATH)
    assert (status, body["error"]) == (426, "UpgradeRequired")
    assert headers["Upgrade"] == "websocket"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.row(118)
async def test_other_verbs_are_405(service: "Service", method: str) -> None:
    status, _, headers = await service.call(method, PATH)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("version", ["", "12", "x"])
async def test_a_broken_handshake_is_a_bad_request(service: "Service", version: str) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": version}
    status, body, _ = await service.call("GET", PATH, headers=headers)
    assert (status, body["error"]) in [(400, "InvalidRequest"), (426, "UpgradeRequired")]


@pytest.mark.row(147)
async def test_clients_may_talk_and_nobody_listens(service: "Service") -> None:
    """Row 147."""
    async with service.subscribe() as ws:
        await ws.send_str("hello")
        await ws.send_bytes(b"\x00" * 1000)
        await service.publish(1)
        assert await seqs(ws, 1) == [1]


@pytest.mark.row(148)
async def test_pings_are_answered(service: "Service") -> None:
    async with service.subscribe(autoping=False) as ws:
        await ws.ping(b"are you there")
        message = await ws.receive(timeout=10)
        assert (message.type, message.data) == (WSMsgType.PONG, b"are you there")


@pytest.mark.row(154, 155)
async def test_no_subprotocol_and_no_compression_are_agreed(service: "Service") -> None:
    """Rows 154, 155."""
    async with service.subscribe(protocols=["xrpc.v1.json"], compress=15) as ws:
        assert ws.protocol is None
        assert not ws.compress


@pytest.mark.row(150)
async def test_shutdown_delivers_what_is_there_and_closes_with_1001(service: "Service") -> None:
    """Row 150."""
    async with service.subscribe() as ws:
        await service.publish(1)
        ending = asyncio.create_task(service.streams.close())
        assert await seqs(ws, 1) == [1]
        assert await closing(ws) == (1001, "shutdown")
        await asyncio.wait_for(ending, 2)
    with pytest.raises(WSServerHandshakeError) as refused:
        await service.subscribe()
    assert refused.value.status == 503, "nobody gets in any more"


@pytest.mark.row(133)
async def test_live_and_replay_show_the_same_labels(service: "Service") -> None:
    """Subscribers joining at any moment of a running publication see every seq once, in order."""
    total = 600

    async def follow() -> list[int]:
        async with service.subscribe("?cursor=0") as ws:
            return await seqs(ws, total)

    followers = []
    for _ in range(20):
        followers.append(asyncio.create_task(follow()))
        await service.publish(total // 20)
        await asyncio.sleep(0)
    for seen in await asyncio.gather(*followers):
        assert seen == list(range(1, total + 1))


async def test_subscribers_standing_together_share_one_read(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read = service.labels.read

    async def counted(after: int, limit: int) -> Any:
        reads.append(after)
        await asyncio.sleep(0.01)
        return await read(after, limit)

    sockets = [await service.subscribe() for _ in range(20)]
    monkeypatch.setattr(service.labels, "read", counted)
    await service.publish(1)
    for ws in sockets:
        assert await seqs(ws, 1) == [1]
        await ws.close()
    assert reads.count(0) == 1


@pytest.mark.row(67, 139)
async def test_a_superseded_label_leaves_a_gap_and_no_disorder(service: "Service") -> None:
    """Row 139."""
    await service.publish(3, did="did:plc:same")
    await service.publish(1)
    async with service.subscribe("?cursor=0") as ws:
        assert await seqs(ws, 2) == [3, 4]


async def test_a_log_that_fails_for_a_moment_costs_nothing(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RETRY_SECONDS", 0.01)
    read = service.labels.read
    failures = iter([True, True])

    async def flaky(after: int, limit: int) -> Any:
        if next(failures, False):
            raise Unavailable("the disk is away")
        return await read(after, limit)

    monkeypatch.setattr(service.labels, "read", flaky)
    await service.publish(2)
    async with service.subscribe("?cursor=0") as ws:
        assert await seqs(ws, 2) == [1, 2]
    assert service.metric("labeler_storage_failures_total", log="labels") == 2


@pytest.fixture
async def impatient(service: "Service") -> AsyncIterator["Service"]:
    """The same service with short patience and small buffers."""
    running = type(service)(limits=StreamLimits(buffer_bytes=4096, patience=Patience(0.1, 0.4, 0.8)))
    await running.start()
    yield running
    await running.stop()


@pytest.mark.row(118, 158)
async def test_too_many_subscriptions_are_429_before_the_upgrade(service: "Service") -> None:
    """Row 158."""
    running = type(service)(limits=StreamLimits(subscribers=2))
    await running.start()
    first, second = await running.subscribe(), await running.subscribe()
    with pytest.raises(WSServerHandshakeError) as refused:
        await running.subscribe()
    assert refused.value.status == 429
    assert refused.value.headers is not None
    assert int(refused.value.headers["Retry-After"]) > 0
    await first.close()
    await ended(running, "left")
    async with running.subscribe() as third:
        await running.publish(1)
        assert await seqs(third, 1) == [1], "a place that became free is given again"
    await second.close()
    await running.stop()


@pytest.mark.row(158, 189)
async def test_one_address_cannot_take_all_places(service: "Service") -> None:
    running = type(service)(limits=StreamLimits(per_address=1))
    await running.start()
    alice, bob = {"X-Forwarded-For": "198.51.100.1"}, {"X-Forwarded-For": "203.0.113.9, 198.51.100.2"}
    first = await running.subscribe(headers=alice)
    with pytest.raises(WSServerHandshakeError) as refused:
        await running.subscribe(headers={"X-Forwarded-For": "192.0.2.7, 198.51.100.1"})
    assert refused.value.status == 429, "what the client wrote before the proxy's word is not believed"
    second = await running.subscribe(headers=bob)
    third, fourth = await running.subscribe(), await running.subscribe()
    for ws in (first, second, third, fourth):
        await ws.close()
    await running.stop()


@asynccontextmanager
async def raw_subscription(service: "Service", query: str = "") -> AsyncIterator[socket.socket]:
    """A socket after the handshake, with a small receive buffer, that does nothing by itself."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", service.port))
        key = base64.b64encode(b"0123456789abcdef").decode()
        lines = [
            f"GET {PATH}{query} HTTP/1.1",
            "Host: labeler.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await loop.sock_recv(sock, 1)
        assert head.startswith(b"HTTP/1.1 101")
        yield sock


async def ended(service: "Service", reason: str) -> None:
    """Wait until a subscription ended for `reason`."""
    await service.until(lambda: service.metric("labeler_subscriptions_ended_total", reason=reason))


@pytest.mark.row(145, 146)
async def test_a_reader_that_never_reads_is_cut_off_and_disturbs_nobody(impatient: "Service") -> None:
    async with raw_subscription(impatient, "?cursor=0"), impatient.subscribe("?cursor=0") as ws:
        following = asyncio.create_task(seqs(ws, 2001))
        for _ in range(20):
            await impatient.publish(100, size=1000)
        await ended(impatient, "ConsumerTooSlow")
        await impatient.publish(1)
        assert await following == list(range(1, 2002))


@pytest.mark.row(127, 145)
async def test_a_stuck_reader_that_comes_back_finds_the_reason(
    impatient: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 126, 145: the last frame it can still read says ConsumerTooSlow, the close code is 1008."""
    given_up = asyncio.Event()
    close = Peer.close

    async def noticed(*arguments: Any) -> None:
        given_up.set()
        await close(*arguments)

    monkeypatch.setattr(Peer, "close", noticed)
    await impatient.publish(2000, size=1000)
    async with raw_subscription(impatient, "?cursor=0") as sock:
        await given_up.wait()
        tail = b""
        while not tail.endswith(b"ConsumerTooSlow"):
            piece = await asyncio.get_running_loop().sock_recv(sock, 65536)
            assert piece, tail
            tail = (tail + piece)[-200:]
    assert b"Stream consumer too slow" in tail
    assert tail.endswith(b"\x03\xf0ConsumerTooSlow"), "1008"


@pytest.mark.row(146)
async def test_a_slow_reader_that_moves_is_served_to_the_end(impatient: "Service") -> None:
    await impatient.publish(300, size=1000)
    async with raw_subscription(impatient, "?cursor=0") as sock:
        loop = asyncio.get_running_loop()
        size = 0
        began = loop.time()
        while size < 300 * 1000:
            size += len(await loop.sock_recv(sock, 8192))
            await asyncio.sleep(0.02)
        assert loop.time() - began > 0.5, "slower than the patience for a stuck socket"
    assert impatient.metric("labeler_subscriptions_ended_total", reason="ConsumerTooSlow") == 0


@pytest.mark.row(149)
async def test_a_peer_that_answers_no_ping_is_dropped(impatient: "Service") -> None:
    """Row 149."""
    async with raw_subscription(impatient):
        await ended(impatient, "silent")
    assert impatient.metric("labeler_subscribers") == 0


async def test_a_peer_working_through_its_labels_gets_more_time(impatient: "Service") -> None:
    """It was sent labels and answers no ping: it may be reading still, so only the long patience ends it."""
    async with raw_subscription(impatient, "?cursor=0"):
        await impatient.publish(1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await ended(impatient, "silent")
        assert loop.time() - began > 0.6


async def test_an_idle_peer_that_answers_pings_stays(impatient: "Service") -> None:
    async with impatient.subscribe() as ws:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await ws.receive()
        await impatient.publish(1)
        assert await seqs(ws, 1) == [1]


async def test_a_client_that_leaves_frees_its_place(service: "Service") -> None:
    async with service.subscribe():
        pass
    async with raw_subscription(service):
        pass
    await service.until(lambda: not service.metric("labeler_subscribers"))
    assert service.metric("labeler_subscriptions_ended_total", reason="left") == 2


@pytest.mark.row(127)
async def test_our_own_mistake_ends_a_stream_with_1011(
    service: "Service", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 127: the error is named, its details are not."""

    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a secret")

    async with service.subscribe() as ws:
        monkeypatch.setattr(service.labels, "read", broken)
        await service.publish(1)
        (frame,) = await frames(ws, 1)
        assert frame == ErrorFrame("InternalServerError", "Internal Server Error")
        assert await closing(ws) == (1011, "failed")
    assert "a secret" in caplog.text


async def test_corruption_found_by_a_stream_is_reported(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    async def contradictory(*_: Any) -> Any:
        raise Corrupt("label 1 cannot be read")

    async with service.subscribe() as ws:
        monkeypatch.setattr(service.labels, "read", contradictory)
        await service.publish(1)
        message = await ws.receive(timeout=10)
        assert message.type is WSMsgType.CLOSED
    assert [str(error) for error in service.corrupted] == ["label 1 cannot be read"]


@pytest.mark.row(151)
async def test_big_labels_make_small_pages(service: "Service") -> None:
    """What is written to a socket at once stays near its bound, however large the labels are."""
    await service.publish(200, size=8000)
    page = await service.streams._pages.after(0)
    assert PAGE_BYTES <= len(page.data) < PAGE_BYTES + 10_000
    async with service.subscribe("?cursor=0") as ws:
        assert await seqs(ws, 200) == list(range(1, 201))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
@pytest.mark.row(153)
async def test_messages_are_framed_as_rfc_6455_has_it(size: int) -> None:
    message = binary_message(b"x" * size)
    assert message[0] == 0x82
    lengths = {126: (2, 4), 127: (2, 10)}
    start, end = lengths.get(message[1], (1, 2))
    assert int.from_bytes(message[start:end]) == size
    assert message[end:] == b"x" * size
    assert message[1] == (size if size < 126 else 126 if size < 65_536 else 127)
