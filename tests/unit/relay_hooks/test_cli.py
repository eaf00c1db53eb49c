"""`relay-hooks` from the command line: what it prints, and what it ends with."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import respx

from relay_hooks.cli import DONE, FAILED, UNREACHABLE, USAGE, main

URL = "https://labeler.test"
EVENT = '{"id":"e1","kind":"accepted","did":"did:plc:alice","at":"2026-01-02T03:04:05Z"}\n'

Feed = Callable[[str], None]
CaptureText = pytest.CaptureFixture[str]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Return what puts text on standard input; the token is set too."""
    monkeypatch.setenv("RELAY_HOOKS_TOKEN", "s3cret")

    def put(text: str) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    return put


@pytest.fixture
def labeler(respx_mock: respx.MockRouter) -> respx.Route:
    def take(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer s3cret"
        count = request.content.count(b'"id"')
        return httpx.Response(200, json={"accepted": count, "duplicates": 0, "rejected": []})

    return respx_mock.post(f"{URL}/xrpc/email.atmos.telemetry.submitEvents").mock(side_effect=take)


def report(tmp_path: Path, *more: str) -> int:
    return main(["report", "--labeler", URL, "--spool", str(tmp_path / "spool"), *more])


def test_version(capsys: CaptureText) -> None:
    assert main(["version"]) == DONE
    assert capsys.readouterr().out.startswith("relay-hooks 0.")


@pytest.mark.usefixtures("labeler")
def test_events_from_standard_input_are_sent(feed: Feed, tmp_path: Path, capsys: CaptureText) -> None:
    feed(EVENT + "\n" + EVENT.replace("e1", "e2"))
    assert report(tmp_path) == DONE
    assert capsys.readouterr().out.startswith("2 sent, 0 duplicates, 0 rejected, 0 dropped, 0 waiting in ")


@pytest.mark.usefixtures("labeler")
def test_more_events_than_the_buffer_holds_are_all_sent(feed: Feed, tmp_path: Path, capsys: CaptureText) -> None:
    feed("".join(EVENT.replace("e1", f"e{number}") for number in range(25_000)))
    assert report(tmp_path, "--json") == DONE
    counts = json.loads(capsys.readouterr().out)
    assert (counts["sent"], counts["dropped"]) == (25_000, {})


@pytest.mark.usefixtures("labeler")
def test_a_line_that_is_no_event_is_told_and_the_rest_is_sent(feed: Feed, tmp_path: Path, capsys: CaptureText) -> None:
    feed('not json\n{"id":"e9"}\n' + EVENT)
    assert report(tmp_path) == FAILED
    captured = capsys.readouterr()
    assert captured.out.startswith("1 sent, 0 duplicates, 2 rejected")
    assert captured.err.count("not an event") == 2


def test_what_the_labeler_refuses_is_told(
    feed: Feed, tmp_path: Path, capsys: CaptureText, labeler: respx.Route
) -> None:
    rejected = [{"index": 0, "error": "TooOld", "message": "The event is more than 7 days old."}]
    labeler.mock(return_value=httpx.Response(200, json={"accepted": 0, "duplicates": 0, "rejected": rejected}))
    feed(EVENT)
    assert report(tmp_path) == FAILED
    assert "e1: TooOld: The event is more than 7 days old." in capsys.readouterr().err


def test_with_the_labeler_away_events_wait_in_the_spool(
    feed: Feed, tmp_path: Path, capsys: CaptureText, labeler: respx.Route
) -> None:
    take = labeler.side_effect
    labeler.mock(return_value=httpx.Response(503), side_effect=None)
    feed(EVENT)
    assert report(tmp_path, "--timeout", "0.1") == UNREACHABLE
    captured = capsys.readouterr()
    assert "1 waiting in" in captured.out
    assert "HTTP 503" in captured.err
    labeler.mock(side_effect=take)
    feed("")
    assert report(tmp_path) == DONE
    assert capsys.readouterr().out.startswith("1 sent")


@pytest.mark.usefixtures("labeler")
def test_the_token_may_come_from_a_file(
    feed: Feed, tmp_path: Path, capsys: CaptureText, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(EVENT)
    monkeypatch.delenv("RELAY_HOOKS_TOKEN")
    assert report(tmp_path) == USAGE
    assert "set RELAY_HOOKS_TOKEN or give --token-file" in capsys.readouterr().err
    assert report(tmp_path, "--token-file", str(tmp_path / "absent")) == USAGE
    (tmp_path / "token").write_text("s3cret\n")
    assert report(tmp_path, "--token-file", str(tmp_path / "token")) == DONE


def test_usage_errors_end_with_2(feed: Feed, capsys: CaptureText) -> None:
    feed("")
    for arguments in ([], ["unknown"], ["report"], ["follow"], ["report", "--labeler", URL, "--token", "on the line"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == USAGE
    assert main(["report", "--labeler", "no url"]) == USAGE
    assert main(["follow", "--labeler", "no DID"]) == USAGE
    assert "give its URL" in capsys.readouterr().err


def test_following_somebody_who_is_not_there_ends_with_3(respx_mock: respx.MockRouter, capsys: CaptureText) -> None:
    respx_mock.get("https://labeler.test/.well-known/did.json").respond(404)
    assert main(["follow", "--labeler", "did:web:labeler.test", "--seconds", "0.2"]) == UNREACHABLE
    assert "answered 404" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["report", "follow"])
def test_help_has_an_example(verb: str, capsys: CaptureText) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == DONE
    assert "example: relay-hooks" in capsys.readouterr().out
