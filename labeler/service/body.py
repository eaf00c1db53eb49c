"""Request bodies: bounded before they are read, and bounded again after decompression.

The XRPC error names follow the reference (`PayloadTooLarge`, `UnsupportedMediaType`, `InvalidRequest`).
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import zstandard
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from labeler.errors import BadInput

READ_SECONDS = 30.0  # a body that takes longer is not a slow link but a held connection
MAX_MEMBERS = 256  # gzip members or zstd frames: each costs a copy of the rest; block-wise writers need one for 64 KiB
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024  # RFC 8878 §3.1.1.1.2: decoders should support at least 8 MB


async def refuse_body(request: web.Request) -> None:
    """Check that a request which takes no input brought none; an empty body is none."""
    if not request.body_exists:
        return
    async with _arriving():
        given = await request.content.read(1)
    if given:
        raise BadInput("A request body was provided when none was expected.")


async def read_body(request: web.Request, limit: int) -> bytes:
    """Read a JSON body of at most `limit` bytes, counted on the wire and once more after decompression."""
    _check_content_type(request.headers.get("Content-Type"))
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "zstd", ""):
        message = f"Content-Encoding {encoding} is not supported; use gzip, zstd or none."
        raise BadInput(message, name="UnsupportedMediaType", status=415)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    raw = await _read(request, limit)
    match encoding:
        case "gzip" | "x-gzip":
            return _gunzip(raw, limit)
        case "zstd":
            return _unzstd(raw, limit)
        case _:
            return raw


async def read_form_body(request: web.Request, limit: int) -> bytes:
    """Read what a browser sends for a form (application/x-www-form-urlencoded), at most `limit` bytes, never packed."""
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given != "application/x-www-form-urlencoded":
        raise BadInput("A form is sent as application/x-www-form-urlencoded.", name="UnsupportedMediaType", status=415)
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
        raise BadInput("A form is not packed.", name="UnsupportedMediaType", status=415)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    return await _read(request, limit)


def _check_content_type(content_type: str | None) -> None:
    if content_type is None:
        raise BadInput("Request encoding (Content-Type) required but not provided")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise BadInput(f"Wrong request encoding (Content-Type): {content_type[:100]}")


async def _read(request: web.Request, limit: int) -> bytes:
    raw = bytearray()
    async with _arriving():
        async for chunk in request.content.iter_any():
            raw += chunk
            if len(raw) > limit:
                raise _too_large(limit)
    return bytes(raw)


@asynccontextmanager
async def _arriving() -> AsyncIterator[None]:
    """Bound how long a body may take to arrive, and name what is wrong with how it came."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            yield
    except TimeoutError:
        message = f"The body did not arrive within {READ_SECONDS:.0f} s."
        raise BadInput(message, name="RequestTimeout", status=408) from None
    except (web.RequestPayloadError, BadHttpMessage):
        raise BadInput("The body is not encoded as its Transfer-Encoding says.") from None


def _gunzip(raw: bytes, limit: int) -> bytes:
    out = bytearray()
    for _ in range(MAX_MEMBERS):  # RFC 1952 §2.2: a file may hold several members
        if not raw:
            return bytes(out)
        member = zlib.decompressobj(wbits=31)
        try:
            out += member.decompress(raw, limit + 1 - len(out))
        except zlib.error:
            raise BadInput("The body is not valid gzip.") from None
        if len(out) > limit:
            raise _too_large(limit)
        if not member.eof:
            raise BadInput("The gzip body ends too early.")
        raw = member.unused_data
    if raw:
        raise _too_many()
    return bytes(out)


def _unzstd(raw: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).stream_reader(raw, read_across_frames=True)
    try:
        out: bytes = reader.read(limit + 1)
    except zstandard.ZstdError:
        raise BadInput("The body is not valid zstd.") from None
    if len(out) > limit:
        raise _too_large(limit)
    _check_frames(raw)
    return out


def _check_frames(raw: bytes) -> None:
    """Refuse a last frame that is cut off, which the reader that bounds the output takes for one that ends."""
    for _ in range(MAX_MEMBERS):
        if not raw:
            return
        frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()
        frame.decompress(raw)  # no bomb: how much comes out was seen before
        if not frame.eof:
            raise BadInput("The zstd body ends too early.")
        raw = frame.unused_data  # the next frame (RFC 8878 §3)
    if raw:
        raise _too_many()


def _too_many() -> BadInput:
    return BadInput(f"The packed body has more than {MAX_MEMBERS} parts.")


def _too_large(limit: int) -> BadInput:
    return BadInput(f"The body is larger than {limit} bytes.", name="PayloadTooLarge", status=413)
