"""What every `Notifier` does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from labeler.adapters import smtp_notice, webhook
from labeler.adapters.clock import SystemClock
from labeler.adapters.smtp_notice import MailServer, SmtpNotifier
from labeler.adapters.webhook import WebhookNotifier
from labeler.errors import Unavailable
from labeler.ports import Message, Notifier
from tests.conftest import free_port
from tests.receivers import PASSWORD, PATH, SECRET, mailbox, receiver

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
MESSAGE = Message("abuse-report", "did:plc:alice", AT, "immediate: phishing", "https://labeler.example.com/", 7)
TO = "postmaster@example.com"


class World:
    """A notifier, what arrived as texts, and a way to have it refused."""

    def __init__(self, notifier: Notifier, arrived: Callable[[], list[str]], refuse: Callable[[], None]) -> None:
        self.notifier = notifier
        self.arrived = arrived
        self.refuse = refuse


@asynccontextmanager
async def by_webhook(port: int | None = None) -> AsyncIterator[World]:
    async with receiver() as hook:
        url = hook.url if port is None else f"http://127.0.0.1:{port}{PATH}"
        async with WebhookNotifier(url, SECRET, SystemClock()) as notifier:
            yield World(
                notifier,
                lambda: [body.decode() for _, body in hook.posted],
                lambda: setattr(hook, "status", 503),
            )


@asynccontextmanager
async def by_smtp(port: int | None = None) -> AsyncIterator[World]:
    async with mailbox() as box:
        server = MailServer("127.0.0.1", port or box.port, tls=False, starttls=False)
        yield World(
            SmtpNotifier(server, "labeler@example.com", [TO], "labeler.example.com", SystemClock()),
            lambda: [mail.as_string() for mail in box.mails],
            lambda: setattr(box, "refuse", f"451 4.3.0 Not now, {TO}"),
        )


KINDS = {"webhook": by_webhook, "smtp": by_smtp}


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with KINDS[request.param]() as made:
        yield made


async def test_a_message_arrives_whole(world: World) -> None:
    await world.notifier.send(MESSAGE)
    (arrived,) = world.arrived()
    for part in ("abuse-report", "did:plc:alice", "2026-03-02T12:00:00.000Z", MESSAGE.text, MESSAGE.link, "7"):
        assert part in arrived


async def test_one_that_is_told_twice_can_be_known_by_its_id(world: World) -> None:
    await world.notifier.send(MESSAGE)
    await world.notifier.send(MESSAGE)
    await world.notifier.send(MESSAGE._replace(about="did:plc:bob"))
    first, second, third = world.arrived()
    assert MESSAGE.id in first
    assert MESSAGE.id in second
    assert MESSAGE.id not in third


async def test_one_that_is_refused_is_unavailable_and_tells_no_secret(world: World) -> None:
    world.refuse()
    with pytest.raises(Unavailable) as refused:
        await world.notifier.send(MESSAGE)
    assert refused.value.__cause__ is None
    assert not any(secret in str(refused.value) for secret in (PATH, TO, SECRET.decode(), PASSWORD.decode()))


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_there_is_unavailable_and_tells_no_secret(kind: str) -> None:
    async with KINDS[kind](free_port()) as world:
        with pytest.raises(Unavailable) as refused:
            await world.notifier.send(MESSAGE)
    assert not any(secret in str(refused.value) for secret in (PATH, TO, SECRET.decode()))


@pytest.mark.parametrize("kind", KINDS)
async def test_one_that_does_not_answer_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(webhook.TIMEOUT_SECONDS, smtp_notice.TIMEOUT_SECONDS) <= 30
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(smtp_notice, "TIMEOUT_SECONDS", 0.2)
    hung_up = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung_up.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with KINDS[kind](server.sockets[0].getsockname()[1]) as world:
        with pytest.raises(Unavailable):
            await world.notifier.send(MESSAGE)
    hung_up.set()
    server.close()
