"""Follow a labeler: every label verified, nothing missed, nothing taken twice, and honest about being out of date."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from labeler.atproto.frames import ErrorFrame, InfoFrame, LabelsFrame, decode_frame
from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label
from labeler.atproto.syntax import check_did
from labeler.errors import BadInput, Unavailable
from relay_hooks import _clock
from relay_hooks.backoff import Backoff
from relay_hooks.cache import LabelCache
from relay_hooks.cache_file import CacheFile
from relay_hooks.identity import IdentityResolver

METHOD = "com.atproto.label.subscribeLabels"
_LARGEST_FRAME = 5 * 1024 * 1024  # event-stream spec §Usage: a couple of megabytes are the most to expect
_BREATH = 16  # frames; verifying takes 40 µs a label, and a long backlog must not hold up mail on the same loop
_STEADY_S = 30.0  # a connection that lasted this long ends a row of failures
_log = logging.getLogger(__name__)


@dataclass
class SubscriberStats:
    """What was seen since the start."""

    cursor: int = 0
    """seq of the newest frame that was applied."""
    connected: bool = False
    connections: int = 0
    applied: int = 0
    superseded: int = 0
    """Verified, but the cache holds a newer label for the same subject and value."""
    forged: int = 0
    """Signature does not hold, with the key just fetched neither."""
    foreign: int = 0
    """`src` is not the labeler."""
    malformed: int = 0
    """Labels that break the schema or are of another version."""
    protocol_errors: int = 0
    """Connections given up because a frame was broken, out of order, or no binary message."""
    key_changes: int = 0
    outdated_cursor: bool = False
    """The labeler has pruned labels this cursor never saw: the cache may lack some that are old and still hold."""
    alert: str = ""
    """Following has stopped for good, and a human must look; what was known stays in force."""
    last_failure: str = ""


class _Stopped(Exception):
    """The labeler's stream and our cursor contradict each other."""


class LabelSubscriber:
    """Keep `cache` in step with the label stream of `labeler_did`.

    Use it as `async with`: entering loads `cache_file` (last-known-good labels and cursor) and starts to follow,
    leaving saves it. `on_label(label, seq)` is called for each verified label. `endpoint` overrides where the DID
    document says the labeler is; the key always comes from the document. The wait between pings is `ping_every_s`, an
    unanswered one ends the connection after as long again; without a frame or pong for `stale_after_s` the labels
    count as stale. After a bad signature the key is fetched anew, at most once in `rekey_every_s`.
    """

    def __init__(  # noqa: PLR0913 - two are needed, the others bound what an operator may want to bound
        self,
        labeler_did: str,
        cache: LabelCache,
        *,
        cache_file: CacheFile | None = None,
        resolver: IdentityResolver | None = None,
        endpoint: str | None = None,
        on_label: Callable[[Label, int], None] | None = None,
        ping_every_s: float = 20.0,
        stale_after_s: float = 90.0,
        rekey_every_s: float = 60.0,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 60.0,
        save_every_s: float = 1.0,
    ) -> None:
        self._did = check_did(labeler_did)
        self._cache = cache
        self._cache_file = cache_file
        self._resolver = resolver or IdentityResolver()
        self._endpoint = endpoint
        self._on_label = on_label
        self._ping_every_s = ping_every_s
        self._stale_after_s = stale_after_s
        self._rekey_every_s = rekey_every_s
        self._save_every_s = save_every_s
        self._backoff = Backoff(first_wait_s, longest_wait_s)
        self._key: PublicKey | None = None
        self._rekeyed: float | None = None
        self._heard: float | None = None
        self._unsaved = asyncio.Event()
        self._counts = SubscriberStats()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stats(self) -> SubscriberStats:
        """A copy of the counts as they stand."""
        return replace(self._counts)

    def is_stale(self) -> bool:
        """Tell whether the labels may be out of date: nothing heard of the labeler lately, or not at all yet."""
        return self._heard is None or _clock.monotonic() - self._heard > self._stale_after_s

    # Lifecycle.

    async def __aenter__(self) -> Self:
        if self._cache_file is not None:
            self._counts.cursor = await asyncio.to_thread(self._cache_file.load, self._cache)
        self._tasks = [asyncio.create_task(self._follow_for_ever(), name="label subscriber")]
        if self._cache_file is not None:
            self._tasks.append(asyncio.create_task(self._save_for_ever(self._cache_file), name="label cache saver"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop following and save; safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks and self._cache_file is not None:
            await self._save(self._cache_file)

    async def stopped(self) -> str:
        """Wait until following has stopped for good and return the alert; as a rule that never happens."""
        await asyncio.gather(*self._tasks[:1])
        return self._counts.alert

    # Following.

    async def _follow_for_ever(self) -> None:
        while True:
            began = _clock.monotonic()
            try:
                await self._follow()
            except _Stopped as stop:
                self._counts.alert = str(stop)
                _log.critical("stopped following %s: %s", self._did, stop)
                return
            except BadInput as error:
                self._counts.protocol_errors += 1
                self._failed(error)
            except (Unavailable, WebSocketException, OSError, TimeoutError) as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 - the labels must not stand still for the life of the relay
                _log.exception("label subscriber stumbled")
                self._failed(error)
            finally:
                self._counts.connected = False
            if _clock.monotonic() - began >= _STEADY_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next())

    def _failed(self, error: Exception) -> None:
        self._counts.last_failure = f"{type(error).__name__}: {error}"[:200]
        _log.warning("label stream of %s lost: %s", self._did, self._counts.last_failure)

    async def _follow(self) -> None:
        """One connection, from the handshake to its end."""
        identity = await self._resolver.resolve(self._did)
        self._key = identity.key
        origin = (self._endpoint or identity.endpoint).rstrip("/")
        url = f"ws{origin.removeprefix('http')}/xrpc/{METHOD}?cursor={self._counts.cursor}"
        async with connect(
            url, max_size=_LARGEST_FRAME, compression=None, ping_interval=None, close_timeout=1.0, proxy=None
        ) as socket:
            self._heard = _clock.monotonic()
            self._counts.connected = True
            self._counts.connections += 1
            pinger = asyncio.create_task(self._ping_for_ever(socket), name="label stream pinger")
            try:
                await self._read(socket)
            finally:
                pinger.cancel()
                with suppress(asyncio.CancelledError):
                    await pinger

    async def _read(self, socket: ClientConnection) -> None:
        frames = 0
        async for message in socket:
            self._heard = _clock.monotonic()
            if isinstance(message, str):
                raise BadInput("a text message instead of a frame")
            match decode_frame(message, tolerant=True):
                case LabelsFrame() as frame:
                    await self._take(frame)
                case InfoFrame(name="OutdatedCursor"):
                    self._counts.outdated_cursor = True
                    _log.warning("cursor %d is older than what %s keeps", self._counts.cursor, self._did)
                case InfoFrame(name, text):
                    _log.info("%s says %s: %s", self._did, name, text)
                case ErrorFrame(error="FutureCursor"):
                    raise _Stopped(
                        f"the labeler's stream is behind our cursor {self._counts.cursor}: it has lost its history. "
                        "Labels known so far stay in force; delete the cache file to follow the stream from its start."
                    )
                case ErrorFrame(error, text):
                    raise Unavailable(f"{error} {text or ''}".rstrip())
                case None:
                    pass  # an op or type of the future (event-stream spec §Framing)
            frames += 1
            if frames % _BREATH == 0:
                await asyncio.sleep(0)

    async def _take(self, frame: LabelsFrame) -> None:
        if frame.seq <= self._counts.cursor:  # event-stream spec §Sequence Numbers
            raise BadInput(f"seq {frame.seq} after {self._counts.cursor}")
        self._counts.malformed += len(frame.refused)
        for label in frame.labels:
            if label.src != self._did:
                self._counts.foreign += 1
                _log.warning("label of %s in the stream of %s refused", label.src, self._did)
            elif not await self._holds(label):
                self._counts.forged += 1
                _log.warning("label with a bad signature refused, seq %d", frame.seq)
            else:
                self._apply(label, frame.seq)
        self._counts.cursor = frame.seq  # only now: what was not applied comes again
        self._unsaved.set()

    async def _holds(self, label: Label) -> bool:
        """Verify a label; on failure with a key fetched anew, once (label spec §Signature Lifecycle).

        Where no document can be had the error goes up: the connection ends before the cursor has passed the label.
        """
        if self._key is not None and verify_label(label, self._key):
            return True
        now = _clock.monotonic()
        if self._rekeyed is not None and now - self._rekeyed < self._rekey_every_s:
            return False
        identity = await self._resolver.resolve(self._did, fresh=True)
        self._rekeyed = now
        self._use_key(identity.key)
        return verify_label(label, identity.key)

    def _use_key(self, key: PublicKey) -> None:
        if key != self._key:
            self._key = key
            self._counts.key_changes += 1
            _log.warning("label key of %s changed to %s", self._did, key.did_key)

    def _apply(self, label: Label, seq: int) -> None:
        if self._cache.apply(label, seq):
            self._counts.applied += 1
        else:
            self._counts.superseded += 1
        if self._on_label is not None:
            try:
                self._on_label(label, seq)
            except Exception:  # noqa: BLE001 - a caller's mistake must not stop the labels
                _log.exception("on_label failed")

    async def _ping_for_ever(self, socket: ClientConnection) -> None:
        """Notice a dead peer, which TCP alone may take hours to report, and a key withdrawn while nothing is signed."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._ping_every_s)
                try:
                    async with asyncio.timeout(self._ping_every_s):
                        await (await socket.ping())
                except TimeoutError:
                    socket.transport.abort()
                    return
                self._heard = _clock.monotonic()
                with suppress(BadInput, Unavailable):
                    self._use_key((await self._resolver.resolve(self._did)).key)

    # Saving.

    async def _save_for_ever(self, cache_file: CacheFile) -> None:
        while True:
            await self._unsaved.wait()
            self._unsaved.clear()
            began = _clock.monotonic()
            await self._save(cache_file)
            # A large cache takes long to write: never more than a tenth of the time.
            await asyncio.sleep(max(self._save_every_s, 9 * (_clock.monotonic() - began)))

    async def _save(self, cache_file: CacheFile) -> None:
        held, cursor = self._cache.snapshot(), self._counts.cursor
        try:
            await asyncio.to_thread(cache_file.save, self._did, cursor, held)
        except OSError as error:
            self._unsaved.set()
            _log.warning("label cache file cannot be written: %s", error.strerror)
