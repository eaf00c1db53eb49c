"""What every refusal looks like (XRPC spec §Error Responses), and which names it may carry."""

from typing import Any

from tests.fuzz.lexicon_values import DEFS
from tests.service_process import Answer

NAMES: dict[int, set[str]] = {
    400: {"InvalidRequest"},
    401: {"AuthenticationRequired", "MissingJwt", "BadJwt", "BadJwtType", "JwtExpired", "BadJwtAudience"}
    | {"BadJwtLexiconMethod", "BadJwtIss", "BadJwtSignature"},
    403: {"Forbidden"},
    404: {"NotFound", "XRPCNotSupported"},
    405: {"MethodNotAllowed"},
    408: {"RequestTimeout"},
    413: {"PayloadTooLarge"},
    415: {"UnsupportedMediaType"},
    417: {"ExpectationFailed"},
    426: {"UpgradeRequired"},
    429: {"RateLimitExceeded"},
    501: {"MethodNotImplemented"},
    503: {"NotEnoughResources"},
}

# What the reference answers and its lexicons do not declare (row 261), and what we add to it.
UNDECLARED = {"com.atproto.moderation.createReport": {"AlreadyAppealed", "AccountTakedown", "NothingToAppeal"}}


def check(answer: Answer, nsid: str | None = None, *, head: bool = False) -> dict[str, Any] | None:
    """Hold an answer to the rules; return the envelope of a refusal, None for a success."""
    if answer.status < 400:
        return None
    assert answer.status in NAMES, (answer.status, answer.body[:300])
    assert answer.headers["content-type"].partition(";")[0] == "application/json", answer
    assert answer.headers["access-control-allow-origin"] == "*", answer
    if head:
        return {}
    body = answer.json()
    assert set(body) <= {"error", "message"}, body
    assert isinstance(body.get("message", ""), str)
    declared = {error["name"] for error in DEFS.get(nsid or "", {}).get("errors", ())}
    assert body["error"] in NAMES[answer.status] | declared | UNDECLARED.get(nsid or "", set()), body
    assert len(answer.body) < 8192, "a refusal is short"
    assert b"Traceback" not in answer.body
    return body  # type: ignore[no-any-return]
