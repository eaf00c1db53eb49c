"""An independent client reads us: the `atproto` package follows the stream and checks every signature by its own code.

The labels' bytes are rebuilt by a third party as well (dag-cbor), from the fields that arrived.
"""

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

import dag_cbor
import pytest

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

FIELDS = ("ver", "src", "uri", "cid", "val", "neg", "cts", "exp")
HISTORY = 6
LIVE = 4


@pytest.fixture(scope="module")
def atproto() -> Any:
    """The package; importing it takes seconds, so only these tests do, and only when they run."""
    return importlib.import_module("atproto")


async def read(atproto: Any, running: "Running", count: int, cursor: int | None, after: Any = None) -> list[Any]:
    """Follow the stream with the package's client until `count` messages came; `after` runs once it has begun."""
    received: list[Any] = []
    params = {} if cursor is None else {"cursor": cursor}
    client = atproto.AsyncFirehoseSubscribeLabelsClient(params, base_uri=f"{running.ws_url}/xrpc")
    first = asyncio.Event()

    async def on_message(message: Any) -> None:
        received.append(atproto.parse_subscribe_labels_message(message))
        first.set()
        if len(received) >= count:
            await client.stop()

    following = asyncio.create_task(client.start(on_message))
    if after is not None:
        await asyncio.wait_for(first.wait(), 10)
        await after()
    await asyncio.wait_for(following, 20)
    return received


async def label_key(atproto: Any, running: "Running") -> str:
    """The did:key of #atproto_label in the document we serve, as the package reads it."""
    document = (await running.client.get("/.well-known/did.json")).json()
    parsed = atproto.DidDocument.from_dict(document)
    assert parsed.id == running.did
    (method,) = [method for method in parsed.verification_method or [] if method.id.endswith("#atproto_label")]
    return f"did:key:{method.public_key_multibase}"


def signed_bytes(label: Any) -> bytes:
    fields = {name: getattr(label, name) for name in FIELDS}
    encoded: bytes = dag_cbor.encode({name: value for name, value in fields.items() if value is not None})
    return encoded


@pytest.mark.row(35, 36, 43, 44, 53, 56, 131, 133, 139)
async def test_history_and_live_labels_verify(atproto: Any, installation: "Installation") -> None:
    verify_signature = importlib.import_module("atproto_crypto.verify").verify_signature
    async with installation.serving() as running:
        for number in range(HISTORY - 1):
            await running.label(f"did:plc:member{number}", "mail-throttled")
        await running.label("did:plc:member0", negate=("mail-throttled",))

        async def go_on() -> None:
            for number in range(LIVE):
                await running.label(f"did:plc:later{number}", "mail-suspended")

        # The negation took the place of the first label: its seq is a gap, the rest is whole.
        messages = await read(atproto, running, HISTORY - 1 + LIVE, 0, go_on)
        assert [message.seq for message in messages] == list(range(2, HISTORY + LIVE + 1))
        key = await label_key(atproto, running)
        labels = [label for message in messages for label in message.labels]
        assert len(labels) == len(messages)
        for label in labels:
            assert label.src == running.did
            assert verify_signature(key, signed_bytes(label), label.sig), label
        tampered = labels[0].model_copy(update={"val": "clean-sender"})
        assert not verify_signature(key, signed_bytes(tampered), tampered.sig), "the check can fail"
        assert [label.uri for label in labels if label.neg] == ["did:plc:member0"]


@pytest.mark.row(133, 134, 138)
async def test_a_cursor_resumes_without_gap_or_repetition(atproto: Any, installation: "Installation") -> None:
    async with installation.serving() as running:
        for number in range(HISTORY):
            await running.label(f"did:plc:member{number}", "mail-throttled")
        first = await read(atproto, running, 2, 0)
    async with installation.serving() as running:
        rest = await read(atproto, running, HISTORY - 2, first[-1].seq)
    assert [message.seq for message in (*first, *rest)] == list(range(1, HISTORY + 1))


@pytest.mark.row(125, 127, 132)
async def test_a_cursor_from_the_future_surfaces_as_its_error(atproto: Any, installation: "Installation") -> None:
    refusal = importlib.import_module("atproto_subscription").SubscriptionError
    async with installation.serving() as running:
        with pytest.raises(refusal) as refused:
            await read(atproto, running, 1, 99)
    assert "FutureCursor" in str(refused.value)
