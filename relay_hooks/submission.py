"""One batch on its way to `email.atmos.telemetry.submitEvents`, and what the answer means."""

import asyncio
import gzip
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from labeler.errors import Misconfigured
from labeler.reputation.events import MAX_BATCH_BYTES, MAX_EVENTS_PER_BATCH
from relay_hooks import _clock

METHOD = "email.atmos.telemetry.submitEvents"
LONGEST_RETRY_AFTER_S = 900.0  # a longer wish than this is more likely a mistake than a plan
_WRAPPING = len(b'{"events":[]}')
_WORTH_GZIP = 1_024  # bytes; below it the header outweighs the gain
_WORTH_A_THREAD = 65_536  # bytes; above it compression would hold up the event loop
_ANSWER_BYTES = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


class Refusal(msgspec.Struct, frozen=True):
    """Why one event of a batch was not taken; `index` counts within the batch."""

    index: int
    error: str = "Rejected"
    message: str = ""
    id: str | None = None


class _Body(msgspec.Struct, frozen=True):
    accepted: int
    duplicates: int = 0
    rejected: tuple[Refusal, ...] = ()


class Taken(NamedTuple):
    """The batch is durable at the labeler, except for what it refused."""

    duplicates: int
    rejected: tuple[Refusal, ...]


class TooLarge(NamedTuple):
    """The same events may go through in smaller batches (HTTP 413)."""


class Away(NamedTuple):
    """Nothing was taken that we know of: keep the events, and try again after `retry_after_s` if it is given."""

    reason: str
    retry_after_s: float | None = None


Answer = Taken | TooLarge | Away


def cut(encoded: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Cut encoded events into batches of ≤ 1 000 events and < 2 MiB, in order."""
    batches: list[Sequence[bytes]] = []
    start = size = 0
    for index, raw in enumerate(encoded):
        size += len(raw) + 1
        if index > start and (index - start >= MAX_EVENTS_PER_BATCH or size + _WRAPPING > MAX_BATCH_BYTES):
            batches.append(encoded[start:index])
            start, size = index, len(raw) + 1
    if start < len(encoded):
        batches.append(encoded[start:])
    return batches


def submit_url(labeler: str) -> str:
    """Give the URL to post to, from the labeler's origin or the URL itself; raises `Misconfigured` on neither."""
    parts = urlsplit(labeler)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Misconfigured(f"labeler {labeler!r}: give its URL, like https://labeler.example.com")
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        _log.warning("token travels in clear: use https", extra={"host": parts.hostname})
    return labeler if "/xrpc/" in parts.path else f"{labeler.rstrip('/')}/xrpc/{METHOD}"


class Submitter:
    """Posts batches with a relay's bearer token. `submit` never raises for what the network or the labeler does."""

    def __init__(self, url: str, token: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def submit(self, batch: Sequence[bytes]) -> Answer:
        """Post encoded events (within the bounds of `cut`) and say what became of them."""
        body = b'{"events":[' + b",".join(batch) + b"]}"
        headers = self._headers
        if len(body) >= _WORTH_GZIP:
            headers = headers | {"Content-Encoding": "gzip"}
            if len(body) >= _WORTH_A_THREAD:
                body = await asyncio.to_thread(gzip.compress, body, 1)
            else:
                body = gzip.compress(body, 1)
        try:
            response = await self._client.post(self._url, content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Away(f"{type(error).__name__}: {error}"[:200])
        return _read(response, len(batch))


def _read(response: httpx.Response, events: int) -> Answer:
    if response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge() if events > 1 else Away("HTTP 413 for a single event")
    if response.status_code != httpx.codes.OK:
        return Away(
            f"HTTP {response.status_code} {_error_name(response)}".rstrip(),
            retry_after(response.headers.get("Retry-After"), _clock.utc_now()),
        )
    try:
        if len(response.content) > _ANSWER_BYTES:
            return Away("HTTP 200 with an answer too long to be one")
        body = msgspec.json.decode(response.content, type=_Body)
    except msgspec.DecodeError:
        return Away("HTTP 200 without the answer of submitEvents")  # a captive portal, not the labeler
    # Only a place within the batch, named once, can be charged to an event.
    rejected = {refusal.index: refusal for refusal in body.rejected if 0 <= refusal.index < events}
    duplicates = min(max(body.duplicates, 0), events - len(rejected))
    return Taken(duplicates, tuple(rejected.values()))


def _error_name(response: httpx.Response) -> str:
    """Take the XRPC error name out of an answer, if there is one: it tells an operator more than the number."""
    try:
        name = msgspec.json.decode(response.content, type=dict[str, object]).get("error")
    except msgspec.DecodeError:
        return ""
    return name[:64] if isinstance(name, str) and name.isascii() and name.isprintable() else ""


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read Retry-After, seconds or a date (RFC 9110 §10.2.3), as seconds from `now`, at most 15 minutes."""
    if value is None:
        return None
    try:
        wait = float(int(value))
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        wait = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S)
