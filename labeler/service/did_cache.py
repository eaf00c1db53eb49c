"""DID documents remembered for minutes (`look_ups` says how)."""

from collections.abc import Collection
from typing import Any

import msgspec

from labeler.ports import DidResolver
from labeler.service.look_ups import KEEP_SECONDS, LookUps
from labeler.service.observe import Metrics


class CachedDids:
    """`DidResolver` that remembers what another one found. `known` are the DIDs that never wait behind strangers."""

    def __init__(
        self, source: DidResolver, metrics: Metrics, *, known: Collection[str] = (), keep: float = KEEP_SECONDS
    ) -> None:
        self._source = source
        self._look_ups = LookUps(self._ask, metrics.did_lookups, known=known, keep=keep)

    async def close(self) -> None:
        """Give up the look-ups that still run."""
        await self._look_ups.close()

    async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
        """Return the document remembered, or look it up; a `refresh` too soon after the last one looks nothing up."""
        document: dict[str, Any] = msgspec.json.decode(await self._look_ups.get(did, refresh=refresh))
        return document

    async def _ask(self, did: str) -> bytes:
        return msgspec.json.encode(await self._source.resolve(did, refresh=True))
