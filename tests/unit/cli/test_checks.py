"""`labeler check-config`."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeler.adapters.keyfile import KeyFileSigner
from labeler.reputation.policy import parse_policy

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def test_a_good_configuration_is_shown_as_resolved(run: "Run", config: Path) -> None:
    said = run("check-config", "--config", config)
    assert said.code == 0
    assert f"{config}: good" in said.out
    shown = dict(line.split(maxsplit=1) for line in said.out.splitlines() if " " in line)
    assert shown["service.data_dir"] == str(Path("here/data").absolute())
    assert shown["operators[0].did"] == "did:plc:alice"
    assert shown["service.trusted_proxies"] == "127.0.0.0/8, ::1/128"


def test_machines_get_key_and_policy_too_but_no_whole_hash(run: "Run", config: Path) -> None:
    (answer,) = run("check-config", "--config", config, "--json").lines
    assert answer["key"] == KeyFileSigner(Path("here/signing.key")).key_id
    assert answer["policy"]["hash"] == parse_policy(Path("here/policy.toml").read_text()).hash
    assert answer["service"]["did"] == "did:web:localhost%3A1"
    assert len(answer["operators"][0]["token_sha256"]) == 9


def test_the_usual_place_is_the_working_folder(run: "Run", config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    assert run("check-config").code == 0


def test_what_is_perhaps_not_meant_is_remarked(run: "Run", config: Path) -> None:
    assert "nobody may send telemetry yet" in run("check-config", "--config", config).err
    config.write_text(config.read_text().split("[[operators]]")[0] + '[[relays]]\ndid = "did:plc:r"\n')
    said = run("check-config", "--config", config)
    assert "nobody may decide over the network yet" in said.err
    assert "did:plc:r has no token_sha256" in said.err


def test_a_bad_configuration_is_2_and_named(run: "Run", config: Path) -> None:
    config.write_text(config.read_text().replace("listen", "lisen"))
    said = run("check-config", "--config", config)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"labeler: {config}: service.lisen: unknown key; did you mean listen?\n"


def test_a_bad_key_is_2_and_not_shown(run: "Run", config: Path) -> None:
    Path("here/signing.key").write_text("not a key at all")
    said = run("check-config", "--config", config)
    assert said.code == 2
    assert "signing.key: holds neither" in said.err
    assert "not a key at all" not in said.err


def test_a_bad_policy_is_2_and_named(run: "Run", config: Path) -> None:
    Path("here/policy.toml").write_text('name = "mine"')
    said = run("check-config", "--config", config)
    assert said.code == 2
    assert "here/policy.toml: policy: " in said.err


def test_a_canary_policy_is_shown_and_held_to_the_same(run: "Run", config: Path) -> None:
    canary = Path("here/canary.toml")
    canary.write_text(Path("here/policy.toml").read_text().replace('name = "default"', 'name = "bolder"'))
    config.write_text(config.read_text().replace("[service]", '[service]\ncanary_policy_file = "./canary.toml"'))
    assert f"bolder, sha256 {parse_policy(canary.read_text()).hash}" in run("check-config", "--config", config).out
    (answer,) = run("check-config", "--config", config, "--json").lines
    assert (answer["policy"]["name"], answer["canary"]["name"]) == ("default", "bolder")
    canary.write_text("nonsense")
    said = run("check-config", "--config", config)
    assert said.code == 2
    assert "here/canary.toml: policy: not TOML" in said.err
    canary.unlink()
    assert "no such file" in run("check-config", "--config", config).err


def test_an_unsound_policy_is_2_and_named_with_its_line(run: "Run", config: Path) -> None:
    policy = Path("here/policy.toml")
    policy.write_text(policy.read_text().replace("exit_below = 0.03", "exit_below = 0.3"))
    said = run("check-config", "--config", config)
    assert said.code == 2
    assert "here/policy.toml: policy: line " in said.err
    assert "rules[0].exit_below" in said.err
