"""Webhooks: what is posted and how it is signed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from labeler.adapters.webhook import WebhookNotifier, sign
from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Message
from tests.receivers import SECRET, Receiver, receiver, signed

NOW = datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC)
MESSAGE = Message("breaker", "did:plc:alice", NOW, "a suspension is held back", "https://labeler.example.com/")


class Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def notifier(hook: Receiver) -> AsyncIterator[WebhookNotifier]:
    async with WebhookNotifier(hook.url, SECRET, Clock()) as made:
        yield made


async def test_what_is_posted_is_json_and_signed(hook: Receiver, notifier: WebhookNotifier) -> None:
    await notifier.send(MESSAGE)
    ((headers, body),) = hook.posted
    assert headers["Content-Type"] == "application/json"
    assert signed(headers, body) == int(NOW.timestamp())
    assert signed(headers, body + b" ") is None
    assert signed(headers, body, b"another secret of any length") is None
    assert hook.messages == [
        {
            "id": MESSAGE.id,
            "kind": "breaker",
            "about": "did:plc:alice",
            "at": "2026-03-02T12:00:01.000Z",
            "text": "a suspension is held back",
            "link": "https://labeler.example.com/",
            "case": None,
        }
    ]


def test_the_signature_is_that_of_a_known_case() -> None:
    """printf '1.{}' | openssl dgst -sha256 -hmac key"""
    assert sign(b"key", 1, b"{}") == "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"


@pytest.mark.parametrize("status", [301, 302, 307, 408, 429, 500, 503])
async def test_any_other_answer_is_worth_another_try(hook: Receiver, notifier: WebhookNotifier, status: int) -> None:
    hook.status = status
    with pytest.raises(Unavailable, match=f"the webhook answered {status}") as refused:
        await notifier.send(MESSAGE)
    assert not isinstance(refused.value, Undeliverable)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 422])
async def test_a_client_error_is_final(hook: Receiver, notifier: WebhookNotifier, status: int) -> None:
    hook.status = status
    with pytest.raises(Undeliverable, match=f"the webhook answered {status}"):
        await notifier.send(MESSAGE)


async def test_a_redirect_is_not_followed(hook: Receiver, notifier: WebhookNotifier) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(hook.url)

    hook.misbehave = elsewhere
    with pytest.raises(Unavailable, match="answered 307"):
        await notifier.send(MESSAGE)
    assert len(hook.posted) == 1
