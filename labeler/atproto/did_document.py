"""The DID document of a labeler: what we publish, and what we read of others (label spec §Labeler Service Identity)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from labeler.atproto.curves import K256, P256, Curve
from labeler.atproto.keys import PublicKey
from labeler.atproto.syntax import check_did, is_public_name
from labeler.errors import BadInput

ACCOUNT_KEY: Final = "#atproto"
LABEL_KEY: Final = "#atproto_label"
LABELER_SERVICE: Final = "#atproto_labeler"

_ENDPOINT: Final = re.compile(r"(https?)://([a-zA-Z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?/?", re.ASCII)
_LOCALHOST_DID: Final = re.compile(r"did:web:localhost(?:%3[Aa]([1-9][0-9]{0,4}))?", re.ASCII)

# What held keys before Multikey: a bare point, its curve in the name (DID spec §Legacy Representation).
_LEGACY_TYPES: Final[Mapping[str, Curve]] = {
    "EcdsaSecp256k1VerificationKey2019": K256,
    "EcdsaSecp256r1VerificationKey2019": P256,
}


def labeler_document(did: str, public_key: PublicKey, endpoint: str) -> dict[str, Any]:
    """Return the did:web document of a labeler that is no account: one key, one service.

    The shape is the one deployed labelers serve: absolute id for the key, relative id for the service, an endpoint
    without trailing slash, because clients paste paths behind it. Raises `BadInput` on a bad DID or endpoint.
    """
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": check_did(did),
        "verificationMethod": [
            {
                "id": did + LABEL_KEY,
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": public_key.multikey,
            }
        ],
        "service": [
            {"id": LABELER_SERVICE, "type": "AtprotoLabeler", "serviceEndpoint": _origin(endpoint)},
        ],
    }


def label_key(document: object, did: str) -> PublicKey:
    """Return the key that signs the labels of `did`; raises `BadInput` if its document names none.

    Only `#atproto_label` counts: there is no falling back to the account's own key (label spec §Signatures). The first
    usable entry wins.
    """
    return _key(document, did, LABEL_KEY, {})


def account_key(document: object, did: str, kid: str = ACCOUNT_KEY) -> PublicKey:
    """Return the key `did` signs its service-auth tokens with; raises `BadInput` if its document names none.

    The first usable entry called `kid` whose controller is the account itself wins (DID spec §DID Documents); the
    legacy types are still read.
    """
    return _key(document, did, kid, _LEGACY_TYPES)


def labeler_endpoint(document: object, did: str) -> str:
    """Return the origin of the labeler service of `did`, without trailing slash; raises `BadInput` if there is none."""
    for entry in _entries(document, did, "service", LABELER_SERVICE):
        endpoint = entry.get("serviceEndpoint")
        if entry.get("type") == "AtprotoLabeler" and isinstance(endpoint, str):
            return _origin(endpoint)
    raise BadInput(f"the DID document names no {LABELER_SERVICE} service")


def did_web_url(did: str) -> str:
    """Return where the document of a did:web lies (DID spec §did:web); raises `BadInput`.

    A host name only: no path, no address, no port. The exception is `did:web:localhost%3A<port>`, for development,
    which is fetched over plain HTTP.
    """
    local = _LOCALHOST_DID.fullmatch(did)
    if local is not None:
        return f"http://localhost{_port(local.group(1))}/.well-known/did.json"
    host = check_did(did).removeprefix("did:web:")
    if host == did or not is_public_name(host):
        raise BadInput("not a did:web of a public host name")
    return f"https://{host}/.well-known/did.json"


def _key(document: object, did: str, fragment: str, legacy: Mapping[str, Curve]) -> PublicKey:
    for entry in _entries(document, did, "verificationMethod", fragment):
        kind, text = entry.get("type"), entry.get("publicKeyMultibase")
        if entry.get("controller") != did or not isinstance(kind, str) or not isinstance(text, str):
            continue
        with suppress(BadInput):  # an unreadable or unknown key is passed over
            if kind == "Multikey":
                return PublicKey.from_multikey(text)
            if kind in legacy:
                return PublicKey.from_legacy_multibase(text, legacy[kind])
    raise BadInput(f"the DID document names no usable {fragment} key")


def _entries(document: object, did: str, section: str, fragment: str) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of `section` called `fragment`, by relative or absolute id, of the document of `did`."""
    if not isinstance(document, Mapping) or document.get("id") != did:
        raise BadInput("the DID document is not of this DID")
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping) and entry.get("id") in (fragment, did + fragment):
            yield entry


def _origin(endpoint: str) -> str:
    """Check scheme, host and optional port, and nothing more (label spec §Labeler Service Identity)."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None:
        raise BadInput("the labeler endpoint is not scheme, host and optional port")
    scheme, host, port = match.groups()
    if host != "localhost" and (scheme != "https" or not is_public_name(host)):
        raise BadInput("the labeler endpoint is not https on a public host name (http only on localhost)")
    return f"{scheme}://{host}{_port(port)}"


def _port(digits: str | None) -> str:
    if digits is None:
        return ""
    if int(digits) > 65535:
        raise BadInput("no such port")
    return f":{digits}"
