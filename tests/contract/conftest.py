"""What the contract suites share: keys, labels on their way into a log, and the label logs there are."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from labeler.adapters.memory import MemoryLabelLog
from labeler.adapters.sqlite import SqliteLabelLog
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.ports import Entry, LabelLog

KEY = PrivateKey.from_hex("11" * 32)

MakeEntry = Callable[..., Entry]
OpenLog = Callable[[], AbstractAsyncContextManager[LabelLog]]


class NewKey:
    """The signer after a rotation."""

    key = PrivateKey.from_hex("44" * 32)
    key_id = key.public_key.did_key

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)


@pytest.fixture
def entry() -> MakeEntry:
    """Return a maker of signed entries; keywords are fields of the label, `evidence` the record behind it."""

    def make(
        uri: str = "did:plc:alice", val: str = "mail-throttled", *, evidence: bytes = b"", **fields: object
    ) -> Entry:
        label = Label(src="did:web:labeler.example.com", uri=uri, val=val, cts="2026-01-02T03:04:05.678Z")
        signed = sign_label(replace(label, **fields), KEY)  # type: ignore[arg-type]
        return Entry(signed, KEY.public_key.did_key, evidence or uri.encode(), "bafyevidence", "rule:test", "because")

    return make


@pytest.fixture(params=["memory", "sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> OpenLog:
    """Return what opens the label log under test; opening it again finds what was written."""
    if request.param == "sqlite":
        return lambda: SqliteLabelLog(tmp_path / "labels.sqlite")
    log = MemoryLabelLog()
    return lambda: log
