"""The least a server on the same libraries must do: `python -m benchmarks.bare ingest|stream PORT`.

ingest decodes events into the same struct and counts them; nothing is written. stream sends frames that lie ready in
memory, 64 a write.
"""

import asyncio
import sys

import msgspec
from aiohttp import web

from benchmarks.append import KEY, label
from labeler.atproto.frames import labels_frame
from labeler.atproto.label import sign_label
from labeler.reputation.events import SendEvent


class _Batch(msgspec.Struct):
    events: list[SendEvent]


DECODER = msgspec.json.Decoder(_Batch)


async def _ingest(request: web.Request) -> web.Response:
    events = DECODER.decode(await request.read()).events
    return web.json_response({"accepted": len(events), "duplicates": 0, "rejected": []})


async def _ready(_: web.Request) -> web.Response:
    return web.Response()


def frames(count: int) -> list[bytes]:
    """`count` label frames as they lie on the wire, WebSocket header included (RFC 6455 §5.2)."""
    made = []
    for number in range(count):
        frame = labels_frame(number + 1, sign_label(label(number), KEY).to_bytes())
        made.append(b"\x82\x7e" + len(frame).to_bytes(2, "big") + frame)
    return made


def _stream(count: int) -> web.Application:
    ready = frames(count)
    joined = [b"".join(ready[at : at + 64]) for at in range(0, count, 64)]

    async def subscribe(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        transport = request.transport
        assert transport is not None
        for piece in joined:
            transport.write(piece)
            while transport.get_write_buffer_size() > 1_000_000:  # noqa: ASYNC110 - the transport tells nobody when it drains
                await asyncio.sleep(0)
        async for _ in ws:
            pass
        return ws

    application = web.Application()
    application.router.add_get("/xrpc/com.atproto.label.subscribeLabels", subscribe)
    return application


def _application(kind: str, count: int) -> web.Application:
    application = _stream(count) if kind == "stream" else web.Application(client_max_size=4 << 20)
    application.router.add_post("/xrpc/email.atmos.telemetry.submitEvents", _ingest)
    application.router.add_get("/ready", _ready)
    return application


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    web.run_app(_application(sys.argv[1], int(sys.argv[3])), host="127.0.0.1", port=int(sys.argv[2]), print=None)
