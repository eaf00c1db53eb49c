"""The string formats of the protocol: DIDs, NSIDs, URIs, datetimes, CIDs, label values.

`is_…` answers a question, `check_…` hands the string back or raises `BadInput`, and neither ever changes a string:
what was signed must be served letter for letter. Every pattern is matched whole and in ASCII, so that a trailing
newline or a digit of another script cannot slip in.
"""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from labeler.errors import BadInput

MAX_DID_CHARS: Final = 2048  # DID spec §DID Identifier Syntax
MAX_URI_BYTES: Final = 8192  # lexicon spec §uri
MAX_VALUE_BYTES: Final = 128  # label spec §Schema; bytes of UTF-8, not characters
MAX_DATETIME_CHARS: Final = 64  # as other implementations bound it; the lexicon spec gives no limit

# The blessed CIDs (data model spec §Link and CID Formats): version 1, codec, sha-256, 32 bytes of digest follow.
CID_DRISL_SHA256: Final = b"\x01\x71\x12\x20"
CID_RAW_SHA256: Final = b"\x01\x55\x12\x20"
CID_HEADS: Final = frozenset({CID_DRISL_SHA256, CID_RAW_SHA256})

# Names that lead nowhere public (handle spec §Additional Non-Syntax Restrictions; did:web takes the same list).
RESERVED_TLDS: Final = frozenset({"alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"})

_DID = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]", re.ASCII)
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HANDLE = re.compile(rf"(?:{_LABEL}\.)+[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?", re.ASCII)
_NSID = re.compile(
    rf"[a-zA-Z](?:[a-zA-Z0-9-]{{0,61}}[a-zA-Z0-9])?(?:\.{_LABEL})+\.[a-zA-Z][a-zA-Z0-9]{{0,62}}", re.ASCII
)
_RECORD_KEY = re.compile(r"[a-zA-Z0-9._:~-]{1,512}", re.ASCII)
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,80}:(?://)?[!-.0-~][!-~]*", re.ASCII)
_OWN_VALUE = re.compile(r"[a-z](?:[a-z-]{0,98}[a-z])?", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,20}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_CID_CHARS: Final = 59  # "b" and 36 bytes in base32


def is_did(text: str) -> bool:
    """Tell whether `text` is a DID without fragment or query (DID spec §DID Identifier Syntax)."""
    return len(text) <= MAX_DID_CHARS and _DID.fullmatch(text) is not None


def check_did(text: str) -> str:
    """Return `text` if it is a DID, else raise `BadInput`."""
    if not is_did(text):
        raise BadInput(f"not a DID: {_shown(text)}")
    return text


def is_handle(text: str) -> bool:
    """Tell whether `text` is a handle: a domain name of at least two labels (handle spec §Handle Identifier Syntax)."""
    return len(text) <= 253 and _HANDLE.fullmatch(text) is not None


def is_public_name(text: str) -> bool:
    """Tell whether `text` is a domain name of at least two labels that may lead somewhere public."""
    return is_handle(text) and text.rpartition(".")[2].lower() not in RESERVED_TLDS


def is_nsid(text: str) -> bool:
    """Tell whether `text` is a namespaced identifier such as `com.atproto.label.defs` (NSID spec §NSID Syntax)."""
    return len(text) <= 317 and _NSID.fullmatch(text) is not None


def is_record_key(text: str) -> bool:
    """Tell whether `text` may name a record in a collection (record-key spec §Record Key Syntax)."""
    return _RECORD_KEY.fullmatch(text) is not None and text not in {".", ".."}


def is_uri(text: str) -> bool:
    """Tell whether `text` is a URI in the sense of RFC 3986: ASCII, a scheme, no white space, at most 8 KiB.

    Letters outside ASCII are refused, as RFC 3986 does and the Go implementation with it. What we publish ourselves,
    bare DIDs and at-uris, passes everywhere.
    """
    return len(text) <= MAX_URI_BYTES and _URI.fullmatch(text) is not None


def check_uri(text: str) -> str:
    """Return `text` if it is a URI, else raise `BadInput`."""
    if not is_uri(text):
        raise BadInput(f"not a URI: {_shown(text)}")
    return text


def is_at_uri(text: str) -> bool:
    """Tell whether `text` is an at-uri as lexicons have it: DID or handle, then perhaps collection and record key."""
    if not text.startswith("at://") or len(text) > MAX_URI_BYTES:
        return False
    authority, *path = text[5:].split("/")
    if len(path) > 2 or not (is_did(authority) or is_handle(authority)):
        return False
    return (not path or is_nsid(path[0])) and (len(path) < 2 or is_record_key(path[1]))


def check_at_uri(text: str) -> str:
    """Return `text` if it names one record durably: `at://<did>/<nsid>/<rkey>`, else raise `BadInput`.

    A handle as authority is refused: it may belong to somebody else tomorrow (at-uri spec §Restricted AT URI Syntax).
    """
    if not is_at_uri(text) or not text.startswith("at://did:") or text.count("/") != 4:
        raise BadInput(f"not the at-uri of a record, at://<did>/<collection>/<rkey>: {_shown(text)}")
    return text


def is_cid(text: str) -> bool:
    """Tell whether `text` is a CID of the blessed kind: version 1, base32, DRISL or raw, SHA-256 (data model §Link)."""
    if len(text) != _CID_CHARS or text[0] != "b" or text != text.lower():
        return False
    try:
        raw = base64.b32decode(text[1:].upper() + "======")
    except (binascii.Error, ValueError):
        return False
    return raw[:4] in CID_HEADS and _base32(raw) == text[1:]


def cid_text(raw: bytes) -> str:
    """Write the bytes of a CID (without the leading zero of a CBOR link) as text."""
    return "b" + _base32(raw)


def is_label_value(text: str) -> bool:
    """Tell whether `text` may be the `val` of a label we receive: 1 to 128 bytes of UTF-8 (label spec §Schema)."""
    try:
        return 1 <= len(text.encode()) <= MAX_VALUE_BYTES
    except UnicodeEncodeError:  # a lone surrogate is no Unicode text
        return False


def check_own_value(text: str) -> str:
    """Return `text` if we may publish it as `val`: a-z with inner hyphens, at most 100 letters; else raise `BadInput`.

    Clients look up a custom definition only for `[a-z-]+`, and its identifier has room for 100 bytes. Values with `!`
    have effects of their own in clients; this service never issues one.
    """
    if _OWN_VALUE.fullmatch(text) is None:
        raise BadInput(f"not a label value we may publish (a-z and inner hyphens): {_shown(text)}")
    return text


def is_datetime(text: str) -> bool:
    """Tell whether `parse_datetime` would take `text`."""
    try:
        parse_datetime(text)
    except BadInput:
        return False
    return True


def parse_datetime(text: str) -> datetime:
    """Return the instant `text` names, aware UTC, or raise `BadInput` (lexicon spec §datetime).

    Digits beyond microseconds are dropped. Instants Python cannot hold (year 0, or past 9999 by offset) come back as
    the nearest one it can; anything before year 0 is refused. Second 60 is refused, as the other implementations do.
    """
    match = _DATETIME.fullmatch(text) if len(text) <= MAX_DATETIME_CHARS else None
    if match is None:
        raise BadInput(f"not a datetime: {_shown(text)}")
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    fraction, sign, offset_hour, offset_minute = match.group(7, 8, 9, 10)
    micro = int((fraction or "")[:6].ljust(6, "0"))
    offset = timedelta(0)
    if sign:
        if int(offset_hour) > 23 or int(offset_minute) > 59 or (sign, offset_hour, offset_minute) == ("-", "00", "00"):
            raise BadInput(f"not a datetime, its offset is no offset: {_shown(text)}")
        offset = timedelta(hours=int(offset_hour), minutes=int(offset_minute)) * (1 if sign == "+" else -1)
    try:  # year 0 was a leap year as 2000 was, and the calendar repeats after 400 years
        local = datetime(year or 2000, month, day, hour, minute, second, micro, tzinfo=UTC)
    except ValueError as error:
        raise BadInput(f"not a datetime, {error}: {_shown(text)}") from None
    if year == 0:
        return _in_year_zero(local - offset, text)
    try:
        return local - offset
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if year == 9999 else datetime.min.replace(tzinfo=UTC)


def _in_year_zero(shifted: datetime, text: str) -> datetime:
    """Place an instant of year 0, handed in 2000 years late: the first instant of year 1, unless an offset moved it."""
    if shifted.year < 2000:
        raise BadInput(f"not a datetime, it lies before year 0: {_shown(text)}")
    return shifted.replace(year=1) if shifted.year > 2000 else datetime.min.replace(tzinfo=UTC)


def format_datetime(moment: datetime) -> str:
    """Write an aware datetime as `YYYY-MM-DDTHH:MM:SS.mmmZ`, the only form we emit; finer digits are cut off."""
    utc = moment.astimezone(UTC)
    return f"{utc:%m-%dT%H:%M:%S}".join((f"{utc.year:04d}-", f".{utc.microsecond // 1000:03d}Z"))


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def _shown(text: str) -> str:
    """Quote somebody else's string for an error message: ASCII only, and not all of it."""
    return ascii(text if len(text) <= 64 else text[:64] + "…")
