"""The label key is changed, as docs/OPERATING.md says, and nobody notices but the verifier."""

import asyncio
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from labeler.adapters.keyfile import KeyFileSigner, new_key, write_new_key
from labeler.atproto.did_document import label_key
from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

LABELS = 150


async def streamed(running: "Running", count: int) -> list[tuple[int, Label]]:
    """Follow the stream from cursor 0."""
    found: list[tuple[int, Label]] = []
    url = f"{running.ws_url}/xrpc/com.atproto.label.subscribeLabels?cursor=0"
    async with asyncio.timeout(20), websockets.connect(url) as ws:
        while len(found) < count:
            raw = await ws.recv()
            assert isinstance(raw, bytes)
            frame = decode_frame(raw)
            assert isinstance(frame, LabelsFrame)
            found += [(frame.seq, label) for label in frame.labels]
    return found


async def queried(running: "Running") -> list[Label]:
    """Page through everything."""
    found: list[Label] = []
    params: dict[str, Any] = {"uriPatterns": "*", "limit": 100}
    while True:
        page = (await running.client.get("/xrpc/com.atproto.label.queryLabels", params=params)).json()
        found += map(Label.from_json, page["labels"])
        if "cursor" not in page:
            return found
        params["cursor"] = page["cursor"]


async def published_key(running: "Running") -> PublicKey:
    document = (await running.client.get("/.well-known/did.json")).json()
    return label_key(document, running.did)


async def resigned(running: "Running") -> float:
    text = (await running.client.get("/metrics")).text
    return float(text.split("\nlabeler_resigned_labels_total ", 1)[1].split("\n", 1)[0])


def labeler(installation: "Installation", *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labeler", *arguments, "--config", str(installation.folder / "labeler.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def change_key(installation: "Installation") -> str:
    """Put another key at the configured place; return its did:key."""
    path: Path = installation.folder / "signing.key"
    path.unlink()
    write_new_key(path, new_key())
    return KeyFileSigner(path).key_id


def input_log(installation: "Installation") -> str:
    return hashlib.sha256((installation.folder / "data" / "telemetry.sqlite").read_bytes()).hexdigest()


def without_sig(labels: list[tuple[int, Label]]) -> list[tuple[int, Label]]:
    return [(seq, replace(label, sig=None)) for seq, label in labels]


async def filled(installation: "Installation") -> list[tuple[int, Label]]:
    """Serve with the first key until it has published labels and negations; return its stream."""
    async with installation.serving() as running:
        for number in range(LABELS):
            await running.label(f"did:plc:m{number}", "mail-throttled")
        for number in range(0, LABELS, 10):
            await running.label(f"did:plc:m{number}", negate=("mail-throttled",))
        before = await streamed(running, LABELS)
        old = await published_key(running)
        assert all(verify_label(label, old) for _, label in before)
    return before


@pytest.mark.row(84, 85, 86, 109)
async def test_after_a_change_of_key_everything_verifies_with_the_new_one(installation: "Installation") -> None:
    before = await filled(installation)
    untouched = input_log(installation)
    key_id = change_key(installation)
    new = PublicKey.from_did_key(key_id)
    async with installation.serving() as running:
        assert await published_key(running) == new
        at_once = await streamed(running, LABELS)
        assert all(verify_label(label, new) for _, label in at_once)
        assert without_sig(at_once) == without_sig(before), "seq, cts and the rest are unchanged"
        assert [label for _, label in at_once] == await queried(running)
        await running.label("did:plc:later", "mail-throttled")
        later = await streamed(running, LABELS + 1)
        assert verify_label(later[-1][1], new)
        async with asyncio.timeout(20):
            while await resigned(running) < LABELS:  # noqa: ASYNC110 - the service signs in its own time
                await asyncio.sleep(0.02)
        refused = labeler(installation, "resign")
        assert refused.returncode == 2
        assert "signs anew by itself" in refused.stderr
    done = labeler(installation, "resign", "--json")
    assert json.loads(done.stdout) == {"resigned": 0, "key": key_id}, "the service left nothing to do"
    assert untouched != input_log(installation), "the later label is a record of its own"


@pytest.mark.row(84, 86)
async def test_the_eager_command_signs_the_log_before_the_start(installation: "Installation") -> None:
    before = await filled(installation)
    untouched = input_log(installation)
    key_id = change_key(installation)
    new = PublicKey.from_did_key(key_id)
    done = labeler(installation, "resign", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"resigned": LABELS, "key": key_id})
    assert labeler(installation, "resign").stdout.startswith("0 labels signed anew")
    assert input_log(installation) == untouched
    replayed = labeler(installation, "replay", "--sign")
    printed = [Label.from_json(json.loads(line)) for line in replayed.stdout.splitlines()]
    assert len(printed) == LABELS + LABELS // 10
    assert all(verify_label(label, new) for label in printed)
    async with installation.serving() as running:
        after = await streamed(running, LABELS)
        assert await resigned(running) == 0
    assert all(verify_label(label, new) for _, label in after)
    assert without_sig(after) == without_sig(before)
    assert {label for _, label in after} <= set(printed), "what replay prints is what is served"


def test_without_labels_there_is_nothing_to_sign(installation: "Installation") -> None:
    refused = labeler(installation, "resign")
    assert refused.returncode == 2
    assert "no labeler has run here yet" in refused.stderr
