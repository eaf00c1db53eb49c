"""Where notices arrive on loopback: a webhook and a mail server, each of which can be away for a while."""

import asyncio
import email
import email.policy
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SECRET = b"a secret of thirty-two characters"
PASSWORD = b"correct horse"
PATH = "/hooks/T0KEN-IN-THE-PATH"


class Receiver:
    """A webhook; `status` is what it answers, `posted` what came in as (headers, body)."""

    def __init__(self) -> None:
        self.port = 0
        self.status = 204
        self.posted: list[tuple[dict[str, str], bytes]] = []
        self.misbehave: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posted]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.posted.append((dict(request.headers), await request.read()))
        if self.misbehave is not None:
            answer: web.StreamResponse = await self.misbehave(request)
            return answer
        return web.Response(status=self.status)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listen on a free port of loopback until the block ends."""
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    made = Receiver()
    runner.app.router.add_post(PATH, made.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


def signed(headers: dict[str, str], body: bytes, secret: bytes = SECRET) -> int | None:
    """Check a signature as docs/OPERATING.md tells receivers to; return its time, None when it does not hold."""
    fields = dict(field.split("=", 1) for field in headers["X-Labeler-Signature"].split(","))
    wanted = hmac.new(secret, fields["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return int(fields["t"]) if hmac.compare_digest(wanted, fields["v1"]) else None


class Mailbox:
    """An aiosmtpd handler; `refuse` answers instead of taking a message, `unknown` are recipients that do not exist."""

    def __init__(self) -> None:
        self.port = 0
        self.refuse: str | None = None
        self.unknown: set[str] = set()
        self.envelopes: list[Envelope] = []
        self.greeted: list[str | None] = []

    @property
    def mails(self) -> list[EmailMessage]:
        return [
            email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[arg-type]
            for envelope in self.envelopes
        ]

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self.greeted.append(session.host_name)
        if address in self.unknown:
            return f"550 5.1.1 No such user: {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.refuse is not None:
            return self.refuse
        self.envelopes.append(envelope)
        return "250 OK"


def _authenticated(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data == LoginPassword(b"labeler", PASSWORD), handled=False)


@asynccontextmanager
async def mailbox(*, tls: ssl.SSLContext | None = None, implicit: bool = False) -> AsyncIterator[Mailbox]:
    """Serve SMTP on a free port of loopback; with `tls` it wants STARTTLS and a login, or is all TLS if `implicit`."""
    box = Mailbox()
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {}
    if tls is not None and not implicit:
        options = {
            "tls_context": tls,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": _authenticated,
        }
    make: Callable[[], SMTP] = lambda: SMTP(box, hostname="mail.test", loop=loop, **options)  # noqa: E731
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=tls if implicit else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
