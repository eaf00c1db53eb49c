"""XRPC over HTTP: which method answers where, in which order things are checked, how errors are told.

Order of checks (the reference's): path and verb, parameters, caller, body, then the method itself. Errors are
`{"error", "message"}` with a name from the XRPC specification (§Error Responses); what went wrong inside us is logged
and never told.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from aiohttp import web

from labeler.atproto.json_text import parse_data
from labeler.atproto.lexicon import Lexicons
from labeler.atproto.syntax import is_nsid
from labeler.errors import BadInput, Corrupt, Misconfigured, Unavailable
from labeler.service import door
from labeler.service.access import Access, Caller
from labeler.service.body import read_body, refuse_body
from labeler.service.observe import OTHER, Metrics
from labeler.service.rate import Budget, Rate, ReportRate

JSON_BYTES: Final = 100 * 1024  # the reference's limit for JSON bodies
RETRY_AFTER_SECONDS: Final = 5
BUDGET: Final = web.RequestKey("budget", Budget)
EXPOSED: Final = "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After"

log = logging.getLogger(__name__)

_Response = TypeVar("_Response", bound=web.StreamResponse)


class Call(NamedTuple):
    """A request whose parameters, caller and body have passed. `body` is parsed, or raw bytes where asked for."""

    params: dict[str, Any]
    caller: Caller | None
    body: Any
    request: web.Request


Check = Callable[[Caller | None], object]
Answer = Callable[[Call], Awaitable[Mapping[str, Any]]]
Subscribe = Callable[[web.Request], Awaitable[web.StreamResponse]]
Plain = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Query(NamedTuple):
    """A method answered to GET. `allow` raises for callers who may not. `checked`: the answer goes by its lexicon.

    Where it does not matter who asks, nobody is asked: without `allow` and not `personal`, a token is not looked at.
    """

    answer: Answer
    allow: Check | None = None
    checked: bool = False
    personal: bool = False


class Procedure(NamedTuple):
    """A method answered to POST. With `raw` the handler takes the body as bytes and sees to its schema itself.

    `turns` bounds how many bodies are in memory at once; who comes later waits with the body unread. `rate` counts its
    calls beside those of all methods.
    """

    answer: Answer
    allow: Check
    limit: int = JSON_BYTES
    raw: bool = False
    turns: AbstractAsyncContextManager[object] = contextlib.nullcontext()
    rate: ReportRate | None = None


class Subscription(NamedTuple):
    """A method answered to a WebSocket upgrade."""

    subscribe: Subscribe


Method = Query | Procedure | Subscription


class Site(Protocol):
    """Pages for people in a browser: it answers whole parts of the address space, and words its refusals as pages."""

    def holds(self, request: web.Request) -> bool:
        """Tell whether this request is one for a page."""
        ...

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer it; raises as the methods do."""
        ...

    def refuse(self, request: web.Request, status: int, name: str, message: str) -> web.Response:
        """Say as a page what `envelope` says as JSON."""
        ...


class Http:
    """The aiohttp application: XRPC methods by NSID, and a few plain pages by path."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        pages: Mapping[str, Plain],
        access: Access,
        lexicons: Lexicons,
        metrics: Metrics,
        on_corrupt: Callable[[Corrupt], None],
        rate: Rate | None = None,
        site: Site | None = None,
    ) -> None:
        """Serve `methods` and `pages`; `on_corrupt` is told when our own data turns out to contradict itself.

        With `rate`, queries, procedures and the pages of `site` are counted.
        """
        self._methods = methods
        self._pages = pages
        self._access = access
        self._lexicons = lexicons
        self._metrics = metrics
        self._on_corrupt = on_corrupt
        self._rate = rate
        self._site = site
        missing = [nsid for nsid in methods if lexicons.kind(nsid) is None]
        if missing:
            raise Misconfigured(f"no lexicon for {', '.join(missing)}: the installation is incomplete")

    def runner(self) -> web.ServerRunner:
        """Build the server: every path leads to `handle`, and what is no request to `refuse`."""
        return door.runner(self.handle, self.refuse)

    def refuse(self, status: int, message: str) -> web.Response:
        """Answer what could not be read as a request."""
        self._metrics.requests.labels(OTHER, str(status)).inc()
        return _dressed(envelope(status, _name_of(status), message))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, whatever it is and whatever becomes of it."""
        nsid, refused = OTHER, envelope
        site = self._site if self._site is not None and self._is_for_people(self._site, request) else None
        if site is not None:
            refused = partial(site.refuse, request)
        try:
            await door.expect(request)
            if site is not None:
                count(self._rate, request, None)
                response: web.StreamResponse = await site.answer(request)
            elif request.path in self._pages and request.method != "OPTIONS":
                response = await self._page(request)
            else:
                nsid = nsid_of(request.path) if request.method != "OPTIONS" else OTHER
                response = await self._xrpc(nsid, request)
        except BadInput as error:
            response = refused(error.status, error.name, error.message)
        except Unavailable as error:
            log.warning("unavailable: %s", error)
            response = refused(503, "NotEnoughResources", "The labeler cannot do this right now; try again.")
        except web.HTTPException as error:
            response = refused(error.status, _name_of(error.status), error.reason)
        except Corrupt as error:
            self._on_corrupt(error)
            response = refused(500, "InternalServerError", "Internal Server Error")
        except ConnectionError:
            raise  # nobody is left to answer
        except Exception:
            log.exception("a request failed", extra={"fields": {"nsid": nsid}})
            response = refused(500, "InternalServerError", "Internal Server Error")
        self._metrics.requests.labels(nsid if nsid in self._methods else OTHER, str(response.status)).inc()
        if response.prepared:
            return response
        budget = request.get(BUDGET)
        if budget is not None:
            response.headers.update(budget.headers())
        return _dressed(response) if site is None else _private(response)

    def _is_for_people(self, site: Site, request: web.Request) -> bool:
        return request.path not in self._pages and not request.path.startswith("/xrpc/") and site.holds(request)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return _not_allowed("GET, HEAD")
        return await self._pages[request.path](request)

    async def _xrpc(self, nsid: str, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return _preflight(request)
        method = self._methods.get(nsid)
        if method is None:
            raise BadInput("Method Not Implemented", name="MethodNotImplemented", status=501)
        if not isinstance(method, Subscription) and "websocket" in request.headers.get("Upgrade", "").lower():
            raise BadInput(f"{nsid} is no subscription.", name="XRPCNotSupported", status=404)
        match method:
            case Subscription():
                if request.method != "GET":
                    return _not_allowed("GET")
                return await method.subscribe(request)
            case Query():
                if request.method not in ("GET", "HEAD"):
                    return _wrong_verb(request.method, "GET", "GET, HEAD")
                return await self._query(nsid, method, request)
            case Procedure():
                if request.method != "POST":
                    return _wrong_verb(request.method, "POST", "POST")
                return await self._procedure(nsid, method, request)

    async def _query(self, nsid: str, query: Query, request: web.Request) -> web.StreamResponse:
        params = self._lexicons.check_params(nsid, request.query.items())
        caller = None
        if query.allow is not None or query.personal:
            caller = await self._access.identify(request.headers.get("Authorization"), nsid)
        if query.allow is not None:
            query.allow(caller)
        await refuse_body(request)
        count(self._rate, request, caller)
        with door.ending_with_the_client(request):
            answer = await query.answer(Call(params, caller, None, request))
        if query.checked:
            self._check_answer(nsid, answer)
        return json_response(answer)

    async def _procedure(self, nsid: str, procedure: Procedure, request: web.Request) -> web.StreamResponse:
        params = self._lexicons.check_params(nsid, request.query.items()) if request.query_string else {}
        caller = await self._access.identify(request.headers.get("Authorization"), nsid)
        procedure.allow(caller)
        async with procedure.turns:
            body: Any = await read_body(request, procedure.limit)
            if not procedure.raw:
                body = self._lexicons.check_input(nsid, parse_data(body))
            count(self._rate, request, caller)
            count(procedure.rate, request, caller, body)
            return json_response(await procedure.answer(Call(params, caller, body, request)))

    def _check_answer(self, nsid: str, answer: Mapping[str, Any]) -> None:
        try:
            self._lexicons.check_output(nsid, answer)
        except BadInput as error:
            # Ours, not theirs: the traceback goes to the log and a 500 to the caller.
            raise RuntimeError(f"the answer of {nsid} breaks its lexicon: {error.message}") from error


def count(rate: Rate | ReportRate | None, request: web.Request, caller: Caller | None, body: Any = None) -> None:
    """Count a request that is in order; raises `BadInput` (429) when it is one too many. `body`: what reports say."""
    if rate is None:
        return
    budget = rate.count(request, caller, body) if isinstance(rate, ReportRate) else rate.count(request, caller)
    request[BUDGET] = budget
    if budget.spent:
        message = f"More than {budget.limit} requests in {budget.seconds} s; wait for the time in Retry-After."
        raise BadInput(message, name="RateLimitExceeded", status=429)


def nsid_of(path: str) -> str:
    """Read the NSID out of a path; raises `BadInput`: 404 outside /xrpc/, 400 for what is no NSID there."""
    if not path.startswith("/xrpc/"):
        raise BadInput("Not Found", name="NotFound", status=404)
    nsid = path.removeprefix("/xrpc/").removesuffix("/")
    if not is_nsid(nsid):
        raise BadInput("invalid xrpc path")
    return nsid


def json_response(value: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def envelope(status: int, name: str, message: str) -> web.Response:
    """Answer with an XRPC error, and the headers its status calls for."""
    return told(json_response({"error": name, "message": message}, status))


def told(response: web.Response) -> web.Response:
    """Add the headers that the status of a refusal calls for."""
    match response.status:
        case 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        case 408 | 413:
            response.force_close()  # the rest of the body is not worth reading
        case 415:
            response.headers["Accept-Encoding"] = "gzip, zstd"  # RFC 9110 §15.5.16
        case 426:
            response.headers["Upgrade"] = "websocket"
            response.headers["Connection"] = "Upgrade"
        case 429 | 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _dressed(response: _Response) -> _Response:
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"  # a negation must not wait for somebody's cache
    response.headers["Server"] = "labeler"
    return response


def _private(response: _Response) -> _Response:
    """Dress what is for one browser only: other origins may not read it, and nobody keeps it unless it says so."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "labeler"
    return response


def _wrong_verb(given: str, expected: str, allowed: str) -> web.StreamResponse:
    # The reference answers 400 to GET and POST swapped, and interop tests look for it.
    if given in ("GET", "HEAD", "POST"):
        raise BadInput(f"Incorrect HTTP method ({given}) expected {expected}")
    return _not_allowed(allowed)


def _not_allowed(allowed: str) -> web.Response:
    response = envelope(405, "MethodNotAllowed", f"Use {allowed}.")
    response.headers["Allow"] = allowed
    return response


def _preflight(request: web.Request) -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
        "Access-Control-Max-Age": "86400",
        "Vary": "Access-Control-Request-Headers",
    }
    asked = request.headers.get("Access-Control-Request-Headers")
    if asked is not None:
        headers["Access-Control-Allow-Headers"] = asked
    return web.Response(status=204, headers=headers)


def _name_of(status: int) -> str:
    names = {404: "NotFound", 405: "MethodNotAllowed", 413: "PayloadTooLarge", 500: "InternalServerError"}
    return names.get(status, "InvalidRequest")
