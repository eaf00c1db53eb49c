"""The page at `/`: who lives here and where the doors are, for somebody who followed the address of a label."""

from collections.abc import Iterable, Mapping
from typing import Final

from aiohttp import web

from labeler.reputation.definitions import DEFINITIONS
from labeler.web.pages import Pages
from labeler.web.site import Route

PLACES: Final = ("/.well-known/did.json", "/xrpc/_health")


def front(pages: Pages, nsids: Iterable[str]) -> list[Route]:
    """The route of the page, which names every method of `nsids`."""
    doors = [*PLACES, *(f"/xrpc/{nsid}" for nsid in sorted(nsids))]

    async def answer(_: web.Request, __: Mapping[str, str]) -> web.StreamResponse:
        return pages.show("front.html", labels=DEFINITIONS, doors=doors)

    return [Route("GET", "/", answer)]
