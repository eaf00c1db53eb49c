"""The DIDs behind handles, remembered for minutes (`look_ups` says how)."""

from labeler.atproto.syntax import is_handle
from labeler.errors import BadInput
from labeler.ports import HandleResolver
from labeler.service.look_ups import KEEP_SECONDS, LookUps
from labeler.service.observe import Metrics


class CachedHandles:
    """`HandleResolver` that remembers what another one found. Everybody who asks is a stranger."""

    def __init__(self, source: HandleResolver, metrics: Metrics, *, keep: float = KEEP_SECONDS) -> None:
        self._source = source
        self._look_ups = LookUps(self._ask, metrics.handle_lookups, keep=keep)

    async def close(self) -> None:
        """Give up the look-ups that still run."""
        await self._look_ups.close()

    async def resolve(self, handle: str) -> str:
        """Return the DID remembered, or look it up; what is no handle takes no place."""
        if not is_handle(handle):
            raise BadInput("not a handle", name="InvalidHandle")
        return (await self._look_ups.get(handle.lower())).decode("ascii")

    async def _ask(self, handle: str) -> bytes:
        return (await self._source.resolve(handle)).encode("ascii")
