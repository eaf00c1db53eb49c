"""com.atproto.label.subscribeLabels: the connection itself."""

from typing import Any

import httpx
import websockets

from conformance.checks import check, expect
from conformance.trial import SUBSCRIBE, Trial

PATH = f"/xrpc/{SUBSCRIBE}"


def envelope(answer: httpx.Response) -> None:
    """Expect the error envelope."""
    body: Any = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else None
    expect(isinstance(body, dict) and isinstance(body.get("error"), str), f"no error envelope: {answer.text[:200]}")


@check(118)
async def plain_get(trial: Trial) -> None:
    """A GET that is no WebSocket is answered with 426."""
    answer = await trial.http.get(PATH)
    expect(answer.status_code == 426, f"answered {answer.status_code}")
    envelope(answer)


@check(118)
async def post(trial: Trial) -> None:
    """Other methods than GET are answered with 405."""
    answer = await trial.http.post(PATH, json={})
    expect(answer.status_code == 405, f"answered {answer.status_code}")
    envelope(answer)


@check(119)
async def unknown_stream(trial: Trial) -> None:
    """A WebSocket to a method that does not exist gets an answer in HTTP."""
    try:
        async with trial.stream(nsid="com.example.label.subscribeNothing"):
            expect(condition=False, text="the stream was opened")
    except websockets.InvalidStatus as refusal:
        status = refusal.response.status_code
        expect(status in (404, 501), f"answered {status}")
    except (websockets.InvalidMessage, OSError, EOFError):
        expect(condition=False, text="the connection was dropped without an answer")


@check(154)
async def subprotocol(trial: Trial) -> None:
    """A subprotocol that nobody knows is not agreed to."""
    async with trial.stream(subprotocols=["x-nobody-knows-this"]) as follower:
        expect(follower.socket.subprotocol is None, f"agreed to {follower.socket.subprotocol!r}")


@check(147)
async def client_messages(trial: Trial) -> None:
    """What a client sends is ignored."""
    uri = trial.subject("talkative.example")
    async with trial.stream() as follower:
        await follower.socket.send("hello")
        await follower.socket.send(b"\x00\xff")
        await trial.settle(follower)
        await trial.issuer.apply(uri)
        await follower.until({uri}, 1)


@check(148)
async def pings(trial: Trial) -> None:
    """A ping is answered."""
    async with trial.stream() as follower:
        await trial.settle(follower)
