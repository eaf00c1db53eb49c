"""What the tests of relay_hooks share: a key, makers of labels and events."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import pytest

from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, sign_label
from labeler.reputation.events import SendEvent

SRC = "did:web:labeler.test"
KEY = PrivateKey.from_hex("11" * 32)

MakeLabel = Callable[..., Label]
MakeEvent = Callable[..., SendEvent]


@pytest.fixture
def label() -> MakeLabel:
    """Return a maker of labels signed by KEY; keywords are fields of the label."""

    def make(uri: str = "did:plc:alice", val: str = "mail-throttled", *, key: PrivateKey = KEY, **fields: Any) -> Label:
        plain = Label(src=SRC, uri=uri, val=val, cts="2026-01-02T03:04:05.678Z")
        return sign_label(replace(plain, **fields), key)

    return make


@pytest.fixture
def event() -> MakeEvent:
    """Return a maker of events with ids e1, e2, …; keywords are fields of the event."""
    numbers = count(1)

    def make(**fields: Any) -> SendEvent:
        plain = SendEvent(
            id=f"e{next(numbers)}", kind="accepted", did="did:plc:alice", at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        )
        return msgspec.structs.replace(plain, **fields)

    return make
