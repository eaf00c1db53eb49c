"""Addresses become keyed hashes, and every spelling of one mailbox the same."""

import hashlib
import hmac

import pytest

from labeler.errors import Misconfigured
from relay_hooks.recipients import RecipientHasher, a_label, canonical

KEY = b"0123456789abcdef"


@pytest.fixture
def hasher() -> RecipientHasher:
    return RecipientHasher(KEY, "2026-01")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Alice@Example.COM", "alice@example.com"),
        ("<alice@example.com>", "alice@example.com"),
        (" alice@example.com. ", "alice@example.com"),
        ('"alice"@example.com', "alice@example.com"),
        (r'"al\ice"@example.com', "alice@example.com"),
        ('"al ice"@example.com', '"al ice"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("alice+news@example.com", "alice+news@example.com"),
        ("alice@BÜCHER.example", "alice@xn--bcher-kva.example"),
        ("e\u0301va@example.com", "\u00e9va@example.com"),
        ("alice@[192.0.2.1]", "alice@[192.0.2.1]"),
        ("Postmaster", "postmaster"),
        ("", ""),
    ],
)
def test_spellings_of_a_mailbox_come_to_one_form(written: str, meant: str) -> None:
    assert canonical(written) == meant
    assert canonical(meant) == meant


def test_the_hash_is_hmac_sha256_of_the_canonical_address(hasher: RecipientHasher) -> None:
    expected = hmac.new(KEY, b"alice@example.com", hashlib.sha256).hexdigest()[:32]
    assert hasher.recipient("ALICE@example.com") == expected


def test_the_exact_hash_keeps_the_local_part_as_written(hasher: RecipientHasher) -> None:
    assert hasher.exact("Alice@EXAMPLE.com") != hasher.exact("alice@example.com")
    assert hasher.exact("alice@EXAMPLE.com") == hasher.recipient("alice@example.com")


def test_another_key_gives_other_hashes(hasher: RecipientHasher) -> None:
    other = RecipientHasher(b"another key of 24 bytes.", "2026-02")
    assert other.recipient("alice@example.com") != hasher.recipient("alice@example.com")


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("alice@Example.com", "example.com"),
        ("alice@bücher.example", "xn--bcher-kva.example"),
        ("alice@_mail.example.com", "_mail.example.com"),
        ("alice@[192.0.2.1]", None),
        ("alice@a..b", None),
        ("alice@exa mple.com", None),
        ("alice@" + "a" * 64 + ".com", None),
        ("alice@" + ".".join(["a" * 60] * 5), None),
        ("alice@" + "ü" * 300 + ".com", None),
        ("alice", None),
        ("alice@", None),
    ],
)
def test_the_domain_is_an_a_label_or_nothing(hasher: RecipientHasher, address: str, domain: str | None) -> None:
    assert hasher.domain(address) == domain


def test_a_final_newline_is_no_part_of_a_domain() -> None:
    assert a_label("example.com\n") == "example.com"
    assert a_label("example.com\nx") is None


@pytest.mark.parametrize("text", ["\udcff@example.com", "a@\udcff", "\ud800", "@@@", "a" * 100_000, "\0@\0"])
def test_nothing_a_client_sends_makes_hashing_fail(hasher: RecipientHasher, text: str) -> None:
    assert len(hasher.recipient(text)) == len(hasher.exact(text)) == 32
    hasher.domain(text)


def test_clients_of_one_network_share_a_hash(hasher: RecipientHasher) -> None:
    assert hasher.client("192.0.2.1") == hasher.client("192.0.2.254") == hasher.client("::ffff:192.0.2.7")
    assert hasher.client("192.0.2.1") != hasher.client("192.0.3.1")
    assert hasher.client("2001:db8:1::1") == hasher.client("2001:db8:1:ffff::2") != hasher.client("2001:db8:2::1")
    assert hasher.client("/run/socket") is None


def test_a_key_that_could_be_searched_is_refused_and_none_is_shown(hasher: RecipientHasher) -> None:
    with pytest.raises(Misconfigured, match="at least 16"):
        RecipientHasher(b"short", "k")
    with pytest.raises(Misconfigured, match="1 to 64"):
        RecipientHasher(KEY, "")
    assert KEY.decode() not in repr(hasher)
