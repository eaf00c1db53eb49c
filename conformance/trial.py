"""A labeler under trial: how to ask it, how to follow it, and the labels that this run put there."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from conformance.checks import Failed, NotApplicable
from conformance.issuing import Issuer
from conformance.wire import Frame, parse

QUERY = "com.atproto.label.queryLabels"
SUBSCRIBE = "com.atproto.label.subscribeLabels"
FRAME_S = 10.0  # until a frame must be there
QUIET_S = 0.5  # of silence that we take for "nothing comes"


@dataclass
class Follower:
    """An open stream."""

    socket: ClientConnection

    async def frame(self, seconds: float = FRAME_S) -> Frame:
        """The next message; a closed or silent stream is a failure."""
        try:
            return parse(await asyncio.wait_for(self.socket.recv(), seconds))
        except TimeoutError:
            raise Failed(f"no message came within {seconds:g} s") from None
        except websockets.ConnectionClosed:
            raise Failed(f"the stream ended ({self.ending}) where a message was due") from None

    async def until(self, uris: set[str], count: int) -> list[Frame]:
        """Read until `count` frames about these subjects came; others are passed over."""
        found: list[Frame] = []
        while len(found) < count:
            frame = await self.frame()
            if any(label["uri"] in uris for label in frame.labels):
                found.append(frame)
        return found

    async def nothing(self) -> bool:
        """Whether nothing comes for a moment, neither message nor end."""
        try:
            await asyncio.wait_for(self.socket.recv(), QUIET_S)
        except TimeoutError:
            return True
        except websockets.ConnectionClosed:
            return False
        return False

    async def closed(self, seconds: float = 3.0) -> list[Frame]:
        """Wait for the end of the stream; return what still came."""
        rest = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    rest.append(parse(await self.socket.recv()))
        except TimeoutError:
            raise Failed(f"the stream was still open after {seconds:g} s; {len(rest)} more messages came") from None
        except websockets.ConnectionClosed:
            return rest

    @property
    def ending(self) -> str:
        """Close code and reason; 1006 means that no close frame came."""
        return f"{self.socket.close_code} {self.socket.close_reason or ''}".strip()


@dataclass
class Specimens:
    """Labels of this run, and the frames in which they went by."""

    frames: list[Frame]
    uris: set[str]
    before: int  # a cursor just before them


@dataclass
class Trial:
    """One run against one labeler. `key` is a did:key; None where nobody knows it, like `pid`, its process here."""

    url: str
    did: str | None
    key: str | None
    issuer: Issuer
    pid: int | None = None
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    _specimens: Specimens | None = None

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(base_url=self.url, timeout=FRAME_S)

    async def __aenter__(self) -> "Trial":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.issuer.close()

    def subject(self, rest: str) -> str:
        """A subject that belongs to this run alone."""
        return f"did:web:c{self.nonce}.{rest}"

    async def query(self, *patterns: str, **params: str | list[str]) -> httpx.Response:
        """Ask for labels."""
        return await self.http.get(f"/xrpc/{QUERY}", params={"uriPatterns": list(patterns), **params})

    async def labels(self, *patterns: str) -> list[dict[str, Any]]:
        """The first page of labels for some patterns, of up to 250."""
        answer = await self.query(*patterns, limit="250")
        if answer.status_code != 200:
            raise Failed(f"asked for {patterns}, it answered {answer.status_code}: {answer.text[:200]}")
        found: list[dict[str, Any]] = answer.json()["labels"]
        return found

    @asynccontextmanager
    async def stream(self, query: str = "", nsid: str = SUBSCRIBE, **options: Any) -> AsyncIterator[Follower]:
        """Open a stream; `query` is the query string as it is."""
        url = f"{self.url.replace('http', 'ws', 1)}/xrpc/{nsid}?{query}".rstrip("?")
        options = {"compression": None, "ping_interval": None, "close_timeout": 2, "max_size": 5 << 20, **options}
        async with websockets.connect(url, **options) as socket:
            yield Follower(socket)

    async def settle(self, follower: Follower) -> None:
        """Wait until the labeler has surely put the stream to work: it answers a ping."""
        await asyncio.wait_for(await follower.socket.ping(), FRAME_S)

    def known_key(self) -> str:
        """The key, if anybody knows it."""
        if self.key is None:
            raise NotApplicable("the labeler's key is not known (--key)")
        return self.key

    async def specimens(self) -> Specimens:
        """Issue, once a run, the labels that most checks look at, and see them go by."""
        if self._specimens is None:
            self._specimens = await self._issue()
        return self._specimens

    def forget_specimens(self) -> None:
        """Issue anew for whoever asks next."""
        self._specimens = None
        self.nonce = secrets.token_hex(4)

    async def _issue(self) -> Specimens:
        plain = [self.subject(f"{name}.example") for name in ("one", "two", "three", "four")]
        named = [
            self.subject(rest)
            for rest in (
                "under_score.example",
                "underxscore.example",
                "CaSe.example",
                "port.example%3A8080",
                "port.example3A8080",
                "pre",
                "prefix",
                "prf",
            )
        ]
        uris = {*plain, *named}
        async with self.stream() as follower:
            await self.settle(follower)
            for uri in (*plain, *named):
                await self.issuer.apply(uri)
            await self.issuer.negate(plain[1])
            await self.issuer.negate(plain[2])
            await self.issuer.apply(plain[2])
            frames = await follower.until(uris, len(uris) + 3)
        return Specimens(frames, uris, frames[0].seq - 1)
