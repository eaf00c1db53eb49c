"""The demo's relay over real SMTP: who may send, what is forwarded, what a second attempt reports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiosmtplib
import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.demo import relay as demo_relay
from labeler.demo.clients import Exchange, send_today
from labeler.demo.members import Member, corner_shop
from labeler.demo.process import free_port
from labeler.demo.relay import HOST, Forwarder, Ledger, relay, smtp_server
from labeler.demo.sink import Sink
from labeler.reputation.events import Kind, SendEvent
from relay_hooks.cache import LabelCache
from relay_hooks.enforcement import Enforcer
from relay_hooks.recipients import RecipientHasher

SRC = "did:web:labeler.example"
MESSAGE = b"From: <ada@corner-shop.example>\r\nSubject: hello\r\n\r\nhello\r\n"


class Reports(Ledger):
    """A ledger that also keeps what was reported; its labeler is away."""

    def __init__(self, spool: Path) -> None:
        super().__init__(f"http://localhost:{free_port()}", "token", spool)
        self.events: list[SendEvent] = []
        self.more = asyncio.Event()

    def report(self, event: SendEvent) -> None:
        """Keep an event."""
        self.events.append(event)
        self.more.set()
        super().report(event)


class Town(NamedTuple):
    """A relay with a sink behind it."""

    port: int
    reports: Reports
    sink: Sink
    cache: LabelCache
    forwarder: Forwarder

    def label(self, did: str, val: str) -> None:
        """Let a label arrive."""
        plain = Label(src=SRC, uri=did, val=val, cts="2026-01-02T03:04:05.678Z")
        self.cache.apply(sign_label(plain, PrivateKey.from_hex("11" * 32)), len(self.cache) + 1)


@asynccontextmanager
async def running(spool: Path, member: Member) -> AsyncIterator[Town]:
    """Run a relay and a sink."""
    sink, reports, cache = Sink(), Reports(spool), LabelCache(SRC)
    enforcer = Enforcer(cache, standing_url="http://labeler.example", hourly_cap=2, auth_hourly_cap=1)
    hasher = RecipientHasher(b"k" * 16, "test")
    async with (
        smtp_server(sink, "sink.example") as sink_port,
        relay(reports, enforcer, hasher, sink_port, [member]) as (port, forwarder),
    ):
        yield Town(port, reports, sink, cache, forwarder)


def shop(*today: str, connections: int = 1, insists_s: float = 0.0) -> Member:
    """Make a shop that sends to these at once."""
    return corner_shop()._replace(today=today, begins_s=0.0, pause_s=0.0, connections=connections, insists_s=insists_s)


async def send(town: Town, member: Member) -> list[Exchange]:
    """Send everything, and return what was said."""
    heard: list[Exchange] = []
    await send_today(member, town.port, heard.append)
    return heard


async def test_messages_go_through_to_the_sink_and_are_reported(tmp_path: Path) -> None:
    """One delivered, one bounced; recipients are reported as hashes only."""
    member = shop("ada@a.example", "ben.gone@b.example")
    async with running(tmp_path, member) as town:
        heard = await send(town, member)
    assert [exchange.accepted for exchange in heard] == [True, True]
    assert heard[0].reply.startswith("250 2.0.0 Accepted as ")
    assert [event.kind for event in town.reports.events] == ["accepted", "delivered", "accepted", "bounced"]
    assert {event.did for event in town.reports.events} == {member.did}
    assert town.reports.events[3].status == "5.1.1"
    assert town.reports.kinds == {"accepted": 2, "delivered": 1, "bounced": 1}
    assert town.sink.delivered == 1
    assert "ada@a.example" not in repr(town.reports.events)


async def test_what_was_deferred_is_tried_again_and_its_outcome_binds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second attempt reports under the message of the first."""
    monkeypatch.setattr(demo_relay, "RETRY_S", 0.0)
    member = shop("ada.busy@a.example", "ben.grey.gone@b.example")
    async with running(tmp_path, member) as town:
        await send(town, member)
        await town.forwarder.finish()
    kinds = {one: [event.kind for event in town.reports.events if event.message_id == one.message_id]
             for one in town.reports.events if one.kind == Kind.ACCEPTED}  # fmt: skip
    assert list(kinds.values()) == [["accepted", "deferred", "delivered"], ["accepted", "deferred", "bounced"]]
    assert town.sink.delivered == 1


async def test_several_sessions_share_the_work(tmp_path: Path) -> None:
    """Each message is sent once, whichever session takes it."""
    member = shop(*(f"ada{number}@a.example" for number in range(20)), connections=4)
    async with running(tmp_path, member) as town:
        heard = await send(town, member)
    assert sorted(exchange.recipient for exchange in heard) == sorted(member.today)
    assert town.sink.delivered == 20


async def test_labels_are_felt_as_smtp_replies(tmp_path: Path) -> None:
    """Throttled: the hour's two pass, then 451 at DATA; suspended: 550 at RCPT; both word for word."""
    member = shop(*(f"ada{number}@a.example" for number in range(3)))
    async with running(tmp_path, member) as town:
        town.label(member.did, "mail-throttled")
        throttled = await send(town, member)
        town.label(member.did, "mail-suspended")
        suspended = await send(town, member)
    assert [exchange.accepted for exchange in throttled] == [True, True, False]
    assert throttled[2].command == "DATA"
    assert throttled[2].reply.startswith("451 4.7.1 Mail from this account is limited to 2 recipients an hour")
    assert {(one.command, one.reply[:9]) for one in suspended} == {("RCPT", "550 5.7.1")}
    assert suspended[0].reply.endswith(f"/member/{member.did}")
    assert suspended[0].began <= suspended[0].at


async def test_a_program_that_insists_stops_at_a_final_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its list it tries the deferred message again: 451, and 550 as soon as the label is there."""
    monkeypatch.setattr("labeler.demo.clients.AGAIN_S", 0.0)
    member = shop(*(f"ada{number}@a.example" for number in range(3)), insists_s=20.0)
    heard: list[Exchange] = []
    async with running(tmp_path, member) as town:
        town.label(member.did, "mail-throttled")

        def hear(exchange: Exchange) -> None:
            heard.append(exchange)
            if len(heard) == 5:
                town.label(member.did, "mail-suspended")

        await send_today(member, town.port, hear)
    assert [exchange.reply[:3] for exchange in heard] == ["250", "250", "451", "451", "451", "550"]
    assert {exchange.recipient for exchange in heard[2:]} == {"ada2@a.example"}


async def test_nobody_insists_who_was_not_refused(tmp_path: Path) -> None:
    """Everything taken: nothing is sent twice."""
    member = shop("ada@a.example", insists_s=20.0)
    async with running(tmp_path, member) as town:
        assert len(await send(town, member)) == 1


async def test_strangers_may_not_send(tmp_path: Path) -> None:
    """A wrong password is 535, no login is 530, and nothing is reported about either."""
    member = shop()
    async with (
        running(tmp_path, member) as town,
        aiosmtplib.SMTP(hostname=HOST, port=town.port, start_tls=False) as client,
    ):
        for login, password in ((member.domain, "wrong"), ("nobody.example", member.password)):
            with pytest.raises(aiosmtplib.SMTPAuthenticationError) as refused:
                await client.login(login, password)
            assert refused.value.code == 535
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as unknown:
            await client.sendmail("x@y.example", ["ada@a.example"], MESSAGE)
        assert unknown.value.recipients[0].code == 530
    assert town.reports.events == []


async def test_a_sink_that_is_gone_is_a_deferral(tmp_path: Path) -> None:
    """The client is told 451 and keeps the message; the failed connection is not used again."""
    member = shop("ada@a.example")
    reports = Reports(tmp_path)
    enforcer = Enforcer(LabelCache(SRC), standing_url="http://labeler.example")
    hasher = RecipientHasher(b"k" * 16, "test")
    heard: list[Exchange] = []
    async with relay(reports, enforcer, hasher, free_port(), [member]) as (port, _):
        await send_today(member, port, heard.append)
    assert [exchange.reply[:9] for exchange in heard] == ["451 4.3.0"]
    assert [event.kind for event in reports.events] == ["accepted", "deferred"]


async def test_leaving_gives_up_what_is_still_to_be_tried(tmp_path: Path) -> None:
    """A second attempt due in seconds does not hold up the end."""
    member = shop("ada.busy@a.example")
    async with asyncio.timeout(demo_relay.RETRY_S / 2), running(tmp_path, member) as town:
        await send(town, member)
    assert [event.kind for event in town.reports.events] == ["accepted", "deferred"]
