"""Handles: names that accounts go by, and what must hold for one to mean a DID (handle spec §Handle Resolution).

A name says which DID it stands for, and the document of that DID must say the name in return. Either alone proves
nothing: whoever owns a name can point it at anybody, and whoever owns a DID can claim any name.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from labeler.atproto.syntax import is_did, is_handle, is_public_name
from labeler.errors import BadInput

NO_HANDLE: Final = "HandleNotFound"  # as com.atproto.identity.resolveHandle calls it
TRIAL_TLD: Final = ".test"  # for development only (handle spec §Additional Non-Syntax Restrictions)
TXT_LABEL: Final = "_atproto"
WELL_KNOWN: Final = "/.well-known/atproto-did"
MAX_BODY_BYTES: Final = 4096  # twice the longest DID

_TXT_PREFIX: Final = "did="
_URI: Final = "at://"


def normal_handle(text: str, *, trial: bool = False) -> str:
    """Return the handle in lower case, as it is looked up and compared; raises `BadInput` for what is never looked up.

    That is what is no handle, and names under reserved domains; `.test` is a domain in a `trial` only.
    """
    if not is_handle(text):  # before letters of other scripts become small ones of ours
        raise BadInput(f"not a handle: {text[:64]!a}", name="InvalidHandle")
    handle = text.lower()
    if not is_public_name(handle) or (handle.endswith(TRIAL_TLD) and not trial):
        raise BadInput(f"{handle} lies under a domain that handles are not resolved in", name="InvalidHandle")
    return handle


def did_of_records(texts: Iterable[str]) -> str | None:
    """The DID that the TXT records at `_atproto.<handle>` name, None if none does; raises `BadInput` if they disagree.

    Records of another shape are somebody else's business (handle spec §DNS TXT Method).
    """
    named = {text.removeprefix(_TXT_PREFIX).strip() for text in texts if text.startswith(_TXT_PREFIX)}
    dids = {did for did in named if is_did(did)}
    if len(dids) > 1:
        raise BadInput("its DNS records name several DIDs", name="InvalidHandle")
    return next(iter(dids), None)


def did_of_body(raw: bytes) -> str | None:
    """The DID that is the whole of what a host serves at `WELL_KNOWN`, None if that is something else."""
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    return text if is_did(text) else None


def claimed_handle(document: Mapping[str, object]) -> str | None:
    """The handle that a DID document claims first, in lower case; None when it claims none. Claimed is not held."""
    return next((name for name in map(_handle_in, _claims(document)) if name is not None), None)


def check_claimed(document: Mapping[str, object], handle: str) -> None:
    """Check that the DID document of whom `handle` leads to claims it; raises `BadInput`. Letters of any case count."""
    if f"{_URI}{handle}" in (claim.lower() for claim in _claims(document)):
        return
    goes_by = claimed_handle(document)
    instead = f"goes by {goes_by}" if goes_by is not None else "goes by no handle"
    raise BadInput(
        f"{handle} leads to {document.get('id')}, which does not claim it: that account {instead}", name="InvalidHandle"
    )


def _claims(document: Mapping[str, object]) -> list[str]:
    known = document.get("alsoKnownAs")
    return [name for name in known if isinstance(name, str)] if isinstance(known, list) else []


def _handle_in(claim: str) -> str | None:
    name = claim.removeprefix(_URI)
    return name.lower() if claim != name and is_handle(name) else None
