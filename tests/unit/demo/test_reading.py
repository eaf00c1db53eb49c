"""Reading the labeler's public interfaces back."""

from collections.abc import Callable

import httpx
import pytest

from labeler.atproto.did_document import labeler_document
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.demo.reading import Reading
from labeler.errors import BadInput, Unavailable

DID = "did:web:localhost%3A8080"
KEY = PrivateKey.from_hex("11" * 32)

Handler = Callable[[httpx.Request], httpx.Response]


def reading(handler: Handler) -> Reading:
    """Read from a labeler that answers like this."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return Reading(DID, "http://localhost:8080", "secret", client)


async def test_it_asks_as_an_operator() -> None:
    """The numbers are for operators; the DID is a parameter."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"standing": "good"})

    assert await reading(answer).standing("did:web:a.example") == {"standing": "good"}
    assert asked[0].url.path == "/xrpc/email.atmos.reputation.getStanding"
    assert asked[0].url.params["did"] == "did:web:a.example"
    assert asked[0].headers["Authorization"] == "Bearer secret"


async def test_labels_are_read_to_the_last_page() -> None:
    """The cursor leads on until there is none."""
    labels = [
        sign_label(Label(DID, f"did:web:{n}.example", "clean-sender", "2026-01-02T03:04:05.678Z"), KEY) for n in "abc"
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", 0))
        page = {"labels": [label.to_json() for label in labels[start : start + 2]]}
        return httpx.Response(200, json=page | ({"cursor": "2"} if start == 0 else {}))

    assert await reading(answer).labels() == labels


async def test_the_throttle_caps_come_from_the_policy() -> None:
    """From the row that says throttle."""
    rows = [{"val": "clean-sender", "action": "none"}, {"action": "throttle", "hourlyCap": 20, "authMailHourlyCap": 5}]
    assert await reading(lambda _: httpx.Response(200, json={"labels": rows})).throttle_caps() == (20, 5)


async def test_evidence_is_the_record_itself() -> None:
    """Without its envelope."""
    body = {"seq": 3, "evidenceCid": "x", "evidence": {"reason": "because"}}
    assert await reading(lambda _: httpx.Response(200, json=body)).evidence(3) == {"reason": "because"}


async def test_the_key_is_the_label_key_of_the_did_document() -> None:
    """A document of somebody else has none for us."""
    document = labeler_document(DID, KEY.public_key, "http://localhost:8080")
    assert await reading(lambda _: httpx.Response(200, json=document)).key() == KEY.public_key
    foreign = labeler_document("did:web:other.test", KEY.public_key, "http://localhost:8081")
    with pytest.raises(BadInput):
        await reading(lambda _: httpx.Response(200, json=foreign)).key()


async def test_samples_of_the_metrics() -> None:
    """By name and labels; comments are none."""
    text = '# HELP a_total things\na_total{result="accepted"} 3.0\nb 2e+02\n'
    numbers = await reading(lambda _: httpx.Response(200, text=text)).numbers()
    assert numbers == {'a_total{result="accepted"}': 3.0, "b": 200.0}


async def test_a_refusal_names_path_and_status() -> None:
    """With the beginning of what was said."""
    with pytest.raises(Unavailable, match="getStanding answered 503: busy"):
        await reading(lambda _: httpx.Response(503, text="busy")).standing("did:web:a.example")
