"""XRPC calls to a labeler: to the one that runs, or, where none runs, to its methods on its files.

The lock on the data directory says which it is. Both ways take the same parameters and bodies, check them against the
same lexicons and run the same methods.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol, cast

import httpx
from aiohttp import web

from labeler.atproto.json_text import parse_json
from labeler.errors import BadInput, Misconfigured, Unavailable
from labeler.service.access import Operator, Role
from labeler.service.http import Answer, Call
from labeler.service.labeler import Labeler
from labeler.service.operator.ask_member import AskMember
from labeler.service.operator.casework import Office, casework
from labeler.service.operator.emit_event import EmitEvent
from labeler.service.operator.set_override import SetOverride
from labeler.service.query import Labels
from labeler.service.reputation import GetEvidence, GetStanding
from labeler.service.schema import load_lexicons
from labeler.settings import TOKEN_VARIABLE, Settings, operator_token
from labeler.wiring import offline

QUERY_LABELS: Final = "com.atproto.label.queryLabels"
GET_STANDING: Final = "email.atmos.reputation.getStanding"
GET_EVIDENCE: Final = "email.atmos.reputation.getEvidence"
ASK_MEMBER: Final = "email.atmos.operator.askMember"
SET_OVERRIDE: Final = "email.atmos.operator.setOverride"
EMIT_EVENT: Final = "tools.ozone.moderation.emitEvent"
TIMEOUT_SECONDS: Final = 40.0  # a decision waits up to 30 s for its labels to be published

Params = Sequence[tuple[str, str]]


class Calls(Protocol):
    """A labeler one can ask and tell. Raises `BadInput` when it refuses, `Unavailable` when it is out of reach."""

    async def query(self, nsid: str, params: Params) -> dict[str, Any]:
        """Ask."""
        ...

    async def procedure(self, nsid: str, body: dict[str, Any]) -> dict[str, Any]:
        """Tell."""
        ...


@contextlib.asynccontextmanager
async def reach(settings: Settings) -> AsyncIterator[Calls]:
    """Take the lock and work on the files, or, where the lock is taken, talk to whoever has it."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            labeler = await stack.enter_async_context(offline(settings))
        except (Misconfigured, Unavailable) as error:
            client = await stack.enter_async_context(_client(settings))
            yield Running(client, error)
        else:
            yield Resting(settings, labeler)


def tell(settings: Settings, nsid: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call one procedure and return its answer; raises as `Calls` does."""

    async def told() -> dict[str, Any]:
        async with reach(settings) as labeler:
            return await labeler.procedure(nsid, body)

    return asyncio.run(told())


class Running:
    """`Calls` to a service over HTTP. `otherwise` is why the files could not be used."""

    def __init__(self, client: httpx.AsyncClient, otherwise: Misconfigured | Unavailable) -> None:
        self._client = client
        self._otherwise = otherwise

    async def query(self, nsid: str, params: Params) -> dict[str, Any]:
        """Ask by GET."""
        return await self._send(self._client.build_request("GET", f"/xrpc/{nsid}", params=list(params)))

    async def procedure(self, nsid: str, body: dict[str, Any]) -> dict[str, Any]:
        """Tell by POST."""
        return await self._send(self._client.build_request("POST", f"/xrpc/{nsid}", json=body))

    async def _send(self, request: httpx.Request) -> dict[str, Any]:
        try:
            response = await self._client.send(request)
        except httpx.ConnectError as error:
            where = self._client.base_url
            raise type(self._otherwise)(f"no labeler answers at {where}, and {self._otherwise}") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"the labeler at {self._client.base_url} does not answer: {error!r}") from error
        if response.is_success:
            return cast(dict[str, Any], parse_json(response.content))
        raise _refusal(response)


class Resting:
    """`Calls` to the methods themselves, under the lock. Whoever may write the files may decide."""

    def __init__(self, settings: Settings, labeler: Labeler) -> None:
        self._lexicons = load_lexicons()
        self._caller = _operator(settings)
        self._methods: dict[str, Answer] = {
            QUERY_LABELS: Labels(labeler.labels, labeler.clock, settings.service.did).answer,
            GET_STANDING: GetStanding(labeler.judge, labeler.cases, labeler.clock).answer,
            GET_EVIDENCE: GetEvidence(labeler.labels).answer,
            EMIT_EVENT: EmitEvent(labeler.desk, settings.service.did).answer,
            ASK_MEMBER: AskMember(labeler.desk).answer,
            SET_OVERRIDE: SetOverride(labeler.desk).answer,
        }
        office = Office(labeler.desk, labeler.judge, labeler.cases, labeler.history, labeler.members, labeler.clock)
        self._methods |= {nsid: method.answer for nsid, method in casework(office).items()}

    async def query(self, nsid: str, params: Params) -> dict[str, Any]:
        """Ask."""
        return await self._run(nsid, self._lexicons.check_params(nsid, list(params)), None)

    async def procedure(self, nsid: str, body: dict[str, Any]) -> dict[str, Any]:
        """Tell."""
        return await self._run(nsid, {}, self._lexicons.check_input(nsid, body))

    async def _run(self, nsid: str, params: dict[str, Any], body: Any) -> dict[str, Any]:
        request = cast(web.Request, None)  # these methods look at nothing but parameters, caller and body
        return dict(await self._methods[nsid](Call(params, self._caller, body, request)))


def _operator(settings: Settings) -> Operator:
    """Name the operator at the keyboard: whose token LABELER_TOKEN is, else the labeler itself."""
    token = operator_token()
    digest = hashlib.sha256(token.encode()).hexdigest() if token is not None else None
    for operator in settings.operators:
        if digest is not None and operator.token_sha256 == digest:
            return Operator(operator.did, Role[operator.role.upper()])
    return Operator(settings.service.did, Role.ADMIN)


def _client(settings: Settings) -> httpx.AsyncClient:
    host, port = settings.service.address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    token = operator_token()
    return httpx.AsyncClient(
        base_url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
        headers={"Authorization": f"Bearer {token}"} if token is not None else {},
        timeout=TIMEOUT_SECONDS,
        trust_env=False,  # the service is on this machine: no proxy lies in between
    )


def _refusal(response: httpx.Response) -> BadInput | Unavailable:
    try:
        envelope = parse_json(response.content)
        name, message = str(envelope["error"]), str(envelope.get("message", ""))
    except (BadInput, KeyError, TypeError, AttributeError):
        name, message = "InvalidResponse", "it did not answer in XRPC"
    if response.status_code >= 500:
        return Unavailable(f"the labeler at {response.url.netloc.decode()} answered {name}: {message}")
    if response.status_code in (401, 403):
        message += f" Put the token of an operator who may do this into {TOKEN_VARIABLE}."
    return BadInput(f"{name}: {message}", name=name, status=response.status_code)
