"""`com.atproto.label.subscribeLabels`: one loop, one cursor (event-stream spec; lexicon subscribeLabels).

Theory of operation. A subscriber is a cursor. Its loop takes the wake flag, reads after the cursor, writes, and waits
at the head for the flag. History and live labels are the same reads, so there is no cut-over to get wrong, and a slow
reader costs one page. Errors of the request travel in the stream, as its first and last frame (event-stream spec
§Connection); only what keeps us from opening a stream at all is an HTTP error.
"""

import asyncio
import contextlib
import ipaddress
import logging
from collections import Counter
from typing import NamedTuple

from aiohttp import WSCloseCode, web

from labeler.atproto.frames import error_frame, info_frame
from labeler.atproto.lexicon import Lexicons
from labeler.errors import BadInput, LabelerError, Unavailable
from labeler.ports import Bounds, LabelLog
from labeler.service.address import Network, client_address
from labeler.service.observe import Metrics
from labeler.service.pages import Pages, binary_message
from labeler.service.peer import CLOSE_SECONDS, MAX_CLIENT_MESSAGE_BYTES, Patience, Peer
from labeler.service.wake import Wake, wait

NSID = "com.atproto.label.subscribeLabels"
SERVER = "labeler"  # instead of the names and versions of our libraries
RETRY_SECONDS = 1.0  # between two reads of a log that is unavailable

log = logging.getLogger(__name__)


class StreamLimits(NamedTuple):
    """Open subscriptions in all and for one address, what the kernel may buffer for each, and our patience.

    `proxies` are the peers whose X-Forwarded-For is believed.
    """

    subscribers: int = 5_000
    per_address: int = 100
    buffer_bytes: int = 128 * 1024
    patience: Patience = Patience()
    proxies: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Ending(NamedTuple):
    """Why a stream ends: close code (None cuts the connection), reason, and a last frame if there is one."""

    code: int | None
    reason: str
    frame: bytes | None = None


class Start(NamedTuple):
    """Where a stream begins: after `cursor`, with `info` first when history is missing there."""

    cursor: int
    info: bytes | None = None


LEFT = Ending(None, "left")
SILENT = Ending(None, "silent")
# 1001, never 1000: after a normal closure clients do not come back (RFC 6455 §7.4.1).
SHUTDOWN = Ending(WSCloseCode.GOING_AWAY, "shutdown")
FAILED = Ending(WSCloseCode.INTERNAL_ERROR, "failed", error_frame("InternalServerError", "Internal Server Error"))
TOO_SLOW = Ending(
    WSCloseCode.POLICY_VIOLATION, "ConsumerTooSlow", error_frame("ConsumerTooSlow", "Stream consumer too slow")
)


class Streams:
    """Every open subscription."""

    def __init__(
        self, labels: LabelLog, published: Wake, lexicons: Lexicons, metrics: Metrics, limits: StreamLimits
    ) -> None:
        self._labels = labels
        self._published = published
        self._lexicons = lexicons
        self._metrics = metrics
        self._limits = limits
        self._pages = Pages(labels, published)
        self._open: Counter[str] = Counter()  # by address
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._closing = False

    async def close(self) -> None:
        """Let every stream send what is there and end with 1001; return when all have, or had time enough.

        To be awaited before the server closes: from then on it reads no more, not even the answer to a close frame.
        """
        self._closing = True
        self._published.wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS + 1):
                await self._nobody.wait()

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        """Serve one subscription. Raises `BadInput` (426, 429) when no stream is opened, `Unavailable` likewise."""
        ws = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=MAX_CLIENT_MESSAGE_BYTES, timeout=CLOSE_SECONDS
        )
        ws.headers["Server"] = SERVER
        if not ws.can_prepare(request).ok:
            raise BadInput("This is an event stream; connect with a WebSocket.", name="UpgradeRequired", status=426)
        address = client_address(request, self._limits.proxies)
        self._admit(address)
        self._open[address] += 1
        self._nobody.clear()
        self._metrics.subscribers.inc()
        try:
            # The head is read before the upgrade is answered: what is published after a client sees the stream open
            # reaches it, cursor or not.
            start = self._start(request, await self._labels.bounds())
            await ws.prepare(request)
            await self._serve(Peer(request, ws, self._limits.patience, self._limits.buffer_bytes), start)
        finally:
            self._metrics.subscribers.dec()
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
            if not self._open:
                self._nobody.set()
        return ws

    def _admit(self, address: str) -> None:
        if self._closing:
            raise Unavailable("the labeler is shutting down")
        local = ipaddress.ip_address(address).is_loopback if address else False
        if self._open.total() >= self._limits.subscribers or (
            not local and self._open[address] >= self._limits.per_address
        ):
            raise BadInput("Too many subscriptions are open.", name="RateLimitExceeded", status=429)

    def _start(self, request: web.Request, bounds: Bounds) -> Start | Ending:
        try:
            params = self._lexicons.check_params(NSID, request.query.items())
        except BadInput as error:
            return _refusal(error.name, error.message)
        cursor: int | None = params.get("cursor")
        if cursor is None:
            return Start(bounds.head)
        if cursor < 0:
            return _refusal("InvalidRequest", "cursor must not be negative")
        if cursor > bounds.head:
            return _refusal("FutureCursor", "Cursor in the future.")
        if 0 < cursor < bounds.floor:
            message = f"Labels up to seq {bounds.floor} are no longer kept."
            return Start(bounds.floor, info_frame("OutdatedCursor", message))
        return Start(cursor)

    async def _serve(self, peer: Peer, start: Start | Ending) -> None:
        listening = asyncio.create_task(peer.listen())
        sending = asyncio.create_task(self._send(peer, start))
        try:
            await asyncio.wait({listening, sending}, return_when=asyncio.FIRST_COMPLETED)
            ending = sending.result() if sending.done() else LEFT
        except ConnectionError:
            ending = LEFT
        except LabelerError:
            peer.abort()  # Corrupt: the process is about to stop, and whoever called us sees to it
            raise
        except Exception:
            log.exception("a subscription failed")
            ending = FAILED
        finally:
            for task in (listening, sending):
                task.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)
        self._metrics.ended(ending.reason)
        if ending.code is not None:
            await peer.close(ending.code, ending.reason, ending.frame)
        elif ending is SILENT:
            peer.abort()

    async def _send(self, peer: Peer, start: Start | Ending) -> Ending:
        if isinstance(start, Ending):
            return start
        if start.info is not None:
            await peer.write(binary_message(start.info))
        cursor = start.cursor
        while True:
            if not peer.until_ping() and not await peer.ping():
                return SILENT
            flag = self._published.flag()
            try:
                page = await self._pages.after(cursor)
            except Unavailable:
                self._metrics.storage_failures.labels("labels").inc()
                await asyncio.sleep(RETRY_SECONDS)  # the cursor is ours: nothing is missed meanwhile
                continue
            if page.labels:
                if not await peer.write(page.data):
                    return TOO_SLOW
                cursor = page.last
                self._metrics.frames.inc(page.labels)
            elif flag.is_set():
                continue  # something came in during the read
            elif self._closing:
                return SHUTDOWN
            else:
                await wait(flag, peer.until_ping())


def _refusal(name: str, message: str) -> Ending:
    # The reference closes with 1008 and the error's name as the reason.
    return Ending(WSCloseCode.POLICY_VIOLATION, name, error_frame(name, message))
