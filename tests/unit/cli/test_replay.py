"""`labeler replay`: which labels recorded telemetry leads to, for people, for machines, signed."""

import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from labeler.adapters.keyfile import KeyFileSigner
from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label
from labeler.cli import console

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOOD, BAD = "did:plc:good", "did:plc:bad"


def story() -> Iterator[dict[str, Any]]:
    """Two members send for a day; every third recipient of one of them does not exist."""
    yield {"id": "good", "kind": "enrolled", "did": GOOD, "at": START.isoformat()}
    yield {"id": "bad", "kind": "enrolled", "did": BAD, "at": START.isoformat()}
    for number in range(160):
        did = (GOOD, BAD)[number % 2]
        mail = {
            "did": did,
            "at": (START + timedelta(minutes=9 * number)).isoformat(),
            "messageId": f"m{number}",
            "recipient": f"{number:032x}",
        }
        yield {"id": f"a{number}", "kind": "accepted", **mail}
        if did == BAD and number % 3 == 0:
            yield {"id": f"o{number}", "kind": "bounced", "smtpCode": 550, "status": "5.1.1", **mail}
        else:
            yield {"id": f"o{number}", "kind": "delivered", "smtpCode": 250, **mail}


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in story()))
    return path


def test_each_line_is_one_label_change(run: "Run", events: Path) -> None:
    said = run("replay", "--json", events)
    assert said.code == 0
    assert [(line["uri"], line["val"], line.get("neg", False)) for line in said.lines] == [
        (BAD, "relay-member", False),
        (GOOD, "relay-member", False),
        (BAD, "mail-throttled", False),
        (BAD, "mail-suspended", False),
        (BAD, "mail-throttled", True),
        (GOOD, "clean-sender", False),
    ]
    assert all(set(line) - {"neg", "exp"} == {"at", "uri", "val", "rule", "finding"} for line in said.lines)
    assert ["exp" in line for line in said.lines] == [False, False, True, True, False, True]


def test_a_finding_carries_the_numbers_or_at_least_the_reason(run: "Run", events: Path) -> None:
    lines = run("replay", "--json", events).lines
    assert lines[0]["finding"] == {"text": "enrolled with the relay"}
    finding = lines[2]["finding"]
    assert lines[2]["rule"] == finding["rule"] == "invalid-recipients"
    assert finding["k"] == 3
    assert finding["thresholdPpm"] == 50_000
    assert lines[4]["finding"] == {"text": "replaced by the suspension"}


def test_what_was_read_and_under_which_policy_goes_to_stderr(run: "Run", events: Path) -> None:
    said = run("replay", "--json", events, events)
    assert "644 events, 322 duplicates, 0 refused" in said.err
    assert "label changes: 6; policy default, sha256 " in said.err


def test_people_get_a_table(run: "Run", events: Path) -> None:
    said = run("replay", events)
    heading, *rows = said.out.splitlines()
    assert heading.split() == ["at", "uri", "change", "until", "by", "why"]
    assert "+mail-throttled" in rows[2]
    assert "3 distinct recipients that do not exist, of 8 " in rows[2]
    assert any("−mail-throttled" in row for row in rows)


def test_the_same_file_gives_the_same_bytes_in_every_packing_and_process(run: "Run", events: Path) -> None:
    until = ["--until", "2026-05-01T00:00:00Z"]
    expected = run("replay", "--json", events, *until)
    assert "unreviewed" in expected.out
    for name, raw in (
        ("again.ndjson", events.read_bytes()),
        ("events.gz", gzip.compress(events.read_bytes())),
        ("events.zst", zstandard.compress(events.read_bytes())),
    ):
        Path(name).write_bytes(raw)
        assert run("replay", "--json", name, *until).out == expected.out
    for seed in ("1", "2"):
        elsewhere = subprocess.run(
            [sys.executable, "-m", "labeler", "replay", "--json", "-", *until],
            input=events.read_bytes(),
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert elsewhere.stdout.decode() == expected.out


def test_time_runs_on_as_far_as_told(run: "Run", events: Path) -> None:
    lines = run("replay", "--json", events).lines
    (suspended,) = [line for line in lines if line["val"] == "mail-suspended"]
    before = run("replay", "--json", events, "--until", suspended["exp"])
    assert before.lines[:-1] == lines
    assert before.lines[-1]["val"] == "mail-throttled"
    assert before.lines[-1]["at"] == suspended["exp"]
    assert before.lines[-1]["rule"] == "unreviewed"


def test_an_until_that_is_no_time_is_2(run: "Run", events: Path) -> None:
    said = run("replay", events, "--until", "tomorrow")
    assert said.code == 2
    assert "--until" in said.err


def test_another_policy_judges_otherwise(run: "Run", events: Path, config: Path) -> None:
    policy = Path("lenient.toml")
    shipped = Path("here/policy.toml").read_text()
    policy.write_text(re.sub(r"min_events = (\d+)", r"min_events = \g<1>00", shipped))
    vals = {line["val"] for line in run("replay", "--json", events, "--policy", policy).lines}
    assert vals == {"relay-member", "clean-sender"}
    # The configured one is taken where there is a configuration, by name or at its usual place.
    Path("here/policy.toml").write_text(policy.read_text())
    assert {line["val"] for line in run("replay", "--json", events, "--config", config).lines} == vals
    assert len(run("replay", "--json", events).lines) == 6
    Path("labeler.toml").write_text(config.read_text().replace("./", "./here/"))
    assert {line["val"] for line in run("replay", "--json", events).lines} == vals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["events.ndjson", "--config", "none.toml"], "none.toml: no such file"),
        (["events.ndjson", "--policy", "none.toml"], "none.toml: the policy cannot be read"),
        (["none.ndjson"], "none.ndjson: cannot be read"),
        (["events.ndjson", "--sign"], "labeler.toml: no such file"),
        ([], "labeler.toml: no such file"),
    ],
)
def test_what_is_missing_is_named(run: "Run", events: Path, words: list[str], message: str) -> None:
    said = run("replay", *words)
    assert said.code == 2
    assert message in said.err


def test_a_malformed_line_is_2_with_file_and_number(run: "Run", events: Path) -> None:
    with events.open("a") as file:
        file.write("{}\n")
    said = run("replay", "--json", events)
    assert said.code == 2
    assert "events.ndjson, line 323: not a telemetry event" in said.err


def test_signed_labels_verify_under_the_configured_key(run: "Run", events: Path, config: Path) -> None:
    signed = [Label.from_json(line) for line in run("replay", "--sign", events, "--config", config).lines]
    key = PublicKey.from_did_key(KeyFileSigner(Path("here/signing.key")).key_id)
    assert all(verify_label(label, key) for label in signed)
    assert {label.src for label in signed} == {"did:web:localhost%3A1"}
    lines = run("replay", "--json", events, "--config", config).lines
    assert [(label.cts, label.uri, label.val, label.exp) for label in signed] == [
        (line["at"], line["uri"], line["val"], line.get("exp")) for line in lines
    ]


def test_the_configured_log_is_replayed_as_it_was_judged(run: "Run", config: Path) -> None:
    run("label", "apply", BAD, "mail-throttled", "--hours", 48, "--reason", "list import", "--config", config)
    run("label", "negate", BAD, "mail-throttled", "--config", config)
    published = run("label", "list", "--all", "--json", "--config", config).lines
    said = run("replay", "--config", config, "--sign")
    assert said.lines[-1:] == published
    assert [line["val"] for line in said.lines] == ["mail-throttled"] * 2
    (first, _) = run("replay", "--config", config, "--json").lines
    assert first["finding"] == {"text": "list import"}
    assert first["rule"] == "did:web:localhost%3A1"


def test_the_configured_log_under_another_policy_keeps_what_people_decided(run: "Run", config: Path) -> None:
    run("label", "apply", BAD, "mail-suspended", "--hours", 1, "--config", config)
    other = Path("other.toml")
    other.write_text(Path("here/policy.toml").read_text().replace('name = "default"', 'name = "other"'))
    said = run("replay", "--config", config, "--policy", other, "--json", "--until", "2100-01-01T00:00:00Z")
    assert [line["val"] for line in said.lines] == ["mail-suspended"]
    assert "policy other" in said.err


def test_where_nothing_ever_ran_there_is_no_log(run: "Run", config: Path) -> None:
    said = run("replay", "--config", config)
    assert said.code == 2
    assert "no labeler has run here yet" in said.err
    assert not Path("here/data").exists()


def test_an_empty_recording_changes_nothing(run: "Run") -> None:
    Path("empty").touch()
    said = run("replay", "empty", "--json")
    assert (said.code, said.out) == (0, "")
    assert "label changes: 0\n" in said.err


def test_a_long_file_shows_progress_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    moments = iter([0.0, 0.5, 2.0, 2.0, 2.0])
    monkeypatch.setattr(console, "_seconds", lambda: next(moments))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    meter = console.Meter("replaying", 100)
    meter.at(10)
    assert terminal.getvalue() == ""
    meter.at(60)
    meter.at(90)
    meter.close()
    assert "replaying" in terminal.getvalue()
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    monkeypatch.setattr(console, "_seconds", iter([0.0, 9.0]).__next__)
    meter = console.Meter("replaying", 100)
    meter.at(10)
    meter.close()
    assert pipe.getvalue() == ""
