"""DID documents: the one we publish, and the key and endpoint we read from others."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from labeler.atproto.did_document import account_key, did_web_url, label_key, labeler_document, labeler_endpoint
from labeler.atproto.keys import PrivateKey, PublicKey
from labeler.errors import BadInput

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "dids.json").read_text())
DOCUMENTS: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in FILE["documents"]}
DID = "did:web:labeler.example.com"
KEY = PrivateKey.from_hex("06" * 32).public_key
P256_MULTIKEY = "zDnaeRznHEPgvCiynshGmtW3jcxNK3GW83Mie1D3E2ERMptpG"


def document(**changes: Any) -> dict[str, Any]:
    return labeler_document(DID, KEY, "https://labeler.example.com") | changes


def method(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = document()["verificationMethod"][0]
    return entry | changes


def service(**changes: Any) -> dict[str, Any]:
    entry: dict[str, Any] = document()["service"][0]
    return entry | changes


@pytest.mark.row(222, 227)
def test_our_document_has_the_shape_deployed_labelers_serve() -> None:
    """Rows 222 and 227: one key with an absolute id, one service with a relative one, nothing else."""
    entry = DOCUMENTS["didweb-ozone-shape"]
    key = PublicKey.from_did_key(entry["expect"]["labelKey"])
    assert labeler_document(DID, key, "https://labeler.example.com") == entry["doc"]


def test_our_document_reads_back() -> None:
    made = labeler_document("did:web:localhost%3A8080", KEY, "http://localhost:8080/")
    assert label_key(made, "did:web:localhost%3A8080") == KEY
    assert labeler_endpoint(made, "did:web:localhost%3A8080") == "http://localhost:8080"
    assert made["service"][0]["serviceEndpoint"] == "http://localhost:8080"


def test_no_document_is_made_for_a_bad_did_or_endpoint() -> None:
    with pytest.raises(BadInput, match="DID"):
        labeler_document("labeler.example.com", KEY, "https://labeler.example.com")
    with pytest.raises(BadInput, match="endpoint"):
        labeler_document(DID, KEY, "https://labeler.example.com/xrpc")


@pytest.mark.parametrize("name", [name for name, entry in DOCUMENTS.items() if "labelKey" in entry["expect"]])
@pytest.mark.row(53, 54, 225, 235)
def test_the_label_key_of_the_vectors(name: str) -> None:
    """Rows 53, 222 and 225: only `#atproto_label`, first usable entry, our controller."""
    entry = DOCUMENTS[name]
    if entry["expect"]["labelKey"] is None:
        with pytest.raises(BadInput, match="atproto_label"):
            label_key(entry["doc"], DID)
    else:
        assert label_key(entry["doc"], DID).did_key == entry["expect"]["labelKey"]


@pytest.mark.parametrize("name", [name for name, entry in DOCUMENTS.items() if "labelerEndpoint" in entry["expect"]])
@pytest.mark.row(223)
def test_the_endpoint_of_the_vectors(name: str) -> None:
    """Rows 223 and 224; a trailing slash is taken off, because paths are pasted behind the endpoint."""
    entry = DOCUMENTS[name]
    if entry["expect"]["labelerEndpoint"] is None:
        with pytest.raises(BadInput, match=r"endpoint|service"):
            labeler_endpoint(entry["doc"], DID)
    else:
        assert labeler_endpoint(entry["doc"], DID) == entry["expect"]["labelerEndpoint"].removesuffix("/")


def test_every_document_of_the_vectors_is_read() -> None:
    expectations = [set(entry["expect"]) for entry in DOCUMENTS.values()]
    assert (len(expectations), sum("labelKey" in keys for keys in expectations)) == (12, 6)
    assert sum("labelerEndpoint" in keys for keys in expectations) == 8
    assert sum(keys == {"error"} for keys in expectations) == 1


@pytest.mark.parametrize("read", [label_key, labeler_endpoint])
@pytest.mark.parametrize("other", [None, [], "doc", {}, {"id": None}, {"id": DID + "."}, {"id": "did:web:x.example"}])
@pytest.mark.row(225)
def test_a_document_of_somebody_else_is_refused(read: Callable[[object, str], object], other: object) -> None:
    """Row 225: its `id` is the DID that was resolved, or it counts for nothing."""
    with pytest.raises(BadInput, match="not of this DID"):
        read(other, DID)
    with pytest.raises(BadInput, match="not of this DID"):
        read(DOCUMENTS["wrong-id"]["doc"], DID)


@pytest.mark.row(230, 235)
def test_the_documents_of_the_plc_directory() -> None:
    """Rows 230, 231 and 235: before, with and after a change of the label key (to the other curve)."""
    did = FILE["plc"]["did"]
    before, labeler, rotated = FILE["plc"]["didDocuments"]
    with pytest.raises(BadInput, match="names no usable"):
        label_key(before, did)
    with pytest.raises(BadInput, match="names no"):
        labeler_endpoint(before, did)
    assert label_key(labeler, did).did_key == "did:key:zQ3shcuUu375YycnBiTryNWG8rTYsHWnhxszoDKiA3bo1uL4Q"
    assert labeler_endpoint(labeler, did) == "https://labeler.example.com"
    assert label_key(rotated, did).did_key == f"did:key:{P256_MULTIKEY}"
    assert labeler_endpoint(rotated, did) == "https://labeler.example.com"
    for document in (before, labeler, rotated):
        assert account_key(document, did).did_key == "did:key:zQ3shqC7Gs3duMZVYWoEnzrpJZeshykPPRDT2mc15QsKXrrTF"


@pytest.mark.row(54)
def test_the_label_key_may_be_the_account_s_own() -> None:
    """One key under both names is a label key as good as any."""
    both = [method(id=f"{DID}#atproto"), method()]
    assert label_key(document(verificationMethod=both), DID) == KEY


@pytest.mark.parametrize("methods", [None, {}, "key", [], [None, "x", 1], [method(id=DID + "#atproto")]], ids=str)
@pytest.mark.row(53)
def test_a_document_without_a_label_key(methods: object) -> None:
    with pytest.raises(BadInput, match="atproto_label"):
        label_key(document(verificationMethod=methods), DID)


@pytest.mark.parametrize(
    "unusable",
    [
        method(type="EcdsaSecp256k1VerificationKey2019"),
        method(controller="did:web:evil.example.com"),
        method(controller=None),
        method(publicKeyMultibase=None),
        method(publicKeyMultibase="zQ3sh"),
        method(publicKeyMultibase="z6DtSUTWLNAuqqJU8tSY53Ymi4zt7cJyvsEJBT9LpRXC1u6C"),
        method(id="atproto_label"),
        method(id="did:web:evil.example.com#atproto_label"),
        method(id="#atproto_label2"),
    ],
    ids=str,
)
def test_the_first_usable_entry_wins(unusable: dict[str, Any]) -> None:
    """Row 53: what cannot be used is passed over; alone, it is no key."""
    assert label_key(document(verificationMethod=[unusable, method(id="#atproto_label")]), DID) == KEY
    with pytest.raises(BadInput, match="atproto_label"):
        label_key(document(verificationMethod=[unusable]), DID)


def test_a_key_of_the_other_curve_is_the_key_and_not_passed_over() -> None:
    """Others verify with the first entry; taking the second would part us from them."""
    entries = [method(publicKeyMultibase=P256_MULTIKEY), method()]
    assert label_key(document(verificationMethod=entries), DID).multikey == P256_MULTIKEY
    assert label_key(document(verificationMethod=entries[::-1]), DID) == KEY


JWTS = json.loads((Path(__file__).parents[2] / "vectors" / "jwts.json").read_text())


@pytest.mark.row(207, 208)
def test_the_account_key_of_the_vectors() -> None:
    """The issuers of the token vectors: by absolute and relative id, in the older form, or not at all."""
    keys = {
        key["note"].split(" of ")[-1]: key["didKey"] for key in JWTS["keys"] if "#atproto of" in key.get("note", "")
    }
    usable = dict.fromkeys(JWTS["didDocs"])
    for did, found in JWTS["didDocs"].items():
        with suppress(BadInput):
            usable[did] = account_key(found, did).did_key
    legacy = usable.pop("did:plc:legacyaaaaaaaaaaaaaaaaaa")
    assert legacy == keys["did:plc:modaaaaaaaaaaaaaaaaaaaaa"]
    assert {did for did, key in usable.items() if key is None} == {
        "did:plc:nokeyaaaaaaaaaaaaaaaaaaa",
        "did:plc:wrongctrlaaaaaaaaaaaaaaa",
    }
    for did in ("did:plc:modaaaaaaaaaaaaaaaaaaaaa", "did:web:mod.example.com"):
        assert usable[did] == keys[did]
    full = DOCUMENTS["didweb-full-account"]
    assert account_key(full["doc"], DID).did_key == full["expect"]["atprotoKey"]


def account(**changes: Any) -> dict[str, Any]:
    return method(id="#atproto") | changes


@pytest.mark.row(207)
@pytest.mark.parametrize(
    "unusable",
    [
        account(type="JsonWebKey2020"),
        account(type=None),
        account(controller="did:web:evil.example.com"),
        account(publicKeyMultibase=[KEY.multikey]),
        account(publicKeyMultibase="zQ3sh"),
        account(type="EcdsaSecp256k1VerificationKey2019"),  # a multikey is no bare point
        account(id="#atproto_label"),
        account(id="did:web:evil.example.com#atproto"),
        account(id="x#atproto"),
    ],
    ids=str,
)
def test_the_first_usable_account_key_wins(unusable: dict[str, Any]) -> None:
    p256 = account(publicKeyMultibase=P256_MULTIKEY, id=DID + "#atproto")
    assert account_key(document(verificationMethod=[unusable, p256, account()]), DID).multikey == P256_MULTIKEY
    with pytest.raises(BadInput, match="no usable #atproto key"):
        account_key(document(verificationMethod=[unusable]), DID)


@pytest.mark.row(194)
def test_another_key_of_the_account_is_found_by_its_fragment() -> None:
    assert account_key(document(), DID, "#atproto_label") == KEY
    with pytest.raises(BadInput, match="no usable #other key"):
        account_key(document(), DID, "#other")


@pytest.mark.row(208)
@pytest.mark.parametrize("key", JWTS["keys"], ids=lambda key: key["id"])
def test_the_older_types_are_read_for_accounts_only(key: dict[str, Any]) -> None:
    """The curve is in the name of the type, so the wrong name reads nothing. Labelers came after these types."""
    names = ["EcdsaSecp256k1VerificationKey2019", "EcdsaSecp256r1VerificationKey2019"]
    right, wrong = names if key["curve"] == "k256" else names[::-1]
    entry = account(type=right, publicKeyMultibase=key["legacyMultibaseUncompressed"])
    assert account_key(document(verificationMethod=[entry]), DID).did_key == key["didKey"]
    for bad in (entry | {"type": wrong}, entry | {"type": "Multikey"}):
        with pytest.raises(BadInput, match="no usable"):
            account_key(document(verificationMethod=[bad]), DID)
    with pytest.raises(BadInput, match="no usable"):
        label_key(document(verificationMethod=[entry | {"id": "#atproto_label"}]), DID)


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://labeler.example.com", "https://labeler.example.com"),
        ("https://labeler.example.com/", "https://labeler.example.com"),
        ("https://labeler.example.com:8443", "https://labeler.example.com:8443"),
        ("https://localhost", "https://localhost"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:65535/", "http://localhost:65535"),
    ],
)
@pytest.mark.row(223, 224)
def test_an_endpoint_is_scheme_host_and_optional_port(endpoint: str, origin: str) -> None:
    """Row 223; plain HTTP only on localhost."""
    assert labeler_endpoint(document(service=[service(serviceEndpoint=endpoint)]), DID) == origin


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        {"uri": "https://labeler.example.com"},
        "",
        "labeler.example.com",
        "https://",
        "https:///x",
        "http://labeler.example.com",
        "wss://labeler.example.com",
        "HTTPS://labeler.example.com",
        "https://labeler.example.com/xrpc",
        "https://labeler.example.com//",
        "https://labeler.example.com?x=1",
        "https://labeler.example.com#x",
        "https://user@labeler.example.com",
        "https://labeler.example.com:0",
        "https://labeler.example.com:65536",
        "https://labeler.example.com:",
        "https://labeler.example.com\n",
        "https://labeler..example.com",
        "https://labeler",
        "https://127.0.0.1",
        "https://[::1]",
        "https://labeler.local",
        "https://labeler.internal",
        "http://localhost.example.com",
    ],
    ids=ascii,
)
@pytest.mark.row(223)
def test_an_endpoint_of_another_shape_is_refused(endpoint: object) -> None:
    """Row 223: no path, userinfo or query; no address, no name without public meaning."""
    with pytest.raises(BadInput, match=r"endpoint|service|port"):
        labeler_endpoint(document(service=[service(serviceEndpoint=endpoint)]), DID)


@pytest.mark.parametrize(
    ("did", "url"),
    [
        ("did:web:labeler.example.com", "https://labeler.example.com/.well-known/did.json"),
        ("did:web:a-b.test", "https://a-b.test/.well-known/did.json"),
        ("did:web:localhost", "http://localhost/.well-known/did.json"),
        ("did:web:localhost%3A8080", "http://localhost:8080/.well-known/did.json"),
        ("did:web:localhost%3a8080", "http://localhost:8080/.well-known/did.json"),
    ],
)
@pytest.mark.row(226)
def test_where_a_did_web_document_lies(did: str, url: str) -> None:
    """Row 226: under the host name; plain HTTP only on localhost."""
    assert did_web_url(did) == url


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:web:",
        "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        "labeler.example.com",
        "did:web:labeler.example.com:path",
        "did:web:labeler.example.com%3A8080",
        "did:web:labeler.example.com%2Fpath",
        "did:web:localhost:8080",
        "did:web:localhost%3A0",
        "did:web:localhost%3A65536",
        "did:web:localhost%3A8080:path",
        "did:web:localhost%3A8080\n",
        "did:web:127.0.0.1",
        "did:web:192.168.1.1",
        "did:web:0x7f000001",
        "did:web:labeler",
        "did:web:labeler.example",
        "did:web:labeler.LOCAL",
        "did:web:labeler.localhost",
        "did:web:labeler.onion",
        "did:web:-labeler.example.com",
        "did:web:labeler_1.example.com",
        "did:web:" + "a." * 126 + "example.com",
        "did:web:labeler.example.com#atproto_label",
    ],
    ids=ascii,
)
@pytest.mark.row(226)
def test_other_did_webs_are_refused(did: str) -> None:
    """Row 226: no path, no port but on localhost, no address, no reserved name."""
    with pytest.raises(BadInput):
        did_web_url(did)
