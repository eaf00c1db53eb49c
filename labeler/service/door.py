"""The connection under HTTP: how long a request may take to arrive, how long its answer to leave.

Theory of operation. aiohttp parses; this file adds what a port on the open Internet needs. A connection on which no
request head is complete in time is closed, told so when it had begun one (RFC 9110 §15.5.9). What cannot be read as
HTTP at all is answered with the same envelope as everything else, and not logged: anybody can send garbage, and the
log names no addresses. An answer nobody takes in is cut off. Streams are left alone once they are open; peer.py
watches those.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from labeler.errors import BadInput

MAX_LINE_BYTES: Final = 64 * 1024  # of a request: a query may carry a hundred uris
MAX_FIELD_BYTES: Final = 16 * 1024  # of one header: tokens of 8 KiB are answered by access.py
MAX_FIELDS: Final = 128  # headers of one request
CLOSE_SECONDS: Final = 10.0  # at the end, for requests and subscribers
LINGER_SECONDS: Final = 1.0  # what a refused body still sends is read so long, that the refusal is not lost

HEAD_SECONDS = 20.0  # from the connection, or a head's first byte, to the end of the head
IDLE_SECONDS = 130.0  # a kept connection without a request; longer than the proxies in front of us keep theirs
LOOK_SECONDS = 0.25  # how often a query that takes its time looks whether anybody waits for it
WRITE_SECONDS = 60.0  # for an answer to leave

_TOO_LATE: Final = b'{"error":"RequestTimeout","message":"The request head did not arrive in time."}'
_TOO_LATE_ANSWER: Final = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nServer: labeler\r\n"
    b"Access-Control-Allow-Origin: *\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(_TOO_LATE)
) + _TOO_LATE

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Refuse = Callable[[int, str], web.Response]


class Door(web.Server):
    """Accepts connections and gives every request on them to `handle`; `refuse` words what is no request."""

    def __init__(self, handle: Handle, refuse: Refuse) -> None:
        super().__init__(
            handle,  # type: ignore[arg-type]  # `_make_request` makes what it takes
            access_log=None,  # no addresses in our logs
            auto_decompress=False,  # body.py bounds what comes out
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
        )
        self.refuse = refuse

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one new connection."""
        return _Connection(self, self._kwargs)

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.Request:
        return web.Request(message, payload, protocol, writer, task, self._loop, client_max_size=0)


def runner(handle: Handle, refuse: Refuse) -> web.ServerRunner:
    """Build the server around the one handler there is: every path leads to `handle`."""
    return web.ServerRunner(Door(handle, refuse), shutdown_timeout=CLOSE_SECONDS)


async def expect(request: web.Request) -> None:
    """Tell a client that asks first to send its body (RFC 9110 §10.1.1); raises `BadInput` (417) on other wishes."""
    wish = request.headers.get("Expect")
    if wish is None or request.version < (1, 1):
        return
    if wish.strip().lower() != "100-continue":
        raise BadInput("Only 100-continue can be expected here.", name="ExpectationFailed", status=417)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer proper has not begun


@contextmanager
def ending_with_the_client(request: web.Request) -> Iterator[None]:
    """Cancel what is done inside when the client has left: nobody is there to read the answer."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        transport = request.transport
        if (transport is None or transport.is_closing()) and task is not None:
            task.cancel()
        else:
            timer = loop.call_later(LOOK_SECONDS, look)

    timer = loop.call_later(LOOK_SECONDS, look)
    try:
        yield
    finally:
        timer.cancel()


class _Connection(web.RequestHandler):
    def __init__(self, door: Door, options: dict[str, Any]) -> None:
        super().__init__(door, loop=asyncio.get_running_loop(), **options)
        self._refuse = door.refuse
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False  # whether part of a head has arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline = self._loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiter is None or self._waiter.done():
            self._forget()  # a request is being answered, or about to be
        else:
            self._begun = True
            if self._deadline is None:
                self._deadline = self._loop.call_later(HEAD_SECONDS, self._give_up)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refuses; what was raised because the client left goes on up."""
        if isinstance(exc, ConnectionError) or request.writer.output_size:
            raise ConnectionResetError("nobody is left to answer")
        if isinstance(exc, LineTooLong) or "Too many" in (message or ""):
            text = f"At most {MAX_LINE_BYTES} bytes of request line, {MAX_FIELDS} headers of {MAX_FIELD_BYTES} bytes."
        else:
            text = "This cannot be read as an HTTP request."
        response = self._refuse(status, text)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer, and cut the connection when nobody takes it in."""
        transport = request.transport
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if transport is not None:
                transport.abort()
            return resp, True

    def _give_up(self) -> None:
        self._deadline = None
        if self._waiter is None or self._waiter.done():
            return
        if self._begun and self.transport is not None:
            self.transport.write(_TOO_LATE_ANSWER)
        self.force_close()

    def _forget(self) -> None:
        self._begun = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
