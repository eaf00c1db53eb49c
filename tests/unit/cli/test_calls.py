"""`labeler label` and `labeler standing`: to the service where one runs, on its files where none does."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx

from labeler.adapters.lock import FileLock
from labeler.settings import load_settings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

URL = "http://127.0.0.1:1"
EMIT = f"{URL}/xrpc/tools.ozone.moderation.emitEvent"
QUERY = f"{URL}/xrpc/com.atproto.label.queryLabels"
STANDING = f"{URL}/xrpc/email.atmos.reputation.getStanding"
SUBJECT = "did:plc:bob"
VIEW = {"id": 7, "createdBy": "did:plc:alice"}


# Where no service runs


def test_a_label_is_applied_listed_explained_and_taken_back(run: "Run", config: Path) -> None:
    said = run("label", "apply", SUBJECT, "mail-throttled", "--hours", 48, "--config", config)
    assert said.code == 0
    assert f"{SUBJECT}: mail-throttled applied for 48 hours, by did:web:localhost%3A1 (event 2)" in said.out
    (label,) = run("label", "list", "--json", "--config", config).lines
    assert (label["uri"], label["val"]) == (SUBJECT, "mail-throttled")
    (answer,) = run("standing", SUBJECT, "--json", "--config", config).lines
    assert answer["standing"] == "throttled"
    assert answer["labels"][0]["rule"] == "operator"
    said = run("label", "negate", SUBJECT, "mail-throttled", "--reason", "spoke with the owner", "--config", config)
    assert f"{SUBJECT}: mail-throttled taken back, by " in said.out
    assert run("label", "list", "--json", "--config", config).lines == []
    (label,) = run("label", "list", "--all", "--json", "--config", config).lines
    assert label["neg"] is True


def test_the_list_is_read_page_by_page_and_by_pattern(
    run: "Run", config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeler.cli.label.PAGE", "2")
    for name in ("a", "b", "c", "d", "e"):
        run("label", "apply", f"did:plc:{name}", "mail-throttled", "--config", config)
    uris = [label["uri"] for label in run("label", "list", "--json", "--config", config).lines]
    assert uris == [f"did:plc:{name}" for name in "abcde"]
    found = run("label", "list", "did:plc:b", "did:plc:e*", "--json", "--config", config).lines
    assert [label["uri"] for label in found] == ["did:plc:b", "did:plc:e"]
    assert run("label", "list", "did:*:b", "--config", config).code == 2


def test_people_see_labels_and_standing_in_tables(run: "Run", config: Path) -> None:
    run("label", "apply", SUBJECT, "mail-throttled", "--config", config)
    run("label", "negate", "did:plc:eve", "clean-sender", "--config", config)
    heading, row = run("label", "list", "--config", config).out.splitlines()
    assert heading.split() == ["uri", "val", "since", "until"]
    assert row.split()[:2] == [SUBJECT, "mail-throttled"]
    out = run("standing", SUBJECT, "--config", config).out
    assert out.startswith(f"{SUBJECT}: throttled (tier new; 20 messages an hour, 480 a day)\n")
    assert "What clears mail-throttled: An operator set it" in out
    assert "more recipients that do not exist until invalid-recipients throttles" in out
    assert run("explain", SUBJECT, "--config", config).out == out
    unknown = run("standing", "did:plc:nobody", "--config", config).out
    assert unknown.startswith("did:plc:nobody: unknown")
    assert "What clears" not in unknown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["apply", SUBJECT, "mail-nonsense"], "Undeclared label value: mail-nonsense"),
        (["apply", "bob", "mail-throttled"], "must be a DID"),
        (["apply", SUBJECT, "mail-throttled", "--hours", "999999999"], "durationInHours"),
        (["negate", SUBJECT, "mail-nonsense"], "Undeclared label value"),
    ],
)
def test_what_may_not_be_decided_is_2(run: "Run", config: Path, words: list[str], message: str) -> None:
    said = run("label", *words, "--config", config)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_one_external_id_decides_once(run: "Run", config: Path) -> None:
    words = ["label", "apply", SUBJECT, "mail-throttled", "--external-id", "ticket-1", "--config", config]
    assert [run(*words).code, run(*words).code] == [0, 2]


def test_the_owner_of_the_token_is_the_operator_at_the_keyboard(
    run: "Run", config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELER_OPERATORS__0__TOKEN_SHA256", hashlib.sha256(b"secret").hexdigest())
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    (view,) = run("label", "apply", SUBJECT, "mail-throttled", "--json", "--config", config).lines
    assert view["createdBy"] == "did:plc:alice"
    monkeypatch.setenv("LABELER_OPERATORS__0__ROLE", "triage")
    said = run("label", "negate", SUBJECT, "mail-throttled", "--config", config)
    assert said.code == 2
    assert "needs role moderator" in said.err
    monkeypatch.setenv("LABELER_TOKEN", "somebody else's")
    (view,) = run("label", "negate", SUBJECT, "mail-throttled", "--json", "--config", config).lines
    assert view["createdBy"] == "did:web:localhost%3A1"


def test_files_that_cannot_be_used_are_named_and_the_silence_too(run: "Run", config: Path) -> None:
    Path("here/policy.toml").write_text("nonsense")
    said = run("standing", SUBJECT, "--config", config)
    assert said.code == 2
    assert f"no labeler answers at {URL}" in said.err
    assert "policy.toml: policy: not TOML" in said.err


# Where one runs: the lock is taken, and requests go to `service.listen`.


@pytest.fixture
def service(config: Path) -> Iterator[respx.MockRouter]:
    data = load_settings(config, {}).service.data_dir
    data.mkdir()
    with FileLock(data / "lock").hold(), respx.mock() as router:
        yield router


def test_a_decision_goes_to_the_service_with_the_token(
    run: "Run", config: Path, service: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    route = service.post(EMIT).respond(json=VIEW)
    said = run(
        "label",
        "apply",
        SUBJECT,
        "mail-throttled",
        "clean-sender",
        "--hours",
        2,
        "--reason",
        "why",
        "--external-id",
        "x",
        "--config",
        config,
    )
    assert said.out == f"{SUBJECT}: mail-throttled, clean-sender applied for 2 hours, by did:plc:alice (event 7)\n"
    request = route.calls.last.request
    assert request.headers["Authorization"] == "Bearer secret"
    assert json.loads(request.content) == {
        "event": {
            "$type": "tools.ozone.moderation.defs#modEventLabel",
            "createLabelVals": ["mail-throttled", "clean-sender"],
            "negateLabelVals": [],
            "durationInHours": 2,
            "comment": "why",
        },
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": SUBJECT},
        "createdBy": "did:web:localhost%3A1",
        "modTool": {"name": "labeler"},
        "externalId": "x",
    }


def test_without_a_token_none_is_sent(run: "Run", config: Path, service: respx.MockRouter) -> None:
    route = service.post(EMIT).respond(json=VIEW)
    assert run("label", "negate", SUBJECT, "mail-throttled", "--json", "--config", config).lines == [VIEW]
    request = route.calls.last.request
    assert "Authorization" not in request.headers
    body = json.loads(request.content)
    assert body["event"]["negateLabelVals"] == ["mail-throttled"]
    assert not {"externalId"} & body.keys()
    assert not {"durationInHours", "comment"} & body["event"].keys()


def test_the_list_follows_the_cursor(run: "Run", config: Path, service: respx.MockRouter) -> None:
    pages = [{"labels": [label("did:plc:a")], "cursor": "5"}, {"labels": [label("did:plc:b") | {"neg": True}]}]
    route = service.get(QUERY).mock(side_effect=[httpx.Response(200, json=page) for page in pages * 2])
    assert run("label", "list", "did:plc:*", "--json", "--config", config).lines == [label("did:plc:a")]
    asked = [call.request.url.params.multi_items() for call in route.calls]
    first = [("uriPatterns", "did:plc:*"), ("limit", "250")]
    assert asked == [first, [*first, ("cursor", "5")]]
    assert len(run("label", "list", "--all", "--json", "--config", config).lines) == 2


def test_standing_shows_what_the_public_may_see(run: "Run", config: Path, service: respx.MockRouter) -> None:
    answer = {"did": SUBJECT, "standing": "good", "labels": [], "tier": "new", "hourlyCap": 100, "dailyCap": 1000}
    service.get(STANDING, params={"did": SUBJECT}).respond(json=answer)
    said = run("standing", SUBJECT, "--config", config)
    assert said.out == f"{SUBJECT}: good (tier new; 100 messages an hour, 1000 a day)\n"


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        (
            httpx.Response(400, json={"error": "DuplicateExternalId", "message": "Seen."}),
            2,
            "DuplicateExternalId: Seen.",
        ),
        (httpx.Response(401, json={"error": "AuthenticationRequired", "message": "Who?"}), 2, "Who? Put the token"),
        (httpx.Response(403, json={"error": "Forbidden", "message": "No."}), 2, "into LABELER_TOKEN"),
        (
            httpx.Response(503, json={"error": "NotEnoughResources", "message": "Later."}),
            3,
            "127.0.0.1:1 answered NotEnou",
        ),
        (httpx.Response(502, html="<h1>Bad gateway</h1>"), 3, "InvalidResponse: it did not answer in XRPC"),
        (httpx.Response(404, json=[]), 2, "InvalidResponse"),
        (httpx.ReadTimeout("slow"), 3, "does not answer: ReadTimeout"),
        (httpx.RemoteProtocolError("gone"), 3, "does not answer: RemoteProtocolError"),
        (httpx.ConnectError("refused"), 2, f"no labeler answers at {URL}, and "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_the_service_refuses_or_cannot_do_is_told(
    run: "Run", config: Path, service: respx.MockRouter, response: Any, code: int, message: str
) -> None:
    service.post(EMIT).mock(side_effect=[response])
    said = run("label", "apply", SUBJECT, "mail-throttled", "--config", config)
    assert (said.code, said.out) == (code, "")
    assert message in said.err


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:1", URL),
        ("[::]:1", "http://[::1]:1"),
        ("[::1]:1", "http://[::1]:1"),
        ("localhost:1", "http://localhost:1"),
    ],
)
def test_a_service_that_listens_everywhere_is_asked_on_this_machine(
    run: "Run", config: Path, service: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, listen: str, url: str
) -> None:
    monkeypatch.setenv("LABELER_SERVICE__LISTEN", listen)
    service.post(EMIT.replace(URL, url)).respond(json=VIEW)
    assert run("label", "apply", SUBJECT, "mail-throttled", "--config", config).code == 0


def label(uri: str) -> dict[str, Any]:
    return {"uri": uri, "val": "mail-throttled", "cts": "2026-03-02T12:00:00.000Z"}
