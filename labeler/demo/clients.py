"""The members' own mail programs: they log in at the relay, send, and hear what it says."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, NamedTuple

import aiosmtplib

from labeler.demo.members import Member
from labeler.demo.relay import HOST

AGAIN_S: Final = 1.0  # between two tries of a program that does not give up


class Exchange(NamedTuple):
    """One message handed to the relay: which command was answered for good, and the reply as it came over the wire.

    `began` and `at` (the answer) are in seconds of the event loop's clock.
    """

    began: float
    at: float
    member: Member
    recipient: str
    command: str
    reply: str

    @property
    def accepted(self) -> bool:
        """Whether the relay took it."""
        return self.reply.startswith("250")


Heard = Callable[[Exchange], None]


async def send_today(member: Member, port: int, heard: Heard) -> None:
    """Send everything a member has in mind for today, each message once, and go on insisting where it does so."""
    await asyncio.sleep(member.begins_s)
    refused: list[str] = []
    waiting = iter(member.today)

    def hear(exchange: Exchange) -> None:
        if not exchange.accepted:
            refused.append(exchange.recipient)
        heard(exchange)

    await asyncio.gather(*(_session(member, port, waiting, hear) for _ in range(member.connections)))
    if refused and member.insists_s:
        await _insist(member, port, refused, heard)


async def _session(member: Member, port: int, waiting: Iterator[str], heard: Heard) -> None:
    """One SMTP session, until nothing is waiting any more."""
    async with aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) as client:
        await client.login(member.domain, member.password)
        for recipient in waiting:
            heard(await _send(client, member, recipient))
            await asyncio.sleep(member.pause_s)


async def _insist(member: Member, port: int, refused: list[str], heard: Heard) -> None:
    """Try what was deferred again and again, until it is taken or refused for good."""
    async with aiosmtplib.SMTP(hostname=HOST, port=port, start_tls=False) as client:
        await client.login(member.domain, member.password)
        loop = asyncio.get_running_loop()
        until = loop.time() + member.insists_s
        while loop.time() < until:
            await asyncio.sleep(AGAIN_S)
            exchange = await _send(client, member, refused[0])
            heard(exchange)
            if not exchange.reply.startswith("4"):
                return


async def _send(client: aiosmtplib.SMTP, member: Member, recipient: str) -> Exchange:
    """Hand over one message; whatever the relay answers is a result."""
    loop = asyncio.get_running_loop()
    began, command = loop.time(), "DATA"
    try:
        _, text = await client.sendmail(member.sender, [recipient], _message(member, recipient))
        reply = f"250 {text}"
    except aiosmtplib.SMTPRecipientsRefused as error:
        command, reply = "RCPT", f"{error.recipients[0].code} {error.recipients[0].message}"
    except aiosmtplib.SMTPDataError as error:
        reply = f"{error.code} {error.message}"
    return Exchange(began, loop.time(), member, recipient, command, reply)


def _message(member: Member, recipient: str) -> bytes:
    lines = (
        f"From: {member.name} <{member.sender}>",
        f"To: {recipient}",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Subject: News from the {member.name}",
        "",
        "Sent by the demo. Nobody but its own sink will ever read this.",
        "",
    )
    return "\r\n".join(lines).encode("ascii")
