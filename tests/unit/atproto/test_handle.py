"""Handles: which are looked up, what names a DID, and who must claim what."""

import pytest

from labeler.atproto.handle import check_claimed, claimed_handle, did_of_body, did_of_records, normal_handle
from labeler.errors import BadInput

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
BOB = "did:web:bob.example.com"


def test_a_handle_is_looked_up_in_small_letters() -> None:
    assert normal_handle("JoHn.Example.COM") == "john.example.com"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "com",
            "john..com",
            ".john.com",
            "john.com.",
            "-john.com",
            "john.0",
            "jo_hn.com",
            "john.com/a",
            "@john.com",
        ),
        *("john.\u212aom", "jo\u00ebn.com", "john.com\n", "did:plc:abc"),
        *("john.alt", "a.arpa", "john.example", "john.internal", "a.invalid", "a.LOCAL", "a.localhost", "a.onion"),
        "john.test",
    ],
)
def test_what_is_never_looked_up(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        normal_handle(text)
    assert refused.value.name == "InvalidHandle"
    assert refused.value.message.isascii()


def test_the_domain_for_tests_is_one_in_a_trial() -> None:
    assert normal_handle("john.test", trial=True) == "john.test"


@pytest.mark.parametrize(
    ("texts", "did"),
    [
        ([], None),
        (["v=spf1 -all", "something else"], None),
        ([f"did={ALICE}"], ALICE),
        (["v=spf1 -all", f"did={ALICE} "], ALICE),
        ([f"did={ALICE}", f"did={ALICE}"], ALICE),
        ([f"did={ALICE}", "did=nonsense"], ALICE),
        (["did="], None),
        ([f"DID={ALICE}"], None),
        ([ALICE], None),
    ],
)
def test_records_name_one_did_or_none(texts: list[str], did: str | None) -> None:
    assert did_of_records(texts) == did


def test_records_that_disagree_name_none() -> None:
    with pytest.raises(BadInput, match="several DIDs"):
        did_of_records([f"did={ALICE}", f"did={BOB}"])


@pytest.mark.parametrize(
    ("raw", "did"),
    [
        (ALICE.encode(), ALICE),
        (f"  {ALICE}\r\n".encode(), ALICE),
        (b"", None),
        (b"<html>", None),
        (f"{ALICE}\n{BOB}".encode(), None),
        (f"did={ALICE}".encode(), None),
        (b"\xff", None),
    ],
)
def test_a_host_serves_a_did_and_nothing_else(raw: bytes, did: str | None) -> None:
    assert did_of_body(raw) == did


@pytest.mark.parametrize("claimed", [["at://alice.test"], ["at://Alice.TEST"], ["https://a", 1, "at://alice.test"]])
def test_a_document_claims_a_handle(claimed: object) -> None:
    check_claimed({"id": ALICE, "alsoKnownAs": claimed}, "alice.test")


@pytest.mark.parametrize(
    ("claimed", "instead"),
    [
        (None, "goes by no handle"),
        ("at://alice.test", "goes by no handle"),
        ([], "goes by no handle"),
        (["at://not a handle", "at://bob.test"], "goes by bob.test"),
        ([f"at://{ALICE}"], "goes by no handle"),
    ],
)
def test_a_document_that_claims_another_says_which(claimed: object, instead: str) -> None:
    with pytest.raises(BadInput, match=instead) as refused:
        check_claimed({"id": ALICE, "alsoKnownAs": claimed}, "alice.test")
    assert ALICE in refused.value.message


@pytest.mark.parametrize(
    ("claimed", "handle"),
    [
        (["https://alice.test", "at://Alice.TEST", "at://second.test"], "alice.test"),
        (["alice.test", 7], None),
        ("at://alice.test", None),
        (None, None),
    ],
)
def test_the_first_handle_claimed_is_the_one_it_goes_by(claimed: object, handle: str | None) -> None:
    assert claimed_handle({"id": ALICE, "alsoKnownAs": claimed}) == handle
