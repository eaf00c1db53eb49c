"""Check the audit chain from outside, with none of the labeler's own code.

labeler audit export --config F | python conformance/check_audit.py [--pin N:HASH] [--head HEAD.json [--key did:key:z…]]
python conformance/check_audit.py CHAIN.ndjson …

Computed again: every hash from the bytes and the hash before, beginning with 32 zero bytes, the numbers 1, 2, 3, …
without a gap, that the bytes are canonical and say what is shown as JSON, that label seqs and input positions rise.
A pin is a head noted earlier: the chain must lead through it; an export that begins later needs the pin it begins
behind. HEAD.json is an answer of email.atmos.reputation.getAuditHead, the key the labeler's #atproto_label, whose
signature over the head is then checked too. Exit code 1 with the first place that is wrong.
"""

import argparse
import base64
import json
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CURVES: dict[bytes, ec.EllipticCurve] = {b"\xe7\x01": ec.SECP256K1(), b"\x80\x24": ec.SECP256R1()}  # multicodec


def walk(lines: Iterable[str], pins: dict[int, str]) -> tuple[int, str]:
    """Follow the chain to its end and return it; raises `ValueError` at the first place that is wrong."""
    n, digest, met, places = 0, bytes(32), set[int](), {"seq": 0, "position": 0}
    for line in lines:
        shown = json.loads(line)
        if not met and n == 0 and shown["n"] > 1:
            n = shown["n"] - 1
            if n not in pins:
                raise ValueError(f"entry {n + 1}: an export that begins here needs --pin {n}:HASH")
            digest = bytes.fromhex(pins[n])
            met.add(n)
        n += 1
        if shown["n"] != n:
            raise ValueError(f"entry {n}: it is missing, {shown['n']} stands in its place")
        raw = base64.b64decode(shown["bytes"], validate=True)
        digest = sha256(digest + raw).digest()
        if digest.hex() != shown["hash"]:
            raise ValueError(f"entry {n}: its hash is not that of its bytes behind entry {n - 1}")
        if pins.get(n, shown["hash"]) != shown["hash"]:
            raise ValueError(f"entry {n}: its hash is not the pinned one")
        met.add(n)
        entry = cbor2.loads(raw)
        if cbor2.dumps(entry, canonical=True) != raw or entry != shown["entry"]:
            raise ValueError(f"entry {n}: its bytes do not say what is shown")
        if (entry["kind"] == "begin") != (n == 1):
            raise ValueError(f"entry {n}: a chain begins with one begin")
        for name in places.keys() & entry["body"].keys():
            if n > 1 and entry["body"][name] <= places[name]:
                raise ValueError(f"entry {n}: its {name} does not follow {places[name]}")
            places[name] = entry["body"][name]
    missed = min(pins.keys() - met, default=None)
    if missed is not None:
        raise ValueError(f"entry {missed}: it was pinned, and the chain ends at {n}")
    return n, digest.hex()


def check_signature(head: Any, key: str) -> None:
    """Hold the published head against the label key; raises `ValueError`."""
    number = 0
    for character in key.removeprefix("did:key:z"):
        number = number * 58 + BASE58.index(character)
    raw = number.to_bytes(35, "big")
    public = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[raw[:2]], raw[2:])
    sig = base64.b64decode(head["sig"]["$bytes"] + "==")
    signed = cbor2.dumps({name: head[name] for name in ("ver", "src", "n", "hash", "at")}, canonical=True)
    r, s = (int.from_bytes(half, "big") for half in (sig[:32], sig[32:]))
    try:
        public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise ValueError(f"the published head {head['n']}: its signature does not hold") from None


def read_pin(text: str) -> tuple[int, str]:
    """Read N:HASH."""
    n, _, digest = text.partition(":")
    return int(n), bytes.fromhex(digest).hex()


def main() -> int:
    """Say what was checked; return the exit code."""
    parser = argparse.ArgumentParser(description="Check an exported audit chain.")
    parser.add_argument("chain", nargs="?", type=Path, help="NDJSON of `labeler audit export`; else stdin")
    parser.add_argument("--pin", action="append", type=read_pin, default=[], metavar="N:HASH")
    parser.add_argument("--head", type=Path, help="an answer of getAuditHead")
    parser.add_argument("--key", help="the label key, did:key:z…")
    asked = parser.parse_args()
    try:
        pins = dict(asked.pin)
        if asked.head is not None:
            head = json.loads(asked.head.read_text())
            if asked.key is not None:
                check_signature(head, asked.key)
            if pins.setdefault(head["n"], head["hash"]) != head["hash"]:
                raise ValueError(f"entry {head['n']}: the pinned hash is not the published one")
        n, digest = walk(asked.chain.open() if asked.chain is not None else sys.stdin, pins)
    except (ValueError, cbor2.CBORError) as error:
        print(f"✗ {error}")
        return 1
    print(f"✓ {n} entries; {n}:{digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
