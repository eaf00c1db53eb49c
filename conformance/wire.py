"""Frames and labels as they arrive: decoded strictly, verified as received."""

import base64
import importlib
import io
from dataclasses import dataclass
from typing import Any

import dag_cbor

from conformance.checks import Failed, expect

FIELDS = frozenset(("ver", "src", "uri", "cid", "val", "neg", "cts", "exp", "sig"))
REQUIRED = frozenset(("ver", "src", "uri", "val", "cts", "sig"))
HEADER_LABELS = bytes.fromhex("a2 61 74 67 23 6c 61 62 65 6c 73 62 6f 70 01")  # {"t": "#labels", "op": 1}
HEADER_ERROR = bytes.fromhex("a1 62 6f 70 20")  # {"op": -1}


@dataclass(frozen=True)
class Frame:
    """One message of the stream."""

    raw: bytes
    header: dict[str, Any]
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """`#labels`, `#info` and the like, or `error`."""
        return "error" if self.header.get("op") == -1 else str(self.header.get("t"))

    @property
    def labels(self) -> list[dict[str, Any]]:
        """The labels inside, with `sig` as bytes."""
        found: list[dict[str, Any]] = self.body.get("labels", [])
        return found

    @property
    def seq(self) -> int:
        """The seq, which must be one."""
        seq = self.body.get("seq")
        if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq < 1 << 53:
            raise Failed(f"seq is {seq!r}")
        return seq


def parse(raw: bytes | str) -> Frame:
    """Decode a message: binary, exactly two canonical items, both maps."""
    if isinstance(raw, str):
        raise Failed("a text message was sent; the stream is binary")
    stream = io.BytesIO(raw)
    try:
        header = dag_cbor.decode(stream, allow_concat=True)
        body = dag_cbor.decode(stream, allow_concat=True)
    except Exception as error:
        raise Failed(f"a message is not two items of canonical CBOR ({error}): {raw[:80].hex()}") from error
    expect(not stream.read(), "bytes follow the two items of a message")
    if not isinstance(header, dict) or not isinstance(body, dict):
        raise Failed("header and payload must be maps")
    return Frame(raw, dict(header), dict(body))


def from_json(label: dict[str, Any]) -> dict[str, Any]:
    """A label out of an HTTP answer, with `sig` as bytes."""
    sig = label.get("sig")
    if not isinstance(sig, dict) or set(sig) != {"$bytes"}:
        raise Failed(f"sig is {sig!r}, not bytes as JSON has them")
    text = str(sig["$bytes"])
    return {**label, "sig": base64.b64decode(text + "=" * (-len(text) % 4), validate=True)}


def verified(label: dict[str, Any], key: str, *, without_neg_false: bool = False) -> bool:
    """Verify over the protocol's fields as received, or as a reader does that leaves out `neg: false`."""
    unsigned = {name: value for name, value in label.items() if name in FIELDS and name != "sig"}
    if without_neg_false and unsigned.get("neg") is False:
        del unsigned["neg"]
    verify = importlib.import_module("atproto_crypto.verify").verify_signature
    return bool(verify(key, dag_cbor.encode(unsigned), label["sig"]))
