"""XRPC over HTTP: verbs, paths, errors, headers, and the order in which things are checked."""

from typing import TYPE_CHECKING, Any

import pytest

from labeler.errors import Corrupt, Misconfigured
from labeler.reputation.standing import Standing
from labeler.service import reputation
from labeler.service.access import Access
from labeler.service.http import Http, Query
from labeler.service.observe import Metrics
from labeler.service.schema import load_lexicons

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

QUERY = "/xrpc/com.atproto.label.queryLabels"
EMIT = "/xrpc/tools.ozone.moderation.emitEvent"
STANDING = "/xrpc/email.atmos.reputation.getStanding?did=did:plc:alice"


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/xrpc/com.example.lexicon.nope", 501, "MethodNotImplemented"),  # row 165
        ("POST", "/xrpc/com.example.lexicon.nope", 501, "MethodNotImplemented"),
        ("PUT", "/xrpc/com.example.lexicon.nope", 501, "MethodNotImplemented"),
        ("GET", "/xrpc/com.atproto.temp.fetchLabels", 501, "MethodNotImplemented"),  # row 323
        ("GET", "/xrpc/com.atproto.label.querylabels", 501, "MethodNotImplemented"),  # row 168: case matters
        ("GET", "/xrpc/COM.atproto.label.queryLabels", 501, "MethodNotImplemented"),
        ("GET", "/xrpc/nope", 400, "InvalidRequest"),  # row 166
        ("GET", "/xrpc/", 400, "InvalidRequest"),
        ("GET", QUERY + "/extra", 400, "InvalidRequest"),
        ("GET", QUERY + "//", 400, "InvalidRequest"),
        ("GET", "/xrpc/com.example.1bad", 400, "InvalidRequest"),
        ("GET", "/nowhere", 404, "NotFound"),  # row 167
        ("GET", "/xrpc", 404, "NotFound"),
        ("GET", "/api" + QUERY, 404, "NotFound"),
        ("POST", QUERY, 400, "InvalidRequest"),  # row 164: swapped verbs are 400
        ("GET", EMIT, 400, "InvalidRequest"),
        ("HEAD", EMIT, 400, ""),
        ("PUT", QUERY, 405, "MethodNotAllowed"),
        ("DELETE", EMIT, 405, "MethodNotAllowed"),
        ("POST", "/livez", 405, "MethodNotAllowed"),
    ],
)
@pytest.mark.row(163, 164, 165, 166, 167, 168, 169, 170, 174)
async def test_what_is_not_there_is_told_by_status(
    service: "Service", method: str, path: str, status: int, error: str
) -> None:
    found, body, headers = await service.call(method, path)
    assert found == status
    assert headers["Content-Type"].startswith("application/json")
    if error:
        assert body["error"] == error
        assert body["message"]
    if status == 405:
        assert headers["Allow"]


@pytest.mark.row(164)
async def test_swapped_verbs_are_told_in_the_words_of_the_reference(service: "Service") -> None:
    _, body, _ = await service.call("POST", QUERY)
    assert body["message"] == "Incorrect HTTP method (POST) expected GET"


@pytest.mark.row(166)
async def test_one_trailing_slash_is_tolerated(service: "Service") -> None:
    status, _, _ = await service.call("GET", QUERY + "/?uriPatterns=*")
    assert status == 200


@pytest.mark.row(116)
async def test_head_answers_like_get_without_a_body(service: "Service") -> None:
    """Row 116."""
    status, body, headers = await service.call("HEAD", QUERY + "?uriPatterns=*")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", [QUERY + "?uriPatterns=*", "/xrpc/com.example.lexicon.nope", "/nowhere", "/livez"])
@pytest.mark.row(114, 184, 186)
async def test_every_answer_may_be_read_by_any_page(service: "Service", path: str) -> None:
    """Row 184."""
    _, _, headers = await service.call("GET", path)
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in headers["Access-Control-Expose-Headers"]
    assert headers["Server"] == "labeler"
    assert headers["Cache-Control"] == "no-store", "row 114: negations must propagate"


@pytest.mark.parametrize("path", [QUERY, EMIT, "/xrpc/com.example.lexicon.nope"])
@pytest.mark.row(184, 287)
async def test_preflight(service: "Service", path: str) -> None:
    headers = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "atproto-accept-labelers,authorization",
    }
    status, body, answer = await service.call("OPTIONS", path, headers=headers)
    assert (status, body) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Allow-Methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert answer["Access-Control-Allow-Headers"] == "atproto-accept-labelers,authorization"
    assert answer["Access-Control-Max-Age"] == "86400"
    assert answer["Vary"] == "Access-Control-Request-Headers"


@pytest.mark.parametrize("nsid", ["com.atproto.label.queryLabels", "tools.ozone.moderation.emitEvent"])
@pytest.mark.row(119)
async def test_an_upgrade_on_what_is_no_subscription_is_404(service: "Service", nsid: str) -> None:
    """Row 119."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    status, body, _ = await service.call("GET", f"/xrpc/{nsid}?uriPatterns=*", headers=headers)
    assert (status, body["error"]) == (404, "XRPCNotSupported")
    status, _, _ = await service.call("GET", "/xrpc/com.example.lexicon.nope", headers=headers)
    assert status == 501


@pytest.mark.row(179)
async def test_a_body_on_a_query_is_refused_unless_empty(service: "Service") -> None:
    """Row 179."""
    status, body, _ = await service.call("GET", QUERY + "?uriPatterns=*", data=b"{}")
    assert (status, body["error"]) == (400, "InvalidRequest")
    status, _, _ = await service.call("GET", QUERY + "?uriPatterns=*", data=b"")
    assert status == 200


@pytest.mark.parametrize(
    ("data", "headers", "message"),
    [
        (None, {}, "Request encoding (Content-Type) required but not provided"),
        (b"{}", {"Content-Type": "text/plain"}, "Wrong request encoding (Content-Type): text/plain"),
        (b"", {}, ""),
        (b"{", {}, ""),
        (b"[]", {}, ""),
        (b"{}", {}, ""),
        (b'{"event":1,"event":2}', {}, "twice"),
        (b'{"event":NaN}', {}, ""),
        (b'{"event":1.5}', {}, ""),
        (b'{"x":' + b"[" * 40_000 + b"]" * 40_000 + b"}", {}, ""),
        (b'{"x":"\\ud800"}', {}, ""),
        (b"\xff", {}, ""),
    ],
)
@pytest.mark.row(178, 181, 182, 190)
async def test_bodies_that_are_no_input_are_400(
    service: "Service", data: bytes | None, headers: dict[str, str], message: str
) -> None:
    """Rows 178, 181, 190."""
    status, body, _ = await service.call("POST", EMIT, data=data, token="moderator", headers=headers)
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert message in body["message"]


@pytest.mark.row(178)
async def test_a_charset_is_ignored(service: "Service") -> None:
    status, body, _ = await service.call(
        "POST", EMIT, data=b"{}", token="moderator", headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert status == 400
    assert "event" in body["message"]


@pytest.mark.row(180)
async def test_other_procedures_take_a_hundred_kibibytes(service: "Service") -> None:
    """Row 180."""
    status, body, _ = await service.call("POST", EMIT, data=b" " * 102_401, token="moderator")
    assert (status, body["error"]) == (413, "PayloadTooLarge")


@pytest.mark.row(177)
async def test_strangers_are_told_before_their_body_is_read(service: "Service") -> None:
    """Row 177."""
    status, body, headers = await service.call("POST", EMIT, data=b"{")
    assert (status, body["error"], headers["WWW-Authenticate"]) == (401, "MissingJwt", "Bearer")


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic YWRtaW46", "relay", "Bearer " + "x" * 8193, "Bearer é"])
async def test_an_authorization_that_does_not_hold_is_401(service: "Service", value: str) -> None:
    status, _, headers = await service.call("GET", STANDING, headers={"Authorization": value})
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_where_it_does_not_matter_who_asks_a_token_is_not_looked_at(service: "Service") -> None:
    """Account hosts add a token to whatever they pass on; public labels must not depend on it."""
    status, _, _ = await service.call("GET", QUERY + "?uriPatterns=*", headers={"Authorization": "Bearer of.bad.news"})
    assert status == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(service: "Service", scheme: str) -> None:
    """Row 214."""
    headers = {"Authorization": f"{scheme} relay"}
    status, _, _ = await service.call("GET", STANDING, headers=headers)
    assert status == 200


@pytest.mark.row(171, 172)
async def test_our_own_mistakes_are_told_as_500_without_details(
    service: "Service", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 171."""

    async def broken(_: Any) -> Any:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(service.labels, "find", broken)
    status, body, _ = await service.call("GET", QUERY + "?uriPatterns=*")
    assert (status, body) == (500, {"error": "InternalServerError", "message": "Internal Server Error"})
    assert "a secret" in caplog.text


async def test_an_answer_that_breaks_its_lexicon_is_our_mistake(
    service: "Service", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reputation, "standing", lambda *_: Standing({"did": 1}, {}))
    status, body, _ = await service.call("GET", "/xrpc/email.atmos.reputation.getStanding?did=did:plc:alice")
    assert (status, body["error"]) == (500, "InternalServerError")


async def test_corruption_found_by_a_request_is_reported(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    async def contradictory(_: Any) -> Any:
        raise Corrupt("label 7 cannot be read")

    monkeypatch.setattr(service.labels, "find", contradictory)
    status, _, _ = await service.call("GET", QUERY + "?uriPatterns=*")
    assert status == 500
    assert [str(error) for error in service.corrupted] == ["label 7 cannot be read"]


@pytest.mark.row(111)
async def test_long_urls_are_read(service: "Service") -> None:
    """Row 111."""
    status, _, _ = await service.call("GET", QUERY + "?uriPatterns=" + "x" * 8000 + "&uriPatterns=" + "y" * 8000)
    assert status == 200


async def test_requests_are_counted_under_closed_names(service: "Service") -> None:
    await service.call("GET", QUERY + "?uriPatterns=*")
    await service.call("GET", "/xrpc/com.example.made.up")
    assert service.metric("labeler_requests_total", nsid="com.atproto.label.queryLabels", status="200") == 1
    assert service.metric("labeler_requests_total", nsid="other", status="501") == 1


async def no_answer(_: Any) -> dict[str, Any]:
    return {}


def test_a_method_without_a_lexicon_does_not_start() -> None:
    with pytest.raises(Misconfigured, match=r"com\.example\.unheard\.of"):
        Http(
            {"com.example.unheard.of": Query(no_answer)}, {}, Access([]), load_lexicons(), Metrics(), lambda error: None
        )
