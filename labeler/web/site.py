"""The pages by their paths, and how a refusal reads as a page.

Whoever has pages hands in routes; a path is a pattern as aiohttp has it (`/console/cases/{number}`). What the pages
raise is worded here, with the status and the headers it has over XRPC.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from aiohttp import web

from labeler.errors import BadInput
from labeler.service.http import told
from labeler.web.pages import Pages

Handler = Callable[[web.Request, Mapping[str, str]], Awaitable[web.StreamResponse]]

_FOUND: Final = web.RequestKey("found", Mapping[str, str])
_TITLES: Final = {
    400: "That does not work",
    401: "Please log in",
    403: "Not allowed",
    404: "There is no such page",
    408: "That took too long",
    409: "Somebody was faster",
    413: "Too much",
    429: "Too often",
    500: "Something broke",
    503: "Not now",
}


class Route(NamedTuple):
    """A verb, a pattern of paths, and who answers it: given the request and what the pattern took out of the path."""

    method: str
    path: str
    handler: Handler


class Site:
    """All pages. It answers every path that begins as one of `routes`, and browsers that are lost."""

    def __init__(self, pages: Pages, routes: Iterable[Route]) -> None:
        self._pages = pages
        self._dispatcher = web.UrlDispatcher()
        self._beginnings: set[str] = set()
        for route in routes:
            self._beginnings.add(_beginning(route.path))
            for method in {"GET": ("GET", "HEAD")}.get(route.method, (route.method,)):
                self._dispatcher.add_route(method, route.path, _finding(route.handler))

    def holds(self, request: web.Request) -> bool:
        """Tell whether it is for us: a path of ours, or no path at all asked for by a browser."""
        if _beginning(request.path) in self._beginnings:
            return True
        return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer with the page; raises `BadInput`, `Unavailable`, `web.HTTPException`."""
        if len(request.path) > 1 and request.path.endswith("/") and request.method in ("GET", "HEAD"):
            # One address a page. Never a double slash, which would lead to another host.
            return web.Response(status=308, headers={"Location": "/" + request.rel_url.raw_path.strip("/")})
        found = await self._dispatcher.resolve(request)
        match found.http_exception:
            case web.HTTPMethodNotAllowed() as wrong:
                allowed = ", ".join(sorted(wrong.allowed_methods))
                response = self.refuse(request, 405, "MethodNotAllowed", f"Use {allowed}.")
                response.headers["Allow"] = allowed
                return response
            case web.HTTPException():
                raise lost("There is nothing at this address.")
        request[_FOUND] = dict(found)
        return await found.handler(request)

    def refuse(self, request: web.Request, status: int, name: str, message: str) -> web.Response:
        """Say what is wrong, as a page; redirects lead on."""
        title = _TITLES.get(status) or HTTPStatus(status).phrase
        return told(self._pages.show("problem.html", status, title=title, name=name, message=message))


def _beginning(path: str) -> str:
    return path if path == "/" else path.split("/", 2)[1]


def _finding(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request, request[_FOUND])

    return answer


def see_other(path: str) -> web.Response:
    """Answer a form that was taken with the page to look at next, a path in ASCII (RFC 9110 §15.4.4)."""
    return web.Response(status=303, headers={"Location": path})


def lost(message: str) -> BadInput:
    """Build the 404 of a page that is about nothing."""
    return BadInput(message, name="NotFound", status=404)
