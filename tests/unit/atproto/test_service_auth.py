"""Service-auth tokens: one good token, bent in every way."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from labeler.atproto.curves import P256
from labeler.atproto.keys import PrivateKey
from labeler.atproto.service_auth import AuthPolicy, issuer_key, parse, verify
from labeler.errors import BadInput
from tests.tokens import AUDIENCES, CLAIMS, DEFAULT, ISS, KEY, LXM, META, NOW, encoded, read, token


@pytest.mark.row(191, 192, 196)
@pytest.mark.parametrize("key", [KEY, PrivateKey.from_hex("08" * 32, P256)], ids=["k256", "p256"])
def test_a_good_token_is_taken(key: PrivateKey) -> None:
    unverified = read(token(key=key))
    verify(unverified, key.public_key)
    assert (unverified.iss, unverified.aud, unverified.lxm, unverified.jti) == (ISS, AUDIENCES[0], LXM, "once")
    assert (unverified.key_fragment, unverified.alg) == ("#atproto", key.alg)
    assert unverified.exp == NOW + timedelta(seconds=60)


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != field}


def refusal(text: str, policy: AuthPolicy = DEFAULT) -> str:
    """Name the refusal of a token signed by `KEY`."""
    with pytest.raises(BadInput) as caught:
        verify(read(text, policy), KEY.public_key)
    assert caught.value.status == 401
    assert caught.value.message.endswith(".")
    return caught.value.name


@pytest.mark.row(191)
@pytest.mark.parametrize(
    ("alg", "error"),
    [(alg, "BadJwtSignature") for alg in ("none", "", "HS256", "RS256", "EdDSA", "es256k", "ES256K ", "ES384", "ES512")]
    + [(alg, "BadJwt") for alg in (None, 1, ["ES256K"])],
    ids=str,
)
def test_only_the_two_algorithms_count(alg: object, error: str) -> None:
    assert refusal(token({"alg": alg, "typ": "JWT"})) == error
    assert refusal(token({"typ": "JWT"})) == "BadJwt"


@pytest.mark.row(192)
def test_the_algorithm_is_that_of_the_key() -> None:
    other = PrivateKey.from_hex("07" * 32, P256)
    assert refusal(token({"alg": "ES256"})) == "BadJwtSignature"
    unverified = read(token({"alg": "ES256K"}, key=other))
    with pytest.raises(BadInput, match="ES256K, but the issuer's key is for ES256"):
        verify(unverified, other.public_key)


@pytest.mark.row(193)
@pytest.mark.parametrize("kind", ["at+jwt", "refresh+jwt", "dpop+jwt", "AT+JWT", "JOSE", "", None, 1, ["JWT"]], ids=str)
def test_other_kinds_of_token_are_refused(kind: object) -> None:
    assert refusal(token({"alg": "ES256K", "typ": kind})) == "BadJwtType"


@pytest.mark.row(193)
@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}, {"typ": "jwt"}], ids=str)
def test_the_kind_may_be_left_out(header: dict[str, Any]) -> None:
    """Media types are compared in any case (RFC 7515 §4.1.9)."""
    verify(read(token({"alg": "ES256K"} | header)), KEY.public_key)


@pytest.mark.row(194)
@pytest.mark.parametrize(
    ("kid", "error"),
    [
        ("#atproto_label", "BadJwtSignature"),
        ("#", "BadJwtSignature"),
        ("#Atproto", "BadJwtSignature"),
        ("atproto", "BadJwt"),
        (ISS + "#atproto", "BadJwt"),
        ("", "BadJwt"),
        (None, "BadJwt"),
        (0, "BadJwt"),
    ],
    ids=str,
)
def test_only_the_account_s_own_key_counts(kid: object, error: str) -> None:
    assert refusal(token({"alg": "ES256K", "kid": kid})) == error


@pytest.mark.row(194)
def test_another_key_can_be_let_in() -> None:
    policy = replace(DEFAULT, key_fragments=frozenset({"#atproto", "#atproto_label"}))
    unverified = read(token({"alg": "ES256K", "kid": "#atproto_label"}), policy)
    assert unverified.key_fragment == "#atproto_label"
    assert issuer_key(unverified, document_of("#atproto_label")) == KEY.public_key
    assert read(token(), policy).key_fragment == "#atproto"


def test_an_unknown_extension_is_refused_and_an_unknown_header_is_not() -> None:
    """RFC 7515 §4.1.11: what is critical must be understood. An embedded key is looked at by nobody."""
    assert refusal(token({"alg": "ES256K", "crit": []})) == "BadJwt"
    verify(read(token({"alg": "ES256K", "jwk": {"kty": "EC"}, "b64": False})), KEY.public_key)


@pytest.mark.row(195, 212, 330)
@pytest.mark.parametrize(
    "iss",
    [
        "",
        "mod.example.com",
        "did:plc:",
        "did:plc:a/b",
        "did:plc:..",
        "did:plc:A",
        "did:plc:a%2e",
        "did:key:zQ3shpdPXW42CvvbV7JhXRczhxrUT8bnEsjJsmFbgVngPKd4m",
        "did:web:example.com:users:alice",
        "did:web:127.0.0.1",
        "did:web:10.0.0.1%3A80",
        "did:web:localhost",
        "did:web:localhost%3A3000",
        "did:web:host.internal",
        "did:web:mod.example.com%3A8443",
        "did:web:mod",
        "did:PLC:44ybard66vv44zksje25o7dz",
        "did:web:mod.acme.com#atproto_labeler",
        ISS + "#atproto",
        ISS + " ",
        ISS + "\n",
        "did:web:" + "a" * 2050,
    ],
    ids=lambda iss: ascii(iss[:40]),
)
def test_the_issuer_is_a_bare_did_of_a_public_place(iss: str) -> None:
    """A service fragment is refused, and so is what a resolver could be sent to against our own network."""
    assert refusal(token(claims=CLAIMS | {"iss": iss})) == "BadJwtIss"


@pytest.mark.row(226)
def test_localhost_counts_in_development_only() -> None:
    text = token(claims=CLAIMS | {"iss": "did:web:localhost%3A3000"})
    assert refusal(text) == "BadJwtIss"
    assert read(text, replace(DEFAULT, localhost_issuer=True)).iss == "did:web:localhost%3A3000"
    assert read(token(claims=CLAIMS | {"iss": "did:web:mod.acme.com"})).iss == "did:web:mod.acme.com"


@pytest.mark.row(197, 198, 331)
def test_the_bare_did_is_taken_until_switched_off() -> None:
    bare = token(claims=CLAIMS | {"aud": AUDIENCES[1]})
    strict = replace(DEFAULT, bare_audience=False)
    verify(read(bare), KEY.public_key)
    assert read(bare).aud == AUDIENCES[1]
    assert refusal(bare, strict) == "BadJwtAudience"
    verify(read(token(), strict), KEY.public_key)
    with pytest.raises(BadInput) as caught:
        parse(bare, now=NOW, audiences=AUDIENCES[:1], lxm=LXM)
    assert caught.value.name == "BadJwtAudience"


@pytest.mark.row(199)
@pytest.mark.parametrize(
    ("aud", "error"),
    [
        (AUDIENCES[0].upper(), "BadJwtAudience"),
        (AUDIENCES[0] + " ", "BadJwtAudience"),
        (AUDIENCES[0] + "_", "BadJwtAudience"),
        (AUDIENCES[0][:-1], "BadJwtAudience"),
        (AUDIENCES[1] + "#", "BadJwtAudience"),
        ("#atproto_labeler", "BadJwtAudience"),
        ("*", "BadJwtAudience"),
        ("https://labeler.example.com", "BadJwtAudience"),
        ("", "BadJwtAudience"),
        (AUDIENCES[:1], "BadJwt"),
        ({AUDIENCES[0]: 1}, "BadJwt"),
        (None, "BadJwt"),
    ],
    ids=str,
)
def test_the_audience_is_compared_letter_for_letter(aud: object, error: str) -> None:
    assert refusal(token(claims=CLAIMS | {"aud": aud})) == error


@pytest.mark.row(200, 333)
@pytest.mark.parametrize(
    ("exp", "error"),
    [
        (META["now"], "JwtExpired"),
        (META["now"] - 0.001, "JwtExpired"),
        (0, "JwtExpired"),
        (-(10**400), "JwtExpired"),
        (-1e308, "JwtExpired"),
        (b"-1e400", "JwtExpired"),
        (str(META["now"] + 60), "BadJwt"),
        (None, "BadJwt"),
        (True, "BadJwt"),
        (False, "BadJwt"),
        ([META["now"] + 60], "BadJwt"),
        (b"NaN", "BadJwt"),
        (b"Infinity", "BadJwt"),
    ],
    ids=lambda exp: str(exp)[:20],
)
def test_a_token_expires_at_its_exp(exp: object, error: str) -> None:
    """At that instant already (RFC 7519 §4.1.4); and a number of any size is only a number."""
    claims = json.dumps(CLAIMS | {"exp": 0}).replace('"exp": 0', '"exp": @')
    raw = exp.decode() if isinstance(exp, bytes) else json.dumps(exp)
    assert refusal(token(claims=claims.replace("@", raw).encode())) == error
    assert refusal(token(claims=without("exp"))) == "BadJwt"


@pytest.mark.row(200)
def test_a_fraction_of_a_second_counts() -> None:
    unverified = read(token(claims=CLAIMS | {"exp": META["now"] + 0.5}))
    assert unverified.exp == NOW + timedelta(seconds=0.5)
    assert read(token(), now=NOW + timedelta(seconds=59.999)).jti == "once"
    with pytest.raises(BadInput, match="expired"):
        read(token(), now=NOW + timedelta(seconds=60))


@pytest.mark.row(201)
@pytest.mark.parametrize("exp", [META["now"] + 3631, META["now"] * 1000, 10**400, 1e308, b"1e400"], ids=str)
def test_a_token_lives_an_hour_at_most(exp: object) -> None:
    claims = json.dumps(CLAIMS | {"exp": 0}).replace('"exp": 0', '"exp": @')
    raw = exp.decode() if isinstance(exp, bytes) else json.dumps(exp)
    assert refusal(token(claims=claims.replace("@", raw).encode())) == "BadJwt"
    assert read(token(claims=CLAIMS | {"exp": META["now"] + 3630})).exp == NOW + timedelta(seconds=3630)
    short = replace(DEFAULT, max_lifetime=timedelta(seconds=29))
    assert refusal(token(), short) == "BadJwt"
    assert read(token(), replace(short, max_lifetime=timedelta(seconds=30))).jti == "once"


@pytest.mark.row(202)
@pytest.mark.parametrize(
    "iat",
    [META["now"] + 31, META["now"] + 30.5, META["now"] + 60, 10**400, 1e308, str(META["now"]), None, True, []],
    ids=lambda iat: str(iat)[:20],
)
def test_a_token_was_made_before_now(iat: object) -> None:
    assert refusal(token(claims=CLAIMS | {"iat": iat})) == "BadJwt"
    assert refusal(token(claims=CLAIMS | {"iat": iat}), replace(DEFAULT, missing_iat=True)) == "BadJwt"


@pytest.mark.row(202)
def test_when_it_was_made_may_be_a_little_ahead_and_be_left_out_on_request() -> None:
    """Clocks differ: thirty seconds. But nothing was made after it expired."""
    verify(read(token(claims=CLAIMS | {"iat": META["now"] + 30})), KEY.public_key)
    verify(read(token(claims=CLAIMS | {"iat": 0})), KEY.public_key)
    assert refusal(token(claims=CLAIMS | {"iat": META["now"] + 20, "exp": META["now"] + 20})) == "BadJwt"
    assert refusal(token(claims=without("iat"))) == "BadJwt"
    verify(read(token(claims=without("iat")), replace(DEFAULT, missing_iat=True)), KEY.public_key)


@pytest.mark.parametrize("nbf", [META["now"] + 31, "0", None, True], ids=str)
def test_a_token_not_valid_yet_is_refused(nbf: object) -> None:
    """RFC 7519 §4.1.5; the claim itself is nobody's duty."""
    assert refusal(token(claims=CLAIMS | {"nbf": nbf})) == "BadJwt"
    verify(read(token(claims=CLAIMS | {"nbf": META["now"] + 30})), KEY.public_key)


@pytest.mark.row(203)
@pytest.mark.parametrize(
    "lxm",
    [
        None,
        1,
        "",
        "*",
        "tools.ozone.moderation.*",
        "tools.ozone.moderation",
        LXM.lower(),
        LXM + "X",
        LXM + "#main",
        f"/xrpc/{LXM}",
        [LXM],
        {"lxm": LXM},
        True,
    ],
    ids=str,
)
def test_the_method_is_the_one_called(lxm: object) -> None:
    assert refusal(token(claims=CLAIMS | {"lxm": lxm})) == "BadJwtLexiconMethod"
    assert refusal(token(claims=without("lxm"))) == "BadJwtLexiconMethod"
    with pytest.raises(BadInput, match="queryStatuses"):
        read(token(), lxm="tools.ozone.moderation.queryStatuses")


@pytest.mark.row(204)
@pytest.mark.parametrize("jti", ["", None, 5, [], {}, True], ids=str)
def test_a_token_has_an_id(jti: object) -> None:
    assert refusal(token(claims=CLAIMS | {"jti": jti})) == "BadJwt"
    assert refusal(token(claims=without("jti"))) == "BadJwt"


@pytest.mark.parametrize("iss", [None, 1, [ISS], {}], ids=str)
def test_the_issuer_is_a_string(iss: object) -> None:
    assert refusal(token(claims=CLAIMS | {"iss": iss})) == "BadJwt"


def der(signature: bytes) -> bytes:
    half = [b"\x02\x21\0" + signature[:32], b"\x02\x21\0" + signature[32:]]
    return b"\x30\x46" + b"".join(half)


def high_s(signature: bytes, key: PrivateKey = KEY) -> bytes:
    return signature[:32] + (key.curve.order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


@pytest.mark.row(205, 206)
@pytest.mark.parametrize(
    "bend",
    [
        lambda good: b"",
        lambda good: good[:63],
        lambda good: good + b"\0",
        lambda good: bytes(64),
        lambda good: good[:32] + bytes(32),
        lambda good: bytes(32) + good[32:],
        lambda good: b"\xff" * 64,
        lambda good: good[:32] + KEY.curve.order.to_bytes(32, "big"),
        lambda good: good[32:] + good[:32],
        der,
        lambda good: good.hex().encode(),
        lambda good: PrivateKey.from_hex("09" * 32).sign(b"x"),
    ],
)
def test_a_signature_is_r_and_s_in_64_bytes(bend: Callable[[bytes], bytes]) -> None:
    """DER is refused, and so is everything a careless verifier takes for a signature of anything."""
    assert refusal(token(sign=lambda data: bend(KEY.sign(data)))) == "BadJwtSignature"


@pytest.mark.row(206, 332)
@pytest.mark.parametrize("key", [KEY, PrivateKey.from_hex("08" * 32, P256)], ids=["k256", "p256"])
def test_a_high_s_is_taken_here_and_only_here(key: PrivateKey) -> None:
    text = token(key=key, sign=lambda data: high_s(key.sign(data), key))
    verify(read(text), key.public_key)
    unverified = read(text, replace(DEFAULT, high_s=False))
    with pytest.raises(BadInput, match="not of the issuer"):
        verify(unverified, key.public_key)
    verify(read(token(key=key), replace(DEFAULT, high_s=False)), key.public_key)
    assert not key.public_key.verify(unverified.signed, unverified.signature)


@pytest.mark.row(190, 220)
@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "dummy",
        "a.a.a",
        "A.A.",
        f"{encoded({'alg': 'ES256K'})}..{encoded(bytes(64))}",
        token() + "=",
        token() + "==",
        token() + "\n",
        " " + token(),
        token().replace(".", " .", 1),
        token().replace(".", "+", 1),
        token() + ".",
        "é" + token()[1:],
        "\ud800.a.a",
        token(b"nope"),
        token([]),
        token("ES256K"),
        token(b'{"alg":"ES256K","alg":"ES256K"}'),
        token(b'\xef\xbb\xbf{"alg":"ES256K"}'),
        token({"alg": "ES256K", "x": json.loads("[" * 16 + "]" * 16)}),
        token(claims=[]),
        token(claims=b"null"),
        token(claims=b'{"iss":"\xff"}'),
        token(claims=CLAIMS | {"x": json.loads("[" * 900 + "]" * 900)}),
        token(claims=b"[" * 6000),
        token(claims=b"9" * 5000),
        token(claims=json.dumps(CLAIMS)[:-1].encode() + b', "jti": "twice"}'),
        token(claims=CLAIMS | {"x": "x" * 8192}),
        "A" * 100_000,
    ],
    ids=lambda text: f"{text[:12]!a}-{len(text)}",
)
def test_what_is_no_token_is_refused_before_anything_is_believed(text: str) -> None:
    """One spelling of base64url, one reading of JSON, bounded length and depth."""
    assert refusal(text) == "BadJwt"


@pytest.mark.row(220)
def test_a_token_may_be_as_long_as_allowed() -> None:
    tokens = [token(claims=CLAIMS | {"x": "x" * size}) for size in range(5700, 6000)]
    fitting = [text for text in tokens if len(text) <= 8192]
    verify(read(fitting[-1]), KEY.public_key)
    assert 8190 < len(fitting[-1]) < len(tokens[len(fitting)]) < 8196
    assert refusal(tokens[len(fitting)]) == "BadJwt"
    verify(read(token({"alg": "ES256K", "x": json.loads("[" * 15 + "]" * 15)})), KEY.public_key)


@pytest.mark.row(205)
def test_stray_bits_at_the_end_of_a_part_are_refused() -> None:
    """64 bytes leave four bits of the last letter unused: other letters would spell the same signature."""
    good = token()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = letters.index(good[-1])
    assert place % 16 == 0
    for stray in range(1, 16):
        assert refusal(good[:-1] + letters[place + stray]) == "BadJwt"


@pytest.mark.row(205)
@pytest.mark.parametrize("key", [KEY, PrivateKey.from_hex("08" * 32, P256)], ids=["k256", "p256"])
def test_no_letter_of_a_token_can_be_another(key: PrivateKey) -> None:
    """Every place of a good token, with a neighbouring letter, one far off, and one that is none of base64url."""
    good = token(key=key)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    for place, letter in enumerate(good):
        index = letters.index(letter)
        for other in (letters[(index + 1) % 65], letters[(index + 32) % 65], letters[index - 1], "+", "=", " ", "é"):
            with pytest.raises(BadInput) as caught:
                verify(read(good[:place] + other + good[place + 1 :]), key.public_key)
            assert caught.value.status == 401


def document_of(fragment: str, **changes: Any) -> dict[str, Any]:
    method = {"id": fragment, "type": "Multikey", "controller": ISS, "publicKeyMultibase": KEY.public_key.multikey}
    return {"id": ISS, "verificationMethod": [method | changes]}


@pytest.mark.row(191, 205)
@pytest.mark.parametrize("text", [token({"alg": "HS256"}), token(sign=lambda data: KEY.sign(data)[:63]), token([])])
def test_what_needs_no_key_is_refused_before_one_is_fetched(text: str) -> None:
    """Whoever sends a token makes us ask the world: not for this."""
    with pytest.raises(BadInput):
        read(text)


@pytest.mark.row(207)
@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"id": ISS},
        document_of("#atproto_label"),
        document_of("#atproto", controller="did:plc:another"),
        document_of("#atproto", type="JsonWebKey2020"),
        document_of("#atproto") | {"id": "did:plc:another"},
    ],
    ids=lambda document: str(document)[:60],
)
def test_without_a_key_in_the_issuer_s_document_nothing_is_signed(document: object) -> None:
    unverified = read(token())
    assert issuer_key(unverified, document_of("#atproto")) == KEY.public_key
    assert issuer_key(unverified, document_of(ISS + "#atproto")) == KEY.public_key
    with pytest.raises(BadInput) as caught:
        issuer_key(unverified, document)
    assert (caught.value.status, caught.value.name) == (401, "BadJwtSignature")
