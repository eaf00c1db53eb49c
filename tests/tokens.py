"""Service-auth tokens made to order."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labeler.atproto.keys import PrivateKey
from labeler.atproto.service_auth import AuthPolicy, Unverified, parse

FILE = json.loads((Path(__file__).parent / "vectors" / "jwts.json").read_text())
META = FILE["meta"]
AUDIENCES: list[str] = META["acceptedAudiences"]["transition"]
NOW = datetime.fromtimestamp(META["now"], UTC)
DEFAULT = AuthPolicy()
KEY = PrivateKey.from_hex("07" * 32)
ISS = "did:plc:44ybard66vv44zksje25o7dz"
LXM = "tools.ozone.moderation.emitEvent"
CLAIMS: dict[str, Any] = {
    "iss": ISS,
    "aud": AUDIENCES[0],
    "exp": META["now"] + 60,
    "iat": META["now"],
    "lxm": LXM,
    "jti": "once",
}


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token(
    header: object = None, claims: object = None, *, key: PrivateKey = KEY, sign: Callable[[bytes], bytes] | None = None
) -> str:
    """Sign a token; `header` and `claims` (None: the good ones) are JSON values, or bytes to be taken as they are."""
    head = {"typ": "JWT", "alg": key.alg} if header is None else header
    signed = f"{encoded(head)}.{encoded(CLAIMS if claims is None else claims)}"
    return f"{signed}.{encoded((sign or key.sign)(signed.encode()))}"


def read(text: str, policy: AuthPolicy = DEFAULT, *, now: datetime = NOW, lxm: str = LXM) -> Unverified:
    return parse(text, now=now, audiences=AUDIENCES, lxm=lxm, policy=policy)
