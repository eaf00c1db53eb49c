"""Handles out of a dictionary: the reference of the port, and what tests resolve with."""

from collections.abc import Mapping

from labeler.atproto.handle import NO_HANDLE, check_claimed, normal_handle
from labeler.errors import BadInput, Unavailable
from labeler.ports import DidResolver


class StaticHandles:
    """`HandleResolver` over the DIDs that handles name in `named`; `broken` finds nothing. `asked` is in lower case."""

    def __init__(self, dids: DidResolver, named: Mapping[str, str] | None = None) -> None:
        self._dids = dids
        self.named: dict[str, str] = dict(named or {})
        self.broken = False
        self.asked: list[str] = []

    async def resolve(self, handle: str) -> str:
        """Return the DID named, if its document claims the handle."""
        name = normal_handle(handle, trial=True)
        self.asked.append(name)
        if self.broken:
            raise Unavailable(f"{name} cannot be resolved now")
        did = self.named.get(name)
        if did is None:
            raise BadInput(f"{name} names no DID", name=NO_HANDLE)
        check_claimed(await self._dids.resolve(did), name)
        return did
