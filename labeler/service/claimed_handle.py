"""The handle an account goes by: claimed in its DID document, and leading back to it. Nothing waits long for a name."""

import asyncio
import contextlib
from typing import Final

from labeler.atproto.handle import claimed_handle
from labeler.errors import BadInput, Unavailable
from labeler.ports import DidResolver, HandleResolver

UNKNOWN: Final = "handle.invalid"  # what clients show where no handle holds (handle spec §Invalid Handles)
WAIT_SECONDS: Final = 2.0  # a page is of more use without a name than late


class ClaimedHandles:
    """Names for DIDs. A look-up that takes too long goes on, and the name is there for whoever asks next."""

    def __init__(self, dids: DidResolver, handles: HandleResolver) -> None:
        self._dids = dids
        self._handles = handles

    async def of(self, did: str) -> str:
        """Return the handle of `did`, or `UNKNOWN`; raises nothing."""
        with contextlib.suppress(BadInput, Unavailable, TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                handle = claimed_handle(await self._dids.resolve(did))
                if handle is not None and await self._handles.resolve(handle) == did:
                    return handle
        return UNKNOWN
