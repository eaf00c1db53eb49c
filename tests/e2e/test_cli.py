"""The installed program as an operator types it: set up, serve, decide, look, replay, stop, and decide without it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.cli import calls, main

LABELER = Path(sys.executable).with_name("labeler")
RELAY, OPERATOR, SUBJECT = "did:web:smtp.example.com", "did:plc:postmaster", "did:plc:bob"
LIMIT_S = 30


@dataclass
class Place:
    """One installation, with the tokens that `init` showed."""

    config: Path
    url: str
    tokens: dict[str, str]

    def run(self, *words: object, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one verb on this configuration and let it end."""
        return labeler(*words, "--config", self.config, token=token)

    def lines(self, *words: object, token: str | None = None) -> list[Any]:
        """Run one verb that must succeed; its answer as JSON, line by line."""
        done = self.run(*words, "--json", token=token)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    @contextmanager
    def serving(self) -> Iterator["subprocess.Popen[str]"]:
        """Run the service until the block ends; it must end in good order."""
        with (self.config.parent / "service.log").open("a") as log:
            process = subprocess.Popen(
                [LABELER, "serve", "--config", self.config],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environ(),
            )
        watchdog = threading.Timer(LIMIT_S, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            assert f"listens on {self.url}" in process.stdout.readline()
            yield process
        finally:
            process.terminate()
            code = process.wait(LIMIT_S)
            watchdog.cancel()
            assert process.stdout is not None
            process.stdout.close()
        assert code == 0


def environ(token: str | None = None) -> dict[str, str]:
    """The environment of a verb: ours, with that token or none."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LABELER_", "COV_"))}
    return clean | ({"LABELER_TOKEN": token} if token is not None else {})


def labeler(*words: object, token: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LABELER, *map(str, words)], capture_output=True, text=True, timeout=LIMIT_S, check=False, env=environ(token)
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """What `labeler init` makes for a trial on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = labeler(
        "init",
        tmp_path / "here",
        "--hostname",
        f"localhost:{port}",
        "--relay-did",
        RELAY,
        "--operator-did",
        OPERATOR,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return Place(Path(answer["config"]), f"http://127.0.0.1:{port}", answer["tokens"])


def test_from_an_empty_folder_to_a_decision_and_back(place: Place) -> None:
    assert place.run("check-config").returncode == 0
    token = place.tokens["operator"]
    with place.serving():
        refused = place.run("label", "apply", SUBJECT, "mail-throttled")
        assert refused.returncode == 2
        assert "LABELER_TOKEN" in refused.stderr
        refused = place.run("label", "apply", SUBJECT, "mail-throttled", token=place.tokens["relay"])
        assert refused.returncode == 2
        assert "Forbidden" in refused.stderr

        done = place.run("label", "apply", SUBJECT, "mail-throttled", "--hours", 48, token=token)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"applied for 48 hours, by {OPERATOR}" in done.stdout
        (label,) = place.lines("label", "list", SUBJECT)
        assert (label["uri"], label["val"], label["src"]) == (SUBJECT, "mail-throttled", did(place))
        assert place.run("label", "list").stdout.splitlines()[1].split()[:2] == [SUBJECT, "mail-throttled"]

        (public,) = place.lines("standing", SUBJECT)
        assert public["standing"] == "throttled"
        assert "findings" not in public
        (full,) = place.lines("explain", SUBJECT, token=token)
        assert full["clears"][0]["val"] == "mail-throttled"

        second = place.run("serve")
        assert second.returncode == 2
        assert "held by another process" in second.stderr

    # Nobody runs now: the same verbs work on the files.
    done = place.run("label", "negate", SUBJECT, "mail-throttled", token=token)
    assert done.returncode == 0, done.stderr
    assert f"taken back, by {OPERATOR}" in done.stdout
    assert place.lines("label", "list") == []
    assert place.lines("standing", SUBJECT)[0]["standing"] == "unknown"
    with place.serving():
        (label,) = place.lines("label", "list", "--all")
        assert label["neg"] is True


def test_replay_of_the_running_service_s_log_is_what_it_published(place: Place) -> None:
    with place.serving():
        headers = {"Authorization": f"Bearer {place.tokens['relay']}"}
        body = {"events": list(bounces(datetime.now(UTC) - timedelta(hours=5)))}
        answer = httpx.post(f"{place.url}/xrpc/email.atmos.telemetry.submitEvents", json=body, headers=headers)
        assert answer.json()["accepted"] == len(body["events"])
        done = place.run("label", "apply", "did:plc:eve", "mail-throttled", token=place.tokens["operator"])
        assert done.returncode == 0, done.stderr
        replayed = place.lines("replay", "--sign")
        assert [label["val"] for label in replayed] == ["relay-member", "mail-suspended", "mail-throttled"]
        assert stream(place.url, len(replayed)) == replayed
        changes = place.lines("replay")
        assert [change["rule"] for change in changes] == ["enrolled", "invalid-recipients", OPERATOR]
    assert place.lines("replay", "--sign") == replayed


def test_a_label_is_explained_checked_asked_about_and_overridden(place: Place) -> None:
    """Over XRPC to the running service; the script reads the log beside it."""
    token = place.tokens["operator"]
    with place.serving():
        body = {"events": list(bounces(datetime.now(UTC) - timedelta(hours=5)))}
        headers = {"Authorization": f"Bearer {place.tokens['relay']}"}
        httpx.post(f"{place.url}/xrpc/email.atmos.telemetry.submitEvents", json=body, headers=headers)
        (asked,) = place.lines("ask", SUBJECT, "--comment", "why so many?", token=token)  # judged after the bounces
        assert asked["askedBy"] == OPERATOR
        assert place.run("explain", SUBJECT, "mail-suspended").returncode == 2, "not without a token"
        done = place.run("explain", SUBJECT, "mail-suspended", token=token)
        assert "Rule invalid-recipients (suspend): " in done.stdout
        (answer,) = place.lines("explain", SUBJECT, "mail-suspended", token=token)
        evidence, log = place.config.parent / "evidence.json", place.config.parent / "data" / "telemetry.sqlite"
        evidence.write_text(json.dumps(answer))
        script = [sys.executable, "conformance/check_evidence.py", str(evidence), str(log)]
        checked = subprocess.run(script, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
        words = ["--exempt", "invalid-recipients", "--hours", 72]
        (granted,) = place.lines("override", SUBJECT, *words, token=token)
        assert granted["override"]["exempt"] == ["invalid-recipients"]
    (standing,) = place.lines("standing", SUBJECT, token=token)
    assert standing["override"] == granted["override"]
    assert standing["reports"][0]["answerBy"][:16] == asked["answerBy"][:16]


def test_a_service_that_does_not_answer_is_3(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calls, "TIMEOUT_SECONDS", 0.5)
    with place.serving() as process:
        process.send_signal(signal.SIGSTOP)
        try:
            code = main(["standing", SUBJECT, "--config", str(place.config)])
        finally:
            process.send_signal(signal.SIGCONT)
    assert code == 3
    assert f"the labeler at {place.url} does not answer" in capsys.readouterr().err


def test_a_service_told_to_stop_as_soon_as_it_is_ready_stops_in_good_order(place: Place) -> None:
    with place.serving() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def test_a_wrong_configuration_stops_the_start_with_2_and_no_traceback(place: Place) -> None:
    place.config.write_text(place.config.read_text().replace("policy_file", "polcy_file"))
    for verb in (["serve"], ["check-config"], ["standing", SUBJECT], ["replay"]):
        done = place.run(*verb)
        assert done.returncode == 2
        assert done.stderr == f"labeler: {place.config}: service.polcy_file: unknown key; did you mean policy_file?\n"


def test_machines_are_told_where_the_service_listens(place: Place) -> None:
    with subprocess.Popen(
        [LABELER, "serve", "--json", "--config", place.config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ() | {"LABELER_SERVICE__LISTEN": "127.0.0.1:0"},
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert httpx.get(told["url"] + "/livez").status_code == 200
        assert told["did"] == did(place)
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 0


def did(place: Place) -> str:
    return f"did:web:localhost%3A{place.url.rpartition(':')[2]}"


def bounces(start: datetime) -> Iterator[dict[str, Any]]:
    """A member is enrolled, and every second recipient does not exist."""
    yield {"id": "enrolled", "kind": "enrolled", "did": SUBJECT, "at": start.isoformat()}
    for number in range(40):
        mail = {
            "did": SUBJECT,
            "at": (start + timedelta(minutes=number)).isoformat(),
            "messageId": f"m{number}",
            "recipient": f"{number:032x}",
            "recipientDomain": "example.net",
        }
        yield {"id": f"a{number}", "kind": "accepted", **mail}
        outcome = ("delivered", 250, "2.0.0") if number % 2 else ("bounced", 550, "5.1.1")
        kind, code, status = outcome
        yield {"id": f"o{number}", "kind": kind, "smtpCode": code, "status": status, **mail}


def stream(url: str, count: int) -> list[dict[str, Any]]:
    """The first labels of the stream, as JSON."""
    labels: list[dict[str, Any]] = []
    address = f"{url.replace('http', 'ws', 1)}/xrpc/com.atproto.label.subscribeLabels?cursor=0"
    with connect(address, open_timeout=LIMIT_S) as socket_:
        while len(labels) < count:
            message = socket_.recv(LIMIT_S)
            assert isinstance(message, bytes)
            frame = decode_frame(message)
            assert isinstance(frame, LabelsFrame)
            labels += [label.to_json() for label in frame.labels]
    return labels
