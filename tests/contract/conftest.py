"""What the contract suites share: a key, and labels on their way into a log."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.ports import Entry

KEY = PrivateKey.from_hex("11" * 32)

MakeEntry = Callable[..., Entry]


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
