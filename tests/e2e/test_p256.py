"""A labeler whose key is on the other curve: served, followed by the relay's hooks, and verified by another's code."""

import asyncio
import json
import subprocess
import sys
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import dag_cbor
import pytest
from atproto_crypto.verify import verify_signature  # type: ignore[import-untyped]

from labeler.adapters.keyfile import KeyFileSigner
from relay_hooks import LabelCache, LabelSubscriber

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

MEMBERS = [f"did:plc:m{number}" for number in range(20)]


def key_on(installation: "Installation", curve: str) -> str:
    """Put a key of `labeler keygen` at the configured place; return its did:key."""
    path = installation.folder / "signing.key"
    path.unlink()
    command = [sys.executable, "-m", "labeler", "keygen", str(path), "--curve", curve, "--json"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    key_id: str = json.loads(made.stdout)["did"]
    assert KeyFileSigner(path).key_id == key_id
    return key_id


async def queried(running: "Running") -> list[dict[str, Any]]:
    answer = await running.client.get("/xrpc/com.atproto.label.queryLabels?uriPatterns=*&limit=250")
    labels: list[dict[str, Any]] = answer.json()["labels"]
    return labels


def verified(label: dict[str, Any], did_key: str) -> bool:
    """Verify a label as served, with nothing of ours: dag-cbor writes the bytes, `atproto` checks the signature."""
    signature = b64decode(label["sig"]["$bytes"] + "==")
    fields = {name: value for name, value in label.items() if name != "sig"}
    return bool(verify_signature(did_key, dag_cbor.encode(fields), signature))


async def followed(running: "Running", count: int) -> int:
    """Follow with the relay's hooks until `count` labels verified; return how many did not."""
    seen: asyncio.Queue[str] = asyncio.Queue()
    cache = LabelCache(running.did)
    async with (
        asyncio.timeout(20),
        LabelSubscriber(running.did, cache, on_label=lambda label, _: seen.put_nowait(label.uri)) as subscriber,
    ):
        assert {await seen.get() for _ in range(count)} == set(MEMBERS)
        return subscriber.stats.forged


@pytest.mark.row(47, 48)
async def test_a_labeler_on_p256_is_followed_and_verified(installation: "Installation") -> None:
    did_key = key_on(installation, "p256")
    assert did_key.startswith("did:key:zDna")
    async with installation.serving() as running:
        for member in MEMBERS:
            await running.label(member, "mail-throttled")
        document = (await running.client.get("/.well-known/did.json")).json()
        labels = await queried(running)
        assert await followed(running, len(MEMBERS)) == 0
    assert document["verificationMethod"][0]["publicKeyMultibase"] == did_key.removeprefix("did:key:")
    assert {label["uri"] for label in labels} == set(MEMBERS)
    assert all(verified(label, did_key) for label in labels)
    assert not any(verified(label | {"val": "mail-suspended"}, did_key) for label in labels)


@pytest.mark.row(47, 84, 85)
async def test_a_labeler_moves_from_one_curve_to_the_other(installation: "Installation") -> None:
    """The change of key of docs/OPERATING.md, to the other curve: the same labels, signed anew."""
    async with installation.serving() as running:
        for member in MEMBERS:
            await running.label(member, "mail-throttled")
        before = await queried(running)
    did_key = key_on(installation, "p256")
    async with installation.serving() as running:
        assert await followed(running, len(MEMBERS)) == 0
        after = await queried(running)
    assert [label | {"sig": None} for label in after] == [label | {"sig": None} for label in before]
    assert all(verified(label, did_key) for label in after)
