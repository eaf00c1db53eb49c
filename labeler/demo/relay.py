"""The mail relay: aiosmtpd with the hooks in it, forwarding over SMTP and trying again what was deferred."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiosmtplib
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from labeler.demo import members
from labeler.reputation.events import Kind, SendEvent
from relay_hooks.enforcement import Enforcer
from relay_hooks.integrations.aiosmtpd import Member, RelayHandler
from relay_hooks.outcomes import SmtpReply, outcome_event, read_reply
from relay_hooks.recipients import RecipientHasher
from relay_hooks.reporter import TelemetryReporter

HOST: Final = "127.0.0.1"
RETRY_S: Final = 8.0  # real relays wait minutes; a greylisting server wants some seconds at least
CLOSE_S: Final = 1.0
NEXT_HOPS: Final = 8  # connections to the sink at once

_log = logging.getLogger(__name__)


@asynccontextmanager
async def smtp_server(handler: Any, hostname: str, **options: Any) -> AsyncIterator[int]:
    """Serve SMTP on a free loopback port and yield the port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, hostname=hostname, loop=loop, **options), HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        with suppress(TimeoutError):  # a guest who does not hang up must not hold us
            await asyncio.wait_for(server.wait_closed(), CLOSE_S)


class Ledger(TelemetryReporter):
    """A reporter that keeps the newest acceptance of each recipient: later attempts report their outcome for it."""

    def __init__(self, labeler: str, token: str, spool_dir: Path) -> None:
        super().__init__(labeler, token, spool_dir)
        self.accepted: dict[str, SendEvent] = {}
        self.kinds: dict[str, int] = {}

    def report(self, event: SendEvent) -> None:
        """Take one event on its way to the labeler."""
        self.kinds[event.kind] = self.kinds.get(event.kind, 0) + 1
        if event.kind == Kind.ACCEPTED and event.recipient is not None:
            self.accepted[event.recipient] = event
        super().report(event)


class Forwarder:
    """Hands messages to the next hop, a few connections at a time, and tries deferred recipients once more."""

    def __init__(self, port: int, ledger: Ledger, hasher: RecipientHasher) -> None:
        self._port = port
        self._ledger = ledger
        self._hasher = hasher
        self._idle: list[aiosmtplib.SMTP] = []
        self._slots = asyncio.Semaphore(NEXT_HOPS)
        self._retries: set[asyncio.Task[None]] = set()

    async def deliver(self, mail_from: str, recipients: Sequence[str], content: bytes) -> Mapping[str, SmtpReply]:
        """Forward a message; what the next hop said of each recipient."""
        # Read before anything is awaited: the handler has reported these acceptances just now.
        accepted = {address: self._ledger.accepted[self._hasher.recipient(address)] for address in recipients}
        replies = await self._forward(mail_from, recipients, content)
        deferred = [address for address, reply in replies.items() if 400 <= reply.code < 500]
        if deferred:
            again = {address: accepted[address] for address in deferred}
            task = asyncio.create_task(self._try_again(mail_from, again, content))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        return replies

    async def finish(self) -> None:
        """Wait for the second attempts that are still to come."""
        while self._retries:
            await asyncio.wait(set(self._retries))

    async def close(self) -> None:
        """Give up what is not delivered, and close the connections."""
        for task in list(self._retries):
            task.cancel()
        await asyncio.gather(*self._retries, return_exceptions=True)
        for client in self._idle:
            client.close()
        self._idle.clear()

    async def _try_again(self, mail_from: str, accepted: Mapping[str, SendEvent], content: bytes) -> None:
        await asyncio.sleep(RETRY_S)
        for address, reply in (await self._forward(mail_from, list(accepted), content)).items():
            self._ledger.report(outcome_event(accepted[address], reply, datetime.now(UTC)))

    async def _forward(self, mail_from: str, recipients: Sequence[str], content: bytes) -> dict[str, SmtpReply]:
        async with self._slots:
            client = (
                self._idle.pop() if self._idle else aiosmtplib.SMTP(hostname=HOST, port=self._port, start_tls=False)
            )
            try:
                if not client.is_connected:
                    await client.connect()
                try:
                    refused, _ = await client.sendmail(mail_from, recipients, content)
                    said = {address: read_reply(*answer) for address, answer in refused.items()}
                except aiosmtplib.SMTPRecipientsRefused as error:
                    said = {one.recipient: read_reply(one.code, one.message) for one in error.recipients}
            except BaseException:
                client.close()
                raise
            self._idle.append(client)
        taken = SmtpReply(250, "2.1.5", "Recipient OK")
        return {address: said.get(address, taken) for address in recipients}


def authenticator(everyone: Sequence[members.Member]) -> Any:
    """Make aiosmtpd's authenticator for these members: login is the domain, the session learns the DID."""
    known = {member.domain: member for member in everyone}

    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        member = known.get(data.login.decode("utf-8", "replace"))
        if member is None or data.password != member.password.encode():
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=Member(member.did, member.domain))

    return check


@asynccontextmanager
async def relay(
    ledger: Ledger, enforcer: Enforcer, hasher: RecipientHasher, sink_port: int, everyone: Sequence[members.Member]
) -> AsyncIterator[tuple[int, Forwarder]]:
    """Run the relay on a free loopback port; yield the port and what forwards."""
    forwarder = Forwarder(sink_port, ledger, hasher)
    handler = RelayHandler(enforcer=enforcer, reporter=ledger, hasher=hasher, deliver=forwarder.deliver)
    try:
        # Passwords in clear, because both ends are this process. Who does not log in gets 530 from the handler.
        async with smtp_server(
            handler,
            "relay.example",
            auth_require_tls=False,
            authenticator=authenticator(everyone),
        ) as port:
            yield port, forwarder
    finally:
        await forwarder.close()
