"""`labeler ask` and `labeler override`: an operator's word about one member, besides its labels."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import respx

from labeler.adapters.lock import FileLock
from labeler.settings import load_settings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

OPERATOR = "http://127.0.0.1:1/xrpc/email.atmos.operator."
SUBJECT = "did:plc:bob"


@pytest.fixture
def service(config: Path) -> Iterator[respx.MockRouter]:
    data = load_settings(config, {}).service.data_dir
    data.mkdir()
    with FileLock(data / "lock").hold(), respx.mock() as router:
        yield router


def test_a_member_is_asked_and_its_standing_says_until_when(run: "Run", config: Path) -> None:
    said = run("ask", SUBJECT, "--comment", "three reports", "--config", config)
    assert said.code == 0
    assert said.out.startswith(f"{SUBJECT} is asked, and has until 20")
    assert "(by did:web:localhost%3A1, event 2)" in said.out
    (answer,) = run("ask", SUBJECT, "--json", "--config", config).lines
    assert set(answer) == {"id", "did", "askedBy", "askedAt", "answerBy", "askedAlready"}
    assert answer["askedAlready"] is True
    assert run("ask", SUBJECT, "--config", config).out.startswith(
        f"{SUBJECT} was asked already, and has until {answer['answerBy']} (by "
    )
    out = run("standing", SUBJECT, "--config", config).out
    assert "Abuse report (routine) of " in out
    assert ": no category, an answer is due 20" in out


def test_a_question_goes_to_the_service_with_the_token(
    run: "Run", config: Path, service: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELER_TOKEN", "secret")
    view = {"id": 7, "did": SUBJECT, "askedBy": "did:plc:alice", "askedAt": "x", "answerBy": "2026-03-04T12:00:00.000Z"}
    route = service.post(OPERATOR + "askMember").respond(json=view)
    assert run("ask", SUBJECT, "--json", "--config", config).lines == [view]
    assert json.loads(route.calls.last.request.content) == {"did": SUBJECT}
    said = run("ask", SUBJECT, "--comment", "why?", "--config", config)
    expected = f"{SUBJECT} is asked, and has until 2026-03-04T12:00:00.000Z (by did:plc:alice, event 7)\n"
    assert said.out == expected
    request = route.calls.last.request
    assert json.loads(request.content) == {"did": SUBJECT, "comment": "why?"}
    assert request.headers["Authorization"] == "Bearer secret"


def test_an_override_is_granted_shown_and_taken_back(run: "Run", config: Path) -> None:
    words = ["--exempt", "velocity", "--exempt", "complaints", "--daily-cap", 5000, "--hours", 72]
    said = run("override", SUBJECT, *words, "--config", config)
    assert said.code == 0
    granted = "not judged by velocity, complaints, 5000 messages a day, until 20"
    assert said.out.startswith(f"{SUBJECT}: {granted}")
    assert "Granted: " + granted in run("standing", SUBJECT, "--config", config).out
    (answer,) = run("override", SUBJECT, "--hourly-cap", 7, "--json", "--config", config).lines
    assert answer["override"] == {"setBy": "did:web:localhost%3A1", "hourlyCap": 7}
    out = run("standing", SUBJECT, "--config", config).out
    assert "Granted: 7 messages an hour, until further notice, granted by did:web:localhost%3A1" in out
    assert "unknown (tier new; 7 messages an hour, 1000 a day)" in out
    assert f"{SUBJECT}: nothing is granted any more" in run("override", SUBJECT, "--withdraw", "--config", config).out
    assert "Granted" not in run("standing", SUBJECT, "--config", config).out


def test_an_override_goes_to_the_service(run: "Run", config: Path, service: respx.MockRouter) -> None:
    route = service.post(OPERATOR + "setOverride").respond(json={"id": 7, "did": SUBJECT, "setAt": "x"})
    run("override", SUBJECT, "--exempt", "velocity", "--hours", 3, "--comment", "why", "--config", config)
    sent = {"did": SUBJECT, "exempt": ["velocity"], "durationInHours": 3, "comment": "why"}
    assert json.loads(route.calls.last.request.content) == sent
    assert run("override", SUBJECT, "--withdraw", "--config", config).code == 0
    assert json.loads(route.calls.last.request.content) == {"did": SUBJECT}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ask", "bob"], "must be a DID"),
        (["ask", SUBJECT, "--comment", "x" * 4001], "comment"),
        (["override", "bob", "--hourly-cap", "5"], "must be a DID"),
        (["override", SUBJECT], "say what is granted"),
        (["override", SUBJECT, "--comment", "x"], "say what is granted"),
        (["override", SUBJECT, "--hours", "5"], "needs something that is granted"),
        (["override", SUBJECT, "--withdraw", "--daily-cap", "5"], "takes everything back"),
        (["override", SUBJECT, "--daily-cap", "0"], "--daily-cap"),
        (["override", SUBJECT, "--daily-cap", "5", "--hours", "999999999"], "durationInHours"),
        (["override", SUBJECT, "--exempt", "gravity"], "no rule gravity. Its rules: auth-mail-flood, "),
    ],
)
def test_what_cannot_be_meant_is_2(run: "Run", config: Path, words: list[str], message: str) -> None:
    said = run(*words, "--config", config)
    assert (said.code, said.out) == (2, "")
    assert message in " ".join(said.err.replace("│", " ").split())
