"""`labeler case`, `removal`, `automation` and `members`: on the files, or over XRPC where a service runs."""

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

OPERATOR = "http://127.0.0.1:1/xrpc/email.atmos.operator."
SUBJECT, SELF = "did:plc:bob", "did:web:localhost%3A1"
CASE = {
    "number": 7,
    "kind": "suspension",
    "about": SUBJECT,
    "state": "open",
    "urgency": "urgent",
    "escalated": True,
    "openedAt": "2026-03-02T12:00:00.000Z",
    "text": "too many",
    "revision": 1,
    "allowed": [],
}


@pytest.fixture
def service(config: Path) -> Iterator[respx.MockRouter]:
    data = load_settings(config, {}).service.data_dir
    data.mkdir()
    with FileLock(data / "lock").hold(), respx.mock() as router:
        yield router


# Where no service runs


def test_a_case_is_listed_shown_claimed_decided_and_opened_again(run: "Run", config: Path) -> None:
    at = ["--config", config]
    assert run("case", "list", *at).out == "Nothing waits.\n"
    run("label", "apply", SUBJECT, "mail-suspended", "--hours", 300, "--reason", "bought a list", *at)
    heading, row = run("case", "list", "--kind", "suspension", "--about", SUBJECT, *at).out.splitlines()
    assert heading.split() == ["case", "kind", "about", "urgency", "opened", "state", "assignee", "what"]
    assert row.split()[:4] == ["1", "suspension", SUBJECT, "routine"]
    assert row.endswith("bought a list")
    out = run("case", "show", 1, *at).out
    assert f"Case 1: suspension about {SUBJECT}, routine, open" in out
    assert "revision 0, claimed by nobody: bought a list" in out
    assert f"{SUBJECT} is suspended; labels: mail-suspended" in out
    assert "Evidence bafyrei" in out
    assert "Next reminder " in out
    assert "one of exempt, hourlyCap, dailyCap, (durationInHours)" in out
    said = run("case", "claim", 1, "--comment", "mine", *at)
    assert said.out == f"Case 1 (suspension, {SUBJECT}): claimed, revision 1\n"
    assert [case["number"] for case in run("case", "list", "--assignee", "me", "--json", *at).lines] == [1]
    assert run("case", "comment", 1, "hm", *at).out.endswith("commented on, revision 2\n")
    assert run("case", "release", 1, *at).out.endswith("released, revision 3\n")
    stale = run("case", "resolve", 1, "lift", "--revision", 0, *at)
    assert (stale.code, "case 1 is at revision 3 now" in stale.err) == (2, True)
    said = run("case", "resolve", 1, "lift", "--revision", 3, "--hours", 48, "--comment", "heard", *at)
    assert said.out.endswith("resolved: lift, revision 4\n")
    assert run("label", "list", "--json", *at).lines == []
    assert run("case", "list", "--escalated", *at).out == "Nothing waits.\n"
    (case,) = run("case", "list", "--state", "all", "--json", *at).lines
    assert case["resolution"] == "lift"
    assert "closed by did:web:localhost%3A1: lift" in run("case", "show", 1, *at).out
    assert run("case", "reopen", 1, *at).out.endswith("open again, revision 5\n")
    (answer,) = run("case", "show", 1, "--json", *at).lines
    assert [entry["what"] for entry in answer["entries"]][-1] == "reopen"


def test_overridden_with_all_its_terms(run: "Run", config: Path) -> None:
    at = ["--config", config]
    run("label", "apply", SUBJECT, "mail-suspended", *at)
    words = ["--exempt", "velocity", "--hourly-cap", 50, "--daily-cap", 500, "--hours", 72]
    (answer,) = run("case", "resolve", 1, "override", *words, "--json", *at).lines
    assert answer["case"]["resolution"] == "override"
    (standing,) = run("standing", SUBJECT, "--json", *at).lines
    assert standing["override"]["exempt"] == ["velocity"]
    assert (standing["override"]["hourlyCap"], standing["override"]["dailyCap"]) == (50, 500)


def test_a_removal_is_proposed_and_needs_another(run: "Run", config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = ["--config", config]
    said = run("removal", "propose", SUBJECT, "--comment", "again", *at)
    assert said.out.startswith(f"{SUBJECT}: removal proposed as case 1, and nothing applied yet. Another admin must")
    assert f"{SELF} may confirm it alone from 20" in said.out
    said = run("removal", "confirm", SUBJECT, *at)
    assert (said.code, "Another admin must confirm a removal" in said.err) == (2, True)
    assert run("label", "list", "--json", *at).lines == []
    monkeypatch.setenv("LABELER_OPERATORS__0__TOKEN_SHA256", hashlib.sha256(b"secret").hexdigest())
    monkeypatch.setenv("LABELER_OPERATORS__0__ROLE", "admin")
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    said = run("removal", "confirm", SUBJECT, *at)
    assert said.out == f"{SUBJECT}: removed with its domains, by did:plc:alice (event 3)\n"
    (label,) = run("label", "list", "--json", *at).lines
    assert label["val"] == "mail-removed"


def test_applying_mail_removed_says_that_it_only_proposed_and_then_that_it_applied(
    run: "Run", config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ["--config", config]
    said = run("label", "apply", SUBJECT, "mail-removed", *at)
    assert said.code == 0
    assert said.out.startswith(f"{SUBJECT}: removal proposed, and nothing applied yet; another admin must confirm it")
    assert run("label", "list", "--json", *at).lines == []
    monkeypatch.setenv("LABELER_OPERATORS__0__TOKEN_SHA256", hashlib.sha256(b"secret").hexdigest())
    monkeypatch.setenv("LABELER_OPERATORS__0__ROLE", "admin")
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    assert (
        f"{SUBJECT}: mail-removed applied, by did:plc:alice" in run("label", "apply", SUBJECT, "mail-removed", *at).out
    )


def test_the_rules_pause_pretend_and_go_on(run: "Run", config: Path) -> None:
    at = ["--config", config]
    assert run("automation", "show", *at).out == "enforce: the rules decide\n"
    said = run("automation", "pause", "--comment", "a relay talks nonsense", *at)
    assert said.out.startswith(f"pause: the rules rest, by {SELF} since 20")
    assert said.out.endswith(": a relay talks nonsense (event 2)\n")
    (answer,) = run("automation", "shadow", "--json", *at).lines
    assert answer["automation"]["mode"] == "shadow"
    assert "only record what they would decide" in run("automation", "show", *at).out
    assert run("automation", "resume", *at).out.startswith("enforce: the rules decide, by ")
    (answer,) = run("automation", "show", "--json", *at).lines
    assert answer["automation"]["mode"] == "enforce"


def test_members_are_listed(run: "Run", config: Path) -> None:
    at = ["--config", config]
    for name in ("a", "b", "c"):
        run("label", "apply", f"did:plc:{name}", "mail-throttled", *at)
    heading, *rows = run("members", *at).out.splitlines()
    assert heading.split() == ["did", "standing", "accepted", "cases", "rates"]
    assert [row.split() for row in rows] == [[f"did:plc:{name}", "throttled", "0", "0", "–"] for name in "abc"]
    assert [row["did"] for row in run("members", "plc:b", "--json", *at).lines] == ["did:plc:b"]
    assert run("members", "--standing", "good", "--sort", "invalid", "--json", *at).lines == []
    said = run("members", "--sort", "beauty", *at)
    assert (said.code, "sort must be one of" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["case", "show", "7"], "There is no case 7"),
        (["case", "resolve", "7", "lift"], "There is no case 7"),
        (["case", "claim", "0"], "equal to 1"),
        (["case", "comment", "7", ""], "comment"),
        (["removal", "propose", "bob"], "did must be a DID"),
        (["removal", "confirm", SUBJECT], "Nobody proposed"),
        (["case", "list", "--state", "half"], "state must be one of"),
    ],
)
def test_what_cannot_be_done_is_2(run: "Run", config: Path, words: list[str], message: str) -> None:
    said = run(*words, "--config", config)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


# Where one runs


def test_lists_follow_their_cursors_up_to_the_limit(run: "Run", config: Path, service: respx.MockRouter) -> None:
    pages = [{"cases": [CASE], "cursor": "abc"}, {"cases": [CASE]}]
    route = service.get(OPERATOR + "listCases").mock(side_effect=[httpx.Response(200, json=page) for page in pages * 2])
    assert run("case", "list", "--urgency", "urgent", "--json", "--config", config).lines == [CASE, CASE]
    asked = [call.request.url.params.multi_items() for call in route.calls]
    first = [("state", "open"), ("urgency", "urgent"), ("limit", "100")]
    assert asked == [first, [*first, ("cursor", "abc")]]
    (row,) = run("case", "list", "--limit", 1, "--escalated", "--config", config).out.splitlines()[1:]
    assert row.split()[3:5] == ["urgent", "!"]
    assert route.calls.last.request.url.params.multi_items()[1:] == [("escalated", "true"), ("limit", "1")]


def test_members_follow_their_cursor_too(run: "Run", config: Path, service: respx.MockRouter) -> None:
    rate = {"rule": "invalid-recipients", "k": 3, "n": 9}
    row = {"did": SUBJECT, "standing": "good", "labels": [], "accepted": 9, "openCases": 0, "rates": [rate]}
    page = httpx.Response(200, json={"standings": [row], "cursor": "abc"})
    route = service.get(OPERATOR + "listStandings").mock(return_value=page)
    out = run("members", "--limit", 2, "--config", config).out
    assert out.count("invalid-recipients 3/9") == 2
    assert route.calls.last.request.url.params.multi_items() == [("sort", "did"), ("limit", "1"), ("cursor", "abc")]


def test_a_decision_goes_to_the_service_with_the_token(
    run: "Run", config: Path, service: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    removal = CASE | {"number": 9, "kind": "removal"}
    answers: list[dict[str, Any]] = [
        {"id": 5, "case": CASE},
        {"id": 6, "case": CASE, "removal": removal},
        {"id": 7, "case": CASE, "pending": True},
    ]
    route = service.post(OPERATOR + "resolveCase").mock(
        side_effect=[httpx.Response(200, json=answer) for answer in answers]
    )
    said = run("case", "resolve", 7, "uphold", "--hours", 5, "--revision", 0, "--comment", "why", "--config", config)
    assert said.out == f"Case 7 (suspension, {SUBJECT}): resolved: uphold, revision 1\n"
    request = route.calls.last.request
    assert request.headers["Authorization"] == "Bearer secret"
    assert json.loads(request.content) == {
        "number": 7,
        "resolution": "uphold",
        "durationInHours": 5,
        "revision": 0,
        "comment": "why",
    }
    said = run("case", "resolve", 7, "remove", "--config", config)
    assert f"stays open; the removal of {SUBJECT} is proposed as case 9" in said.out
    said = run("case", "resolve", 7, "lift", "--config", config)
    assert said.out.endswith("; it takes effect as soon as the labels can be written\n")


def test_a_case_shows_its_clocks_and_what_clears_its_label(run: "Run", config: Path, service: respx.MockRouter) -> None:
    case = CASE | {"assignee": "did:plc:alice", "answerBy": "2026-03-04T12:00:00.000Z"}
    member = {"did": SUBJECT, "standing": "good", "labels": [], "clears": [{"val": "mail-throttled", "text": "time"}]}
    answer = {"case": case, "entries": [], "resolutions": [], "member": member}
    service.get(OPERATOR + "getCase", params={"number": 7}).respond(json=answer)
    out = run("case", "show", 7, "--config", config).out
    assert "urgent, escalated, open" in out
    assert "claimed by did:plc:alice" in out
    assert "An answer is due 2026-03-04T12:00:00.000Z" in out
    assert f"{SUBJECT} is good; labels: none" in out
    assert "What clears mail-throttled: time" in out
    del answer["member"]
    service.get(OPERATOR + "getCase", params={"number": 7}).respond(json=answer)
    assert "is good" not in run("case", "show", 7, "--config", config).out


def test_what_holds_the_rules_back_is_told(run: "Run", config: Path, service: respx.MockRouter) -> None:
    found = {"mode": "enforce", "policyMode": "shadow", "breakerClosed": False}
    service.get(OPERATOR + "getAutomation").respond(json={"automation": found})
    out = run("automation", "show", "--config", config).out
    assert out == ("enforce: the rules decide; the policy itself is in shadow; the breaker holds suspensions back\n")
    answer = {"id": 5, "automation": found, "pending": True}
    service.post(OPERATOR + "setAutomation").respond(json=answer)
    assert "as soon as the labels can be written" in run("automation", "resume", "--config", config).out


def test_a_proposal_not_taken_in_yet_names_no_case(run: "Run", config: Path, service: respx.MockRouter) -> None:
    removal = {"id": 5, "did": SUBJECT, "state": "proposed", "by": "did:plc:alice", "at": "x", "pending": True}
    service.post(OPERATOR + "proposeRemoval").respond(json={"removal": removal})
    said = run("removal", "propose", SUBJECT, "--config", config)
    assert said.out == f"{SUBJECT}: removal proposed, and nothing applied yet. Another admin must confirm it\n"
    service.post(OPERATOR + "confirmRemoval").respond(json={"removal": removal})
    assert run("removal", "confirm", SUBJECT, "--comment", "y", "--json", "--config", config).lines == [
        {"removal": removal}
    ]
