"""lexrpc reads us and validates against lexicons of its own; four CBOR encoders agree on our labels' bytes."""

import asyncio
import base64
import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2
import cbrrr
import dag_cbor
import lexrpc
import libipld
import pytest
import websockets

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

NSID = "com.atproto.label.subscribeLabels"
LABELS = "com.atproto.label.queryLabels"
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "labels.json").read_text())[
    "labels"
]

# libipld writes a byte string that begins like a CID as a link (docs/adr/0005), and a signature may: it is asked for
# unsigned bytes only.
UNSIGNED_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "libipld": libipld.encode_dag_cbor,
    "dag-cbor": dag_cbor.encode,
    "cbrrr": cbrrr.encode_dag_cbor,
    "cbor2": lambda value: cbor2.dumps(value, canonical=True),
}
ENCODERS = {name: encode for name, encode in UNSIGNED_ENCODERS.items() if name != "libipld"}
MESSAGE_HEADER = b"\xa2atg#labelsbop\x01"


async def every_shape(running: "Running") -> int:
    """Apply, take back, apply for a while; names with an underscore and of great length. Returns the head."""
    await running.label("did:plc:alice", "mail-throttled")
    await running.label("did:web:under_score.example", "mail-throttled", "clean-sender")
    await running.label("did:plc:alice", negate=("mail-throttled",))
    await running.label("did:web:" + "long." * 60 + "example", "mail-suspended")
    event = {"$type": "tools.ozone.moderation.defs#modEventLabel", "createLabelVals": ["mail-throttled"]}
    answer = await running.client.post(
        "/xrpc/tools.ozone.moderation.emitEvent",
        json={
            "event": {**event, "negateLabelVals": [], "durationInHours": 24},
            "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:bob"},
            "createdBy": "did:plc:moderator",
        },
        headers={"Authorization": "Bearer moderator"},
    )
    assert answer.status_code == 200, answer.text
    return 6


def unwrapped(value: dict[str, str]) -> bytes:
    """Bytes out of their JSON form, which is unpadded base64."""
    return base64.b64decode(value["$bytes"] + "=" * (-len(value["$bytes"]) % 4))


async def frames(running: "Running", count: int) -> list[bytes]:
    async with websockets.connect(f"{running.ws_url}/xrpc/{NSID}?cursor=0") as stream, asyncio.timeout(20):
        return [await stream.recv(decode=False) for _ in range(count)]


async def while_labels_come(running: "Running", follow: Callable[[int, int], list[Any]], *arguments: int) -> list[Any]:
    """Run a blocking reader beside live traffic.

    The reader's WebSocket library looks at frames that came in one piece with the answer to its handshake only when
    more bytes arrive; on a quiet stream it would wait for those.
    """
    following = asyncio.create_task(asyncio.to_thread(follow, *arguments))
    for number in range(100):
        done, _ = await asyncio.wait({following}, timeout=0.1)
        if done:
            break
        await running.label(f"did:plc:meanwhile{arguments[0]}x{number}", "mail-throttled")
    return await asyncio.wait_for(following, 1)


class TestLexrpc:
    """lexrpc 3 with the lexicons it ships."""

    @pytest.mark.row(117, 120, 121, 122, 123, 131, 133)
    async def test_its_client_follows_the_stream_and_validates_each_message(self, installation: "Installation") -> None:
        async with installation.serving() as running:
            count = await every_shape(running) - 1  # the label taken back left a gap

            def follow(cursor: int, wanted: int) -> list[Any]:
                client = lexrpc.Client(running.url, validate=True)
                stream = client.com.atproto.label.subscribeLabels(cursor=cursor)
                read = list(itertools.islice(stream, wanted))
                stream.close()
                return read

            read = await while_labels_come(running, follow, 0, count)
            rest = await while_labels_come(running, follow, read[1][1]["seq"], count - 2)
        assert [header for header, _ in read] == [{"op": 1, "t": "#labels"}] * count
        seqs = [payload["seq"] for _, payload in read]
        assert seqs == sorted(set(seqs))
        assert rest == read[2:]

    @pytest.mark.row(89, 97, 98, 101, 109, 110)
    async def test_its_client_reads_pages_and_validates_them(self, installation: "Installation") -> None:
        async with installation.serving() as running:
            count = await every_shape(running) - 1

            def pages() -> list[dict[str, Any]]:
                # The client knows bytes as bytes, not as they are written in JSON: it validates what we unwrap for it.
                client, found, cursor = lexrpc.Client(running.url, validate=False), [], None
                judge = lexrpc.Client(running.url, validate=True)
                while True:
                    page = client.com.atproto.label.queryLabels(
                        uriPatterns=["*"], sources=[running.did], limit=2, cursor=cursor
                    )
                    labels = [{**label, "sig": unwrapped(label["sig"])} for label in page["labels"]]
                    judge.validate(LABELS, "output", {**page, "labels": labels})
                    found.append(page)
                    cursor = page.get("cursor")
                    if cursor is None:
                        return found

            read = await asyncio.wait_for(asyncio.to_thread(pages), 20)
        assert [len(page["labels"]) for page in read] == [2, 2, 1]
        assert len({json.dumps(label) for page in read for label in page["labels"]}) == count


class TestCanonicalBytes:
    """libipld, dag-cbor, cbrrr and cbor2 write our labels as we do."""

    @pytest.mark.row(36, 37, 39, 40, 342)
    @pytest.mark.parametrize("encoder", sorted(UNSIGNED_ENCODERS))
    async def test_the_frames_of_a_running_service_come_out_byte_for_byte(
        self, installation: "Installation", encoder: str
    ) -> None:
        async with installation.serving() as running:
            count = await every_shape(running) - 1
            received = await frames(running, count)
            served = (await running.client.get("/xrpc/com.atproto.label.queryLabels?uriPatterns=*")).json()["labels"]
        assert any("exp" in label for label in served)
        assert any("neg" in label for label in served)
        for raw, label in zip(received, served, strict=True):
            stream = io.BytesIO(raw)
            header, payload = cbor2.load(stream), cbor2.load(stream)
            assert (header, stream.read()) == ({"op": 1, "t": "#labels"}, b"")
            (arrived,) = payload["labels"]
            assert arrived == {**label, "sig": unwrapped(label["sig"])}
            if encoder in ENCODERS:
                again = ENCODERS[encoder]({"labels": [arrived], "seq": payload["seq"]})
                assert MESSAGE_HEADER + again == raw
            unsigned = {name: value for name, value in arrived.items() if name != "sig"}
            assert UNSIGNED_ENCODERS[encoder](unsigned) == dag_cbor.encode(unsigned)

    @pytest.mark.row(36, 37, 39, 342)
    @pytest.mark.parametrize("encoder", sorted(UNSIGNED_ENCODERS))
    def test_the_vectors_come_out_byte_for_byte(self, encoder: str) -> None:
        for vector in VECTORS:
            unsigned = {name: value for name, value in vector["label"].items() if name != "sig"}
            assert UNSIGNED_ENCODERS[encoder](unsigned).hex() == vector["unsignedCborHex"], vector["id"]
        assert len(VECTORS) > 50
