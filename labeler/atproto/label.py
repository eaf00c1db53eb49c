"""The label: nine fields, their canonical bytes, and the signature over them (label spec §Schema, §Signatures)."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol, Self

from labeler.atproto import cbor
from labeler.atproto.keys import PublicKey
from labeler.atproto.syntax import check_did, check_uri, is_cid, is_label_value, parse_datetime
from labeler.errors import BadInput

VERSION: Final = 1
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


class Signs(Protocol):
    """Anything that signs: a `PrivateKey`, a key in another process."""

    def sign(self, data: bytes) -> bytes:
        """Sign SHA-256 of `data`: r‖s, 64 bytes, low-S."""
        ...


@dataclass(frozen=True, slots=True)
class Label:
    """A label under its wire names. Strings stay letter for letter as they came, or the signature would not hold.

    `src`: DID of the labeler. `uri`: the subject, a bare DID or the at-uri of a record. `cid`: only that version of
    the record. `val`: the value. `neg`: True takes back, False says nothing but is signed when present, None is
    absent. `cts`, `exp`: created and expires, as datetime strings. `sig`: 64 bytes r‖s, None while unsigned.
    """

    src: str
    uri: str
    val: str
    cts: str
    cid: str | None = None
    neg: bool | None = None
    exp: str | None = None
    ver: int = VERSION
    sig: bytes | None = None

    def unsigned(self) -> dict[str, str | int | bool]:
        """Return the fields that are signed: what is there, in canonical order, without `sig`."""
        fields: dict[str, str | int | bool] = {}
        if self.cid is not None:
            fields["cid"] = self.cid
        fields["cts"] = self.cts
        if self.exp is not None:
            fields["exp"] = self.exp
        if self.neg is not None:
            fields["neg"] = self.neg
        return fields | {"src": self.src, "uri": self.uri, "val": self.val, "ver": self.ver}

    def unsigned_bytes(self) -> bytes:
        """Encode what is signed (label spec §Signatures: DRISL without `sig`)."""
        return cbor.encode(self.unsigned())

    def to_map(self) -> dict[str, str | int | bool | bytes]:
        """Return the label as it goes into CBOR: the signed fields and, once signed, `sig` as bytes."""
        fields: dict[str, str | int | bool | bytes] = {**self.unsigned()}
        if self.sig is not None:
            fields["sig"] = self.sig
        return fields

    def to_bytes(self) -> bytes:
        """Encode the label as it travels in a `#labels` frame."""
        return cbor.encode(self.to_map())

    def to_json(self) -> dict[str, Any]:
        """Return the label as it goes into JSON, `sig` as {"$bytes": unpadded base64} (data model spec §bytes).

        Unpadded, because the Go implementation refuses padding.
        """
        fields: dict[str, Any] = {**self.unsigned()}
        if self.sig is not None:
            fields["sig"] = {"$bytes": base64.b64encode(self.sig).decode("ascii").rstrip("=")}
        return fields

    @classmethod
    def from_map(cls, fields: object) -> Self:
        """Take a signed label from decoded CBOR; raises `BadInput` naming the field.

        Unknown fields are dropped and so stay outside the signed bytes (label spec §Signatures). `ver` and `sig` are
        required whenever labels are transferred (label spec §Schema).
        """
        if not isinstance(fields, Mapping):
            raise BadInput("label: not an object")
        version = fields.get("ver")
        if type(version) is not int or version != VERSION:  # True and 1.0 equal 1, and are not it
            raise BadInput("label: ver is not 1", name="UnsupportedLabelVersion")
        sig = fields.get("sig")
        if not isinstance(sig, bytes):
            raise BadInput("label: sig is missing or not bytes")
        label = cls(
            src=_text(fields, "src"),
            uri=_text(fields, "uri"),
            val=_text(fields, "val"),
            cts=_text(fields, "cts"),
            cid=_text(fields, "cid") if "cid" in fields else None,
            neg=_flag(fields, "neg") if "neg" in fields else None,
            exp=_text(fields, "exp") if "exp" in fields else None,
            sig=sig,
        )
        _check_syntax(label)
        return label

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Take a signed label from decoded JSON; raises `BadInput` naming the field."""
        if not isinstance(fields, Mapping):
            raise BadInput("label: not an object")
        return cls.from_map({**fields, "sig": _bytes_of(fields.get("sig"))})

    @property
    def expires(self) -> datetime | None:
        """The instant from which the label no longer holds, aware UTC, or None."""
        return None if self.exp is None else parse_datetime(self.exp)

    def is_active(self, now: datetime) -> bool:
        """Tell whether the label holds at `now` (aware): no negation, and `exp`, if any, still to come."""
        expires = self.expires
        return not self.neg and (expires is None or expires > now)


def sign_label(label: Label, key: Signs) -> Label:
    """Return `label` signed by `key`; raises `BadInput` when a field does not fit the schema.

    `neg` false is left out, as the label spec (§Schema) has it.
    """
    plain = label if label.neg is not False else replace(label, neg=None)
    if type(plain.ver) is not int or plain.ver != VERSION:
        raise BadInput("label: ver is not 1", name="UnsupportedLabelVersion")
    _check_syntax(plain)
    return replace(plain, sig=key.sign(plain.unsigned_bytes()))


def verify_label(label: Label, public_key: PublicKey) -> bool:
    """Tell whether `label.sig` is `public_key`'s over the label exactly as it came, `neg` false included."""
    return label.sig is not None and public_key.verify(label.unsigned_bytes(), label.sig)


def _check_syntax(label: Label) -> None:
    check_did(label.src)
    check_uri(label.uri)
    if not is_label_value(label.val):
        raise BadInput("label: val is not 1 to 128 bytes of text")
    if label.cid is not None and not is_cid(label.cid):
        raise BadInput("label: cid is not a CID")
    parse_datetime(label.cts)
    if label.exp is not None:
        parse_datetime(label.exp)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise BadInput(f"label: {name} is missing or not a string")
    return value


def _flag(fields: Mapping[str, object], name: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise BadInput(f"label: {name} is not a boolean")
    return value


def _bytes_of(value: object) -> bytes:
    """Read {"$bytes": base64}, padding optional (data model spec §bytes); one text a byte string, no other."""
    if not isinstance(value, Mapping) or set(value) != {"$bytes"} or not isinstance(value["$bytes"], str):
        raise BadInput('label: sig is not {"$bytes": base64}')
    text = value["$bytes"]
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    if _BASE64.fullmatch(text) is None or text not in {bare, padded} or len(bare) % 4 == 1:
        raise BadInput("label: sig is not base64")
    raw = base64.b64decode(padded)
    if base64.b64encode(raw).decode("ascii") != padded:
        raise BadInput("label: sig is not base64, stray bits at its end")
    return raw
