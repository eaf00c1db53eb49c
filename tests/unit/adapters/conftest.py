"""What the adapter tests share: a maker of label log entries."""

from collections.abc import Callable

import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.ports import Entry

KEY = PrivateKey.from_hex("22" * 32)


@pytest.fixture
def entry() -> Callable[..., Entry]:
    """Return a maker of signed entries."""

    def make(uri: str = "did:plc:alice", neg: bool | None = None, evidence: bytes = b"evidence") -> Entry:
        label = Label("did:web:l.example", uri, "mail-throttled", "2026-01-02T03:04:05.678Z", neg=neg)
        return Entry(sign_label(label, KEY), KEY.public_key.did_key, evidence, "bafyevidence", "rule:test", "because")

    return make
