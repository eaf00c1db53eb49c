"""Notices as JSON, posted to one URL of the operator's and signed with a secret the receiver shares.

`X-Labeler-Signature: t=<seconds since the epoch>,v1=<hex>` holds the HMAC-SHA256 of `<t>.<body>`: a receiver that
checks both knows who sent the message and that it is not an old one played again.

The URL comes from the configuration, so that it may lead anywhere, into a private network too; a redirect comes from
somebody else and is not followed.
"""

import asyncio
import hashlib
import hmac
import json
from typing import Final, Self

import aiohttp

from labeler.atproto.syntax import format_datetime
from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Clock, Message

TIMEOUT_SECONDS: Final = 10.0
WORTH_ANOTHER_TRY: Final = frozenset({408, 429})  # of the client errors (RFC 9110 §15.5.9, RFC 6585 §4)
SIGNATURE: Final = "X-Labeler-Signature"


class WebhookNotifier:
    """`Notifier` over HTTP; any answer of 200 to 299 takes the message. `async with` opens and closes it."""

    def __init__(self, url: str, secret: bytes, clock: Clock) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": "labeler", "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, message: Message) -> None:
        """Post the message; raises `Unavailable`, `Undeliverable` when it was refused for good."""
        body = json.dumps(
            {
                "id": message.id,
                "kind": message.kind,
                "about": message.about,
                "at": format_datetime(message.at),
                "text": message.text,
                "link": message.link,
                "case": message.case,
            }
        ).encode()
        signature = sign(self._secret, int(self._clock.now().timestamp()), body)
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._session.post(
                    self._url, data=body, headers={SIGNATURE: signature}, allow_redirects=False
                ) as answer,
            ):
                status = answer.status
        except TimeoutError:
            raise Unavailable(f"the webhook did not answer within {TIMEOUT_SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:  # whose texts may hold the URL
            raise Unavailable(f"the webhook cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            final = 400 <= status < 500 and status not in WORTH_ANOTHER_TRY
            raise (Undeliverable if final else Unavailable)(f"the webhook answered {status}")


def sign(secret: bytes, at: int, body: bytes) -> str:
    """The value of the signature header for `body`, sent `at` seconds after the epoch."""
    return f"t={at},v1={hmac.digest(secret, f'{at}.'.encode() + body, hashlib.sha256).hex()}"
