"""A real aiosmtpd server with the handler in it: replies, events, and errors that stay out of the mail path."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from labeler.atproto.label import Label
from labeler.reputation.events import SendEvent
from relay_hooks.cache import LabelCache
from relay_hooks.enforcement import Enforcer
from relay_hooks.integrations.aiosmtpd import (
    Member,
    MessageFacts,
    RelayHandler,
    authenticated_member,
    read_facts,
)
from relay_hooks.outcomes import SmtpReply
from relay_hooks.recipients import RecipientHasher

SRC = "did:web:labeler.test"
ALICE = "did:plc:alice"
NOW = datetime(2026, 1, 3, tzinfo=UTC)
HASHER = RecipientHasher(b"0123456789abcdef", "k1")
MESSAGE = "From: Alice <news@alice.example>\r\nSubject: Hello\r\n\r\nBody that must not leave.\r\n"

MakeLabel = Callable[..., Label]


class Recorder:
    """Stands in for the reporter: keeps what is reported."""

    def __init__(self) -> None:
        self.events: list[SendEvent] = []

    def report(self, event: SendEvent) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [str(event.kind) for event in self.events]


class NextHop:
    """Stands in for the relay's own delivery: answers per local part, records what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[str, list[str], bytes]] = []
        self.answers = {
            "gone": SmtpReply(550, "5.1.1", "No such user"),
            "full": SmtpReply(452, "4.2.2", "Mailbox full"),
        }
        self.strays: dict[str, SmtpReply] = {}
        self.error: Exception | None = None

    async def __call__(self, mail_from: str, recipients: Sequence[str], content: bytes) -> dict[str, SmtpReply]:
        if self.error is not None:
            raise self.error
        self.given.append((mail_from, list(recipients), content))
        return self.strays | {
            address: self.answers.get(address.partition("@")[0], SmtpReply(250, "2.1.5", "OK"))
            for address in recipients
            if not address.startswith("queued")
        }


class Relay:
    """A relay on loopback, and a client that talks to it."""

    def __init__(self) -> None:
        self.cache = LabelCache(SRC)
        self.enforcer = Enforcer(self.cache, standing_url="https://labeler.test", hourly_cap=2, auth_hourly_cap=1)
        self.recorder = Recorder()
        self.next_hop = NextHop()
        self.acceptances: dict[str, SendEvent] = {}
        self.member_of: Callable[[Session, Envelope], Member | None] = lambda *_: Member(ALICE, "alice.example")
        self.port = 0

    def attribute(self, session: Session, envelope: Envelope) -> Member | None:
        return self.member_of(session, envelope)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator["Relay"]:
        handler = RelayHandler(
            enforcer=self.enforcer,
            reporter=self.recorder,  # type: ignore[arg-type]
            hasher=HASHER,
            deliver=self.next_hop,
            now=lambda: NOW,
            on_accepted=self.acceptances.update,
            member_of=self.attribute,
        )
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(handler, loop=loop, **options), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def talk(self, *commands: str, login: tuple[str, str] | None = None) -> list[str]:
        """Say each command and return the replies, one line each; a message is said as it stands."""

        def run() -> list[str]:
            with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example", timeout=10) as client:
                client.ehlo()
                if login is not None:
                    client.login(*login)
                replies = []
                for command in commands:
                    code, text = client.data(command) if "\r\n" in command else client.docmd(command)
                    replies.append(f"{code} {text.decode()}")
                return replies

        return await asyncio.to_thread(run)

    async def send(self, *recipients: str, message: str = MESSAGE) -> list[str]:
        """Send one message and return the replies to each RCPT and to DATA; no DATA without recipients."""
        commands = ["MAIL FROM:<news@alice.example>", *(f"RCPT TO:<{one}>" for one in recipients), message]
        try:
            return (await self.talk(*commands))[1:]
        except smtplib.SMTPDataError as error:
            return [f"{error.smtp_code} {error.smtp_error!r}"]


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay().running() as relay:
        yield relay


async def test_a_message_is_delivered_and_each_recipient_reported_with_its_outcome(relay: Relay) -> None:
    replies = await relay.send("Bob@Example.com", "gone@example.org", "full@example.net", "queued@example.com")
    assert [reply[:3] for reply in replies] == ["250"] * 5
    assert relay.next_hop.given[0][:2] == (
        "news@alice.example",
        ["Bob@Example.com", "gone@example.org", "full@example.net", "queued@example.com"],
    )
    assert b"Body that must not leave." in relay.next_hop.given[0][2]
    assert relay.recorder.kinds() == ["accepted"] * 4 + ["delivered", "bounced", "deferred"]
    accepted, outcomes = relay.recorder.events[:4], relay.recorder.events[4:]
    assert len({event.id for event in relay.recorder.events}) == 7
    (message_id,) = {event.message_id for event in relay.recorder.events}
    assert message_id
    assert message_id in replies[-1]
    assert [(event.smtp_code, event.status) for event in outcomes] == [(250, "2.1.5"), (550, "5.1.1"), (452, "4.2.2")]
    assert [event.recipient for event in outcomes] == [event.recipient for event in accepted[:3]]


async def test_a_relay_that_queues_is_given_the_acceptances(relay: Relay) -> None:
    await relay.send("queued@example.com")
    assert relay.acceptances == {"queued@example.com": relay.recorder.events[0]}
    assert relay.recorder.kinds() == ["accepted"]


async def test_an_acceptance_says_what_the_schema_asks_and_nothing_in_clear(relay: Relay) -> None:
    await relay.send("Bob@Example.com")
    event = relay.recorder.events[0]
    assert (event.did, event.domain, event.from_domain) == (ALICE, "alice.example", "alice.example")
    assert (event.recipient, event.recipient_exact) == (
        HASHER.recipient("bob@example.com"),
        HASHER.exact("Bob@example.com"),
    )
    assert (event.recipient_domain, event.category, event.hash_key) == ("example.com", "bulk", "k1")
    assert event.client == HASHER.client("127.0.0.1")
    assert event.at == NOW
    shown = repr(relay.recorder.events).lower()
    assert "bob" not in shown
    assert "hello" not in shown
    assert "127.0.0.1" not in shown


async def test_the_category_is_declared_in_a_header(relay: Relay) -> None:
    await relay.send("bob@example.com", message="X-Atmos-Category: MFA-OTP\r\n" + MESSAGE)
    assert {event.category for event in relay.recorder.events} == {"mfa-otp"}


async def test_each_recipient_of_a_throttled_member_gets_its_own_reply(relay: Relay, label: MakeLabel) -> None:
    relay.cache.apply(label(), 1)
    replies = await relay.send("a@example.com", "b@example.com", "c@example.com")
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "250 2.1.5", "451 4.7.1", "250 2.0.0"]
    assert relay.next_hop.given[0][1] == ["a@example.com", "b@example.com"]
    assert relay.recorder.kinds() == ["rejected", "accepted", "accepted", "delivered", "delivered"]
    rejected = relay.recorder.events[0]
    assert (rejected.smtp_code, rejected.status, rejected.message_id) == (451, "4.7.1", None)
    assert rejected.recipient == HASHER.recipient("c@example.com")


@pytest.mark.parametrize("val", ["mail-suspended", "mail-removed"])
async def test_a_suspended_or_removed_member_is_refused_for_good(relay: Relay, label: MakeLabel, val: str) -> None:
    relay.cache.apply(label(val=val), 1)
    (reply,) = (await relay.talk("MAIL FROM:<news@alice.example>", "RCPT TO:<bob@example.com>"))[1:]
    assert reply.startswith("550 5.7.1 ")
    assert reply.endswith(f"see https://labeler.test/member/{ALICE}")
    assert relay.next_hop.given == []
    assert relay.recorder.kinds() == ["rejected"]
    assert (relay.recorder.events[0].smtp_code, relay.recorder.events[0].status) == (550, "5.7.1")


async def test_authentication_mail_flows_when_the_ordinary_hour_is_used_up(relay: Relay, label: MakeLabel) -> None:
    relay.cache.apply(label(), 1)
    await relay.send("a@example.com", "b@example.com")
    replies = await relay.send("bob@example.com", message="X-Atmos-Category: login-link\r\n" + MESSAGE)
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "250 2.0.0"]
    assert len(relay.next_hop.given) == 2


async def test_ordinary_mail_that_came_in_that_way_is_deferred_at_data(relay: Relay, label: MakeLabel) -> None:
    relay.cache.apply(label(), 1)
    await relay.send("a@example.com", "b@example.com")
    replies = await relay.send("bob@example.com")
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "451 4.7.1"]
    assert len(relay.next_hop.given) == 1
    assert relay.recorder.kinds()[-1] == "rejected"


async def test_a_transaction_given_up_costs_nothing(relay: Relay, label: MakeLabel) -> None:
    """By RSET, or by beginning another one without it."""
    relay.cache.apply(label(), 1)
    mail, rcpt = "MAIL FROM:<news@alice.example>", "RCPT TO:<{}@example.com>"
    first = [mail, rcpt.format("a"), rcpt.format("b"), "RSET"]
    second = [mail, rcpt.format("c"), rcpt.format("d"), "EHLO again.example"]
    replies = await relay.talk(*first, *second, mail, rcpt.format("e"), rcpt.format("f"), "NOOP")
    assert all(reply.startswith("250") for reply in replies)


async def test_an_answer_about_somebody_else_is_not_reported(relay: Relay) -> None:
    relay.next_hop.strays = {"stranger@example.com": SmtpReply(550, "5.1.1", "No such user")}
    await relay.send("bob@example.com")
    assert relay.recorder.kinds() == ["accepted", "delivered"]


async def test_a_message_without_any_recipient_is_refused(relay: Relay) -> None:
    """aiosmtpd itself sees to it; somebody may call the handler from elsewhere."""
    handler = RelayHandler(
        enforcer=relay.enforcer,
        reporter=relay.recorder,  # type: ignore[arg-type]
        hasher=HASHER,
        deliver=relay.next_hop,
    )
    session = Session(asyncio.get_running_loop())
    assert await handler.handle_DATA(SMTP(handler), session, Envelope()) == "503 5.5.1 Need RCPT first"
    assert relay.recorder.events == []


async def test_the_same_recipient_twice_is_reported_and_delivered_once(relay: Relay) -> None:
    await relay.send("bob@example.com", "bob@example.com")
    assert relay.next_hop.given[0][1] == ["bob@example.com"]
    assert relay.recorder.kinds() == ["accepted", "delivered"]


async def test_several_messages_in_one_session_have_different_message_ids(relay: Relay) -> None:
    mail, rcpt = "MAIL FROM:<news@alice.example>", "RCPT TO:<bob@example.com>"
    await relay.talk(mail, rcpt, MESSAGE, mail, rcpt, MESSAGE)
    assert len({event.message_id for event in relay.recorder.events}) == 2


async def test_who_cannot_be_told_must_authenticate_first(relay: Relay) -> None:
    relay.member_of = lambda *_: None
    replies = await relay.talk("MAIL FROM:<x@example.com>", "RCPT TO:<bob@example.com>")
    assert replies[1] == "530 5.7.0 Authentication required"
    assert relay.recorder.events == []


async def test_an_error_while_telling_who_sends_is_a_temporary_failure(relay: Relay) -> None:
    def broken(*_: object) -> Member | None:
        raise RuntimeError

    relay.member_of = broken
    replies = await relay.talk("MAIL FROM:<x@example.com>", "RCPT TO:<bob@example.com>")
    assert replies[1].startswith("451 4.3.0")


async def test_an_error_in_delivery_leaves_the_message_with_the_client(relay: Relay) -> None:
    relay.next_hop.error = RuntimeError("no route")
    replies = await relay.send("bob@example.com")
    assert replies[-1].startswith("451 4.3.0")
    assert relay.recorder.kinds() == ["accepted", "deferred"]
    assert (relay.recorder.events[1].smtp_code, relay.recorder.events[1].status) == (451, "4.3.0")


async def test_the_member_may_come_from_smtp_auth() -> None:
    """The default attribution, with a login that is a DID."""

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: object, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", auth_data=data)

    relay = Relay()
    relay.member_of = authenticated_member
    async with relay.running(authenticator=authenticate, auth_require_tls=False):
        await relay.talk("MAIL FROM:<a@b.example>", "RCPT TO:<bob@example.com>", MESSAGE, login=(ALICE, "right"))
        assert {event.did for event in relay.recorder.events} == {ALICE}
        replies = await relay.talk("MAIL FROM:<a@b.example>", "RCPT TO:<bob@example.com>")
        assert replies[1].startswith("530 5.7.0")


@pytest.mark.parametrize(
    ("authenticated", "data", "member"),
    [
        (True, Member(ALICE, "alice.example"), Member(ALICE, "alice.example")),
        (True, LoginPassword(ALICE.encode(), b"x"), Member(ALICE)),
        (True, ALICE, Member(ALICE)),
        (True, LoginPassword(b"alice", b"x"), None),
        (True, LoginPassword(b"\xff", b"x"), None),
        (True, None, None),
        (False, Member(ALICE), None),
        (None, ALICE, None),
    ],
)
def test_the_member_is_a_did_that_authenticated(authenticated: bool | None, data: Any, member: Member | None) -> None:
    loop = asyncio.new_event_loop()
    session = Session(loop)
    loop.close()
    session.authenticated, session.auth_data = authenticated, data
    assert authenticated_member(session, Envelope()) == member


@pytest.mark.parametrize(
    ("headers", "facts"),
    [
        (b"From: a@Example.COM\r\n", MessageFacts("bulk", "example.com")),
        ("From: Ä <a@bücher.example>\r\n".encode(), MessageFacts("bulk", "xn--bcher-kva.example")),
        (b"X-Atmos-Category: verification\r\n", MessageFacts("verification", None)),
        (b"x-atmos-category:  Login-Link \r\n", MessageFacts("login-link", None)),
        (b"X-Atmos-Category: mfa-otp\r\nX-Atmos-Category: bulk\r\n", MessageFacts("bulk", None)),
        (b"X-Atmos-Category: two words\r\n", MessageFacts("bulk", None)),
        (b"X-Atmos-Category: " + b"x" * 65 + b"\r\n", MessageFacts("bulk", None)),
        (b"Subject: \xff\xfe\r\nX-Atmos-Category: \xff\r\nFrom: \xff\xff\r\n", MessageFacts("bulk", None)),
        (b"From: a@b.example\r\nFrom: c@d.example\r\n", MessageFacts("bulk", None)),
        (b"From: nobody\r\n", MessageFacts("bulk", None)),
        (b"From: a@[192.0.2.1]\r\n", MessageFacts("bulk", None)),
        (b"", MessageFacts("bulk", None)),
    ],
)
def test_facts_are_read_from_the_headers_alone(headers: bytes, facts: MessageFacts) -> None:
    body = b"\r\nX-Atmos-Category: mfa-otp\r\nFrom: x@body.example\r\n"
    assert read_facts(headers + body) == facts


def test_headers_the_parser_cannot_bear_are_bulk_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay_hooks.integrations.aiosmtpd.HeaderParser", None)
    assert read_facts(b"From: a@b.example\r\n\r\n") == MessageFacts("bulk", None)
