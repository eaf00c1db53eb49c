"""Following a labeler over a real WebSocket: verified, resumed, and honest about being stale."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from labeler.atproto import cbor
from labeler.atproto.did_document import labeler_document
from labeler.atproto.frames import error_frame, info_frame, labels_frame
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from relay_hooks import _clock
from relay_hooks.cache import LabelCache
from relay_hooks.cache_file import CacheFile
from relay_hooks.identity import IdentityResolver
from relay_hooks.subscriber import LabelSubscriber

KEY, NEW_KEY, STRANGER = (PrivateKey.from_hex(digit * 64) for digit in "123")
NOW = _clock.utc_now()


class FakeLabeler:
    """A labeler on loopback: its DID document and its stream on one port."""

    def __init__(self) -> None:
        self.key = KEY
        self.document_key = KEY
        self.document_fetches = 0
        self.document_status = HTTPStatus.OK
        self.frames: list[tuple[int, bytes | str]] = []
        self.greeting: list[bytes | str] = []  # sent to each subscriber before anything else
        self.cursors: list[int] = []
        self.changed = asyncio.Condition()
        self.connections: set[ServerConnection] = set()
        self.server: Server
        self.did = ""

    @property
    def endpoint(self) -> str:
        return f"http://localhost:{self.did.rpartition('%3A')[2]}"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if urlsplit(request.path).path != "/.well-known/did.json":
            return None
        self.document_fetches += 1
        document = labeler_document(self.did, self.document_key.public_key, self.endpoint)
        response = connection.respond(self.document_status, json.dumps(document))
        return response

    async def stream(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        cursor = int(parse_qs(urlsplit(connection.request.path).query)["cursor"][0])  # type: ignore[union-attr]
        self.cursors.append(cursor)
        feeder = asyncio.create_task(self.feed(connection, cursor))
        await connection.wait_closed()
        self.connections.discard(connection)
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)

    async def feed(self, connection: ServerConnection, cursor: int) -> None:
        for frame in self.greeting:
            await connection.send(frame)
        sent = 0
        while True:
            while sent < len(self.frames):
                seq, frame = self.frames[sent]
                sent += 1
                if seq > cursor:
                    await connection.send(frame)
            async with self.changed:
                await self.changed.wait()

    def label(
        self, uri: str = "did:plc:alice", val: str = "mail-throttled", *, by: PrivateKey | None = None, **fields: Any
    ) -> Label:
        plain = Label(src=self.did, uri=uri, val=val, cts="2026-01-02T03:04:05.678Z")
        return sign_label(replace(plain, **fields), by or self.key)

    async def publish(self, *labels: Label, seq: int | None = None) -> None:
        for label in labels:
            number = seq if seq is not None else self.frames[-1][0] + 1 if self.frames else 1
            await self.send(labels_frame(number, label.to_bytes()), number)

    async def send(self, frame: bytes | str, seq: int) -> None:
        self.frames.append((seq, frame))
        async with self.changed:
            self.changed.notify_all()


@pytest.fixture
async def labeler() -> AsyncIterator[FakeLabeler]:
    fake = FakeLabeler()
    async with serve(fake.stream, "127.0.0.1", 0, process_request=fake.answer, ping_interval=None) as fake.server:
        fake.did = f"did:web:localhost%3A{next(iter(fake.server.sockets)).getsockname()[1]}"
        yield fake


@pytest.fixture
def cache(labeler: FakeLabeler) -> LabelCache:
    return LabelCache(labeler.did)


def subscriber_of(cache: LabelCache, **options: Any) -> LabelSubscriber:
    return LabelSubscriber(cache.src, cache, **{"first_wait_s": 0.01, "longest_wait_s": 0.02, **options})


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that has no event to await."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def active(cache: LabelCache, did: str = "did:plc:alice") -> set[str]:
    return set(cache.active(did, NOW))


@pytest.mark.row(286)
async def test_history_and_then_live_labels_reach_the_cache(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Rows 131 and 133: cursor 0 is everything, then live, on one connection."""
    await labeler.publish(labeler.label(), labeler.label(val="mail-suspended"))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
        assert active(cache) == {"mail-throttled", "mail-suspended"}
        await labeler.publish(labeler.label(cts="2026-01-03T00:00:00.000Z", neg=True))
        await until(lambda: active(cache) == {"mail-suspended"})
    assert labeler.cursors == [0]
    assert (subscriber.stats.applied, subscriber.stats.connections) == (3, 1)


@pytest.mark.row(57, 62)
async def test_a_label_is_verified_as_it_came_with_neg_false_in_it(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Row 57: some labelers sign and serve `neg: false`."""
    plain = replace(labeler.label(), neg=False)
    await labeler.publish(replace(plain, sig=KEY.sign(plain.unsigned_bytes())))
    async with subscriber_of(cache):
        await until(lambda: active(cache) == {"mail-throttled"})


@pytest.mark.row(62)
async def test_a_forged_label_is_refused_and_those_after_it_are_not(labeler: FakeLabeler, cache: LabelCache) -> None:
    await labeler.publish(labeler.label(val="mail-removed", by=STRANGER), labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
    assert active(cache) == {"mail-throttled"}
    assert (subscriber.stats.forged, subscriber.stats.applied) == (1, 1)


@pytest.mark.row(62)
async def test_a_changed_field_under_a_good_signature_is_refused(labeler: FakeLabeler, cache: LabelCache) -> None:
    await labeler.publish(replace(labeler.label(), uri="did:plc:bob"))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.forged == 1)
    assert len(cache) == 0


@pytest.mark.row(53)
async def test_a_label_of_another_labeler_is_refused(labeler: FakeLabeler, cache: LabelCache) -> None:
    await labeler.publish(labeler.label(src="did:web:other.test"))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.foreign == 1)
    assert len(cache) == 0
    assert labeler.document_fetches == 1  # nobody's key is fetched for it


@pytest.mark.row(61)
async def test_after_a_key_rotation_the_document_is_fetched_once(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Row 61."""
    await labeler.publish(labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 1)
        labeler.key = labeler.document_key = NEW_KEY
        await labeler.publish(*(labeler.label(uri=f"did:plc:m{number}") for number in range(5)))
        await until(lambda: subscriber.stats.cursor == 6)
    assert labeler.document_fetches == 2
    assert (subscriber.stats.applied, subscriber.stats.forged, subscriber.stats.key_changes) == (6, 0, 1)


@pytest.mark.row(61)
async def test_many_forgeries_do_not_make_many_fetches(labeler: FakeLabeler, cache: LabelCache) -> None:
    await labeler.publish(*(labeler.label(by=STRANGER) for _ in range(20)))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.forged == 20)
    assert labeler.document_fetches == 2


async def test_a_key_withdrawn_while_nothing_is_signed_is_noticed_too(labeler: FakeLabeler, cache: LabelCache) -> None:
    resolver = IdentityResolver(ttl_s=0.0)
    async with subscriber_of(cache, resolver=resolver, ping_every_s=0.02) as subscriber:
        await until(lambda: subscriber.stats.connected)
        labeler.document_key = NEW_KEY
        await until(lambda: subscriber.stats.key_changes == 1)


async def test_without_a_document_a_label_waits_instead_of_being_dropped(
    labeler: FakeLabeler, cache: LabelCache
) -> None:
    """A rotation seen while the document cannot be had must not lose a suspension."""
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.connected)
        labeler.document_status = HTTPStatus.BAD_GATEWAY
        labeler.key = labeler.document_key = NEW_KEY
        await labeler.publish(labeler.label(val="mail-suspended"))
        await until(lambda: "502" in subscriber.stats.last_failure)
        assert (subscriber.stats.cursor, subscriber.stats.forged) == (0, 0)
        labeler.document_status = HTTPStatus.OK
        await until(lambda: active(cache) == {"mail-suspended"})


async def test_a_lost_connection_is_taken_up_at_the_cursor(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Row 134: the cursor is the last seq seen, and exclusive."""
    await labeler.publish(labeler.label(), labeler.label(val="clean-sender"))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
        next(iter(labeler.connections)).transport.abort()
        await labeler.publish(labeler.label(val="mail-suspended"))
        await until(lambda: subscriber.stats.cursor == 3)
    assert labeler.cursors == [0, 2]
    assert subscriber.stats.applied == 3


async def test_a_restart_resumes_from_the_file(labeler: FakeLabeler, cache: LabelCache, tmp_path: Path) -> None:
    file = tmp_path / "labels"
    await labeler.publish(labeler.label())
    async with subscriber_of(cache, cache_file=CacheFile(file)) as first:
        await until(lambda: first.stats.cursor == 1)
    await labeler.publish(labeler.label(uri="did:plc:bob"))
    again = LabelCache(labeler.did)
    async with subscriber_of(again, cache_file=CacheFile(file)) as second:
        assert active(again) == {"mail-throttled"}  # before anything was heard
        await until(lambda: second.stats.cursor == 2)
    assert labeler.cursors == [0, 1]
    assert second.stats.applied == 1


async def test_the_file_is_written_while_running_not_only_at_the_end(
    labeler: FakeLabeler, cache: LabelCache, tmp_path: Path
) -> None:
    file = CacheFile(tmp_path / "labels")
    async with subscriber_of(cache, cache_file=file, save_every_s=0.01):
        for number in (1, 2):
            await labeler.publish(labeler.label(uri=f"did:plc:m{number}"))
            await until(lambda number=number: CacheFile(tmp_path / "labels").load(LabelCache(labeler.did)) == number)  # type: ignore[misc]


async def test_a_disk_that_cannot_be_written_stops_nobody(
    labeler: FakeLabeler, cache: LabelCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    await labeler.publish(labeler.label())
    with caplog.at_level(logging.WARNING):
        async with subscriber_of(cache, cache_file=CacheFile(tmp_path / "file" / "labels"), save_every_s=0.01):
            await until(lambda: active(cache) and "cannot be written" in caplog.text)


@pytest.mark.parametrize("seq", [1, 2], ids=["older", "the same"])
@pytest.mark.row(157)
async def test_an_old_seq_ends_the_connection(labeler: FakeLabeler, cache: LabelCache, seq: int) -> None:
    """Row 157."""
    await labeler.publish(labeler.label(), labeler.label(val="clean-sender"))
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
        labeler.greeting = [labels_frame(seq, labeler.label(val="mail-removed").to_bytes())]
        next(iter(labeler.connections)).transport.abort()
        await until(lambda: subscriber.stats.protocol_errors == 2)
        labeler.greeting = []
        await labeler.publish(labeler.label(val="mail-suspended"))
        await until(lambda: subscriber.stats.cursor == 3)
    assert active(cache) == {"mail-throttled", "clean-sender", "mail-suspended"}
    assert labeler.cursors[-1] == 2


@pytest.mark.parametrize(
    "frame", ["text", b"", b"\xff", b"\xa1bop\x01"], ids=["text", "empty", "no cbor", "no payload"]
)
@pytest.mark.row(156)
async def test_a_broken_frame_ends_the_connection_not_the_following(
    labeler: FakeLabeler, cache: LabelCache, frame: bytes | str
) -> None:
    """Rows 120, 153 and 156."""
    labeler.greeting = [frame]
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.protocol_errors == 1)
        labeler.greeting = []
        await labeler.publish(labeler.label())
        await until(lambda: subscriber.stats.cursor == 1)


@pytest.mark.row(156)
async def test_frames_of_the_future_are_passed_over(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Row 156."""
    labeler.greeting = [
        cbor.encode({"op": 1, "t": "#news"}) + cbor.encode({}),
        cbor.encode({"op": 7}) + cbor.encode({}),
        info_frame("Welcome", "hello"),
    ]
    await labeler.publish(labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 1)
    assert (subscriber.stats.protocol_errors, subscriber.stats.connections) == (0, 1)


async def test_a_malformed_label_is_counted_and_left_behind(labeler: FakeLabeler, cache: LabelCache) -> None:
    frame = cbor.encode({"op": 1, "t": "#labels"}) + cbor.encode({"seq": 1, "labels": [{"ver": 2}, {"ver": 1}]})
    await labeler.send(frame, 1)
    await labeler.publish(labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
    assert (subscriber.stats.malformed, subscriber.stats.applied) == (2, 1)


async def test_a_cursor_from_the_future_stops_the_following_and_keeps_what_is_known(
    labeler: FakeLabeler, cache: LabelCache, tmp_path: Path
) -> None:
    """Row 143: a labeler that has lost its history is for a human to judge."""
    file = CacheFile(tmp_path / "labels")
    known = LabelCache(labeler.did)
    known.apply(labeler.label(val="mail-suspended"), 41)
    file.save(labeler.did, 41, known.snapshot())
    labeler.greeting = [error_frame("FutureCursor", "Cursor in the future.")]
    async with subscriber_of(cache, cache_file=CacheFile(tmp_path / "labels"), stale_after_s=0.01) as subscriber:
        async with asyncio.timeout(10):
            alert = await subscriber.stopped()
        await until(subscriber.is_stale)
    assert "lost its history" in alert
    assert subscriber.stats.alert == alert
    assert (subscriber.stats.connections, subscriber.stats.cursor) == (1, 41)
    assert active(cache) == {"mail-suspended"}


async def test_any_other_error_frame_is_worth_another_try(labeler: FakeLabeler, cache: LabelCache) -> None:
    labeler.greeting = [error_frame("ConsumerTooSlow", "Stream consumer too slow")]
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.connections == 2)
        assert "ConsumerTooSlow" in subscriber.stats.last_failure
        labeler.greeting = []
        await labeler.publish(labeler.label())
        await until(lambda: active(cache))


async def test_an_outdated_cursor_is_flagged_and_followed_on(labeler: FakeLabeler, cache: LabelCache) -> None:
    labeler.greeting = [info_frame("OutdatedCursor", "Requested cursor exceeded limit.")]
    await labeler.publish(labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: subscriber.stats.cursor == 1)
    assert subscriber.stats.outdated_cursor


async def test_a_peer_that_answers_no_ping_is_left(labeler: FakeLabeler, cache: LabelCache) -> None:
    async with subscriber_of(cache, ping_every_s=0.03) as subscriber:
        await until(lambda: labeler.connections)
        (deaf,) = labeler.connections
        deaf.transport.pause_reading()
        await until(lambda: subscriber.stats.connections == 2)
        deaf.transport.abort()


async def test_a_connection_that_lasted_ends_a_row_of_failures(
    labeler: FakeLabeler, cache: LabelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With waits doubling up to minutes, only a reset lets twenty connections follow each other at once."""
    monkeypatch.setattr("relay_hooks.subscriber._STEADY_S", 0.0)
    async with subscriber_of(cache, first_wait_s=0.001, longest_wait_s=600.0) as subscriber:
        for number in range(1, 21):
            # The labeler knows of a connection before the subscriber does: cut off in between it would count as none.
            await until(lambda number=number: len(labeler.cursors) == subscriber.stats.connections == number)  # type: ignore[misc]
            for connection in labeler.connections:
                connection.transport.abort()


async def test_stale_means_nothing_heard_lately(
    labeler: FakeLabeler, cache: LabelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(_clock, "monotonic", lambda: now)
    subscriber = subscriber_of(cache, stale_after_s=90.0)
    assert subscriber.is_stale()
    async with subscriber:
        await until(lambda: subscriber.stats.connected)
        assert not subscriber.is_stale()
        now += 91.0
        assert subscriber.is_stale()
        await labeler.publish(labeler.label())
        await until(lambda: not subscriber.is_stale())


async def test_pongs_keep_a_quiet_stream_from_going_stale(labeler: FakeLabeler, cache: LabelCache) -> None:
    async with subscriber_of(cache, ping_every_s=0.02) as subscriber:
        await until(lambda: subscriber.stats.connected)
        first = subscriber._heard
        await until(lambda: subscriber._heard != first)
    assert subscriber.stats.connections == 1


async def test_a_labeler_that_is_not_there_yet_is_waited_for(cache: LabelCache, labeler: FakeLabeler) -> None:
    labeler.document_status = HTTPStatus.SERVICE_UNAVAILABLE
    await labeler.publish(labeler.label())
    async with subscriber_of(cache) as subscriber:
        await until(lambda: labeler.document_fetches >= 3)
        labeler.document_status = HTTPStatus.OK
        await until(lambda: active(cache))
    assert "503" in subscriber.stats.last_failure


async def test_the_endpoint_can_be_given_and_the_key_still_comes_from_the_document(
    labeler: FakeLabeler, cache: LabelCache
) -> None:
    await labeler.publish(labeler.label())
    endpoint = labeler.endpoint.replace("localhost", "127.0.0.1") + "/"
    async with subscriber_of(cache, endpoint=endpoint) as subscriber:
        await until(lambda: subscriber.stats.applied == 1)
    assert labeler.document_fetches == 1


async def test_a_caller_that_fails_does_not_stop_the_labels(labeler: FakeLabeler, cache: LabelCache) -> None:
    seen = []

    def on_label(label: Label, seq: int) -> None:
        seen.append((label.val, seq))
        raise RuntimeError("a bug of the caller's")

    await labeler.publish(labeler.label(), labeler.label(val="clean-sender"))
    async with subscriber_of(cache, on_label=on_label) as subscriber:
        await until(lambda: subscriber.stats.cursor == 2)
    assert seen == [("mail-throttled", 1), ("clean-sender", 2)]


async def test_a_bug_of_our_own_does_not_end_the_following(
    labeler: FakeLabeler, cache: LabelCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await labeler.publish(labeler.label())
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr("relay_hooks.subscriber.decode_frame", None)
        async with subscriber_of(cache) as subscriber:
            await until(lambda: "stumbled" in caplog.text)
            patch.undo()
            await until(lambda: subscriber.stats.cursor == 1)


async def test_a_long_backlog_does_not_hold_up_the_event_loop(labeler: FakeLabeler, cache: LabelCache) -> None:
    """Mail sessions share the loop; frames that are already there must not be worked off in one go."""
    frames = [labels_frame(seq, labeler.label(uri=f"did:plc:m{seq}").to_bytes()) for seq in range(1, 321)]
    turns = 0

    async def arrived() -> AsyncIterator[bytes]:
        for frame in frames:
            yield frame

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    subscriber = subscriber_of(cache)
    subscriber._key = KEY.public_key
    other = asyncio.create_task(somebody_else())
    await subscriber._read(arrived())  # type: ignore[arg-type]
    other.cancel()
    assert subscriber.stats.applied == 320
    assert turns >= 20
