"""Entries, their canonical bytes, and the chain over them."""

import hashlib
from typing import Any

import pytest

from labeler.atproto import cbor
from labeler.atproto.label import Label
from labeler.errors import BadInput, Corrupt
from labeler.moderation.audit import (
    GENESIS,
    AuditEntry,
    Head,
    Link,
    Unchained,
    begin_entry,
    chained,
    head_of,
    label_entry,
    parse_pin,
)

ENTRY = AuditEntry("override", "2026-03-02T12:00:00.000Z", "did:plc:a", "did:plc:admin", {"position": 7, "caps": [1]})
LABEL = Label("did:web:l.example", "did:plc:a", "mail-throttled", "2026-01-02T03:04:05Z")
EMPTY = Head(0, GENESIS, "")


def test_an_entry_comes_back_from_its_bytes() -> None:
    assert AuditEntry.from_bytes(ENTRY.to_bytes()) == ENTRY
    assert cbor.decode(ENTRY.to_bytes()) == ENTRY._asdict()


def test_the_bytes_are_for_ever() -> None:
    """Whoever noted a hash down must find it again with every later version."""
    assert hashlib.sha256(ENTRY.to_bytes()).hexdigest() == (
        "33001e3c5b4656ceec91735dd76faf29a5617b4ddeb7e8546197d08188a6180c"
    )
    assert label_entry(3, LABEL, "velocity", "because", "bafy").body["sha256"] == (
        "708018c580344ed0ae424b435a4c7b705e9a64d7d65e390b16514a54f508b8bc"
    )


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        ENTRY._asdict() | {"more": 1},
        ENTRY._asdict() | {"at": 1},
        ENTRY._asdict() | {"body": "text"},
    ],
)
def test_what_is_no_entry_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        AuditEntry.from_bytes(cbor.encode(value))


def test_each_hash_is_over_the_one_before_and_the_bytes() -> None:
    first, second = chained(EMPTY, [ENTRY, ENTRY._replace(actor="did:plc:b")])
    assert (first.n, second.n) == (1, 2)
    assert first.hash == hashlib.sha256(bytes(32) + first.raw).digest()
    assert second.hash == hashlib.sha256(first.hash + second.raw).digest()
    assert (first.about, first.entry) == ("did:plc:a", ENTRY)
    assert chained(head_of(first), [second.entry]) == [second]


def test_the_head_is_the_newest_link_and_names_it() -> None:
    assert head_of(None) == EMPTY
    (link,) = chained(EMPTY, [ENTRY])
    head = head_of(link)
    assert head == Head(1, link.hash, ENTRY.at)
    assert parse_pin(f"{head}\n") == (1, link.hash)
    assert cbor.decode(head.to_bytes("did:web:l.example")) == {
        "ver": 1, "src": "did:web:l.example", "n": 1, "hash": link.hash.hex(), "at": ENTRY.at,
    }  # fmt: skip


def test_a_link_that_cannot_be_read_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="audit entry 5"):
        _ = Link(5, "", b"\xff", GENESIS).entry


def test_a_begin_says_what_is_older() -> None:
    body = begin_entry("2026-03-02T12:00:00.000Z", 4, 9, Unchained(4, b"\x01" * 32)).body
    assert body == {"ver": 1, "seq": 4, "checkpoint": 9, "rows": 4, "rowsSha256": "01" * 32}


def test_a_label_is_noted_by_what_was_signed_and_not_by_its_signature() -> None:
    entry = label_entry(3, LABEL, "velocity", "because", "bafy")
    assert (entry.kind, entry.at, entry.about, entry.actor) == ("label", LABEL.cts, LABEL.uri, "velocity")
    assert entry.body == {
        "seq": 3, "src": LABEL.src, "val": "mail-throttled", "reason": "because", "evidence": "bafy",
        "sha256": hashlib.sha256(LABEL.unsigned_bytes()).hexdigest(),
    }  # fmt: skip
    cid = cbor.cid_of(b"\xa0")
    other = Label(LABEL.src, LABEL.uri, LABEL.val, LABEL.cts, cid=cid, neg=True, exp=LABEL.cts, sig=b"s" * 64)
    body = label_entry(4, other, "velocity", "because", "bafy").body
    assert (body["cid"], body["neg"], body["exp"]) == (cid, True, LABEL.cts)


@pytest.mark.parametrize("text", ["", "1", "1:", "x:" + "0" * 64, "-1:" + "0" * 64, "1:" + "g" * 64, "1:" + "0" * 63])
def test_what_is_no_pin_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is no pin"):
        parse_pin(text)
