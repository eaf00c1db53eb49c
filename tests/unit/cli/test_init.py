"""`labeler init` and `labeler keygen`: all that `serve` needs, each secret shown once or never."""

import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeler.adapters.keyfile import KeyFileSigner
from labeler.atproto.keys import PublicKey
from labeler.cli import init
from labeler.errors import Misconfigured
from labeler.settings import load_settings

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run


def test_what_it_writes_can_be_served_unchanged(run: "Run") -> None:
    said = run("init", "new", "--hostname", "labeler.example.com")
    assert said.code == 0
    settings = load_settings(Path("new/labeler.toml"), {})
    assert settings.service.did == "did:web:labeler.example.com"
    assert KeyFileSigner(settings.service.signing_key_file).key_id in said.out
    assert sorted(path.name for path in Path("new").iterdir()) == ["labeler.toml", "policy.toml", "signing.key"]
    assert run("check-config", "--config", "new/labeler.toml").code == 0


def test_the_key_is_private_and_appears_nowhere(run: "Run") -> None:
    said = run("init", "new", "--hostname", "labeler.example.com", "--json")
    key = Path("new/signing.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_text().strip() not in said.out + said.err + Path("new/labeler.toml").read_text()


def test_the_shipped_policy_is_copied_byte_for_byte(run: "Run") -> None:
    run("init", "new", "--hostname", "labeler.example.com")
    shipped = Path(init.__file__).parent.parent / "policy.toml"
    assert Path("new/policy.toml").read_bytes() == shipped.read_bytes()


def test_tokens_are_shown_and_only_their_hashes_kept(run: "Run") -> None:
    said = run(
        "init",
        "new",
        "--hostname",
        "localhost:8123",
        "--relay-did",
        "did:web:smtp.example.com",
        "--operator-did",
        "did:plc:alice",
        "--json",
    )
    (answer,) = said.lines
    settings = load_settings(Path("new/labeler.toml"), {})
    assert answer["did"] == settings.service.did == "did:web:localhost%3A8123"
    assert settings.service.address == ("127.0.0.1", 8123)
    (relay,), (operator,) = settings.relays, settings.operators
    assert (relay.did, relay.token_sha256) == ("did:web:smtp.example.com", digest(answer["tokens"]["relay"]))
    assert (operator.did, operator.token_sha256) == ("did:plc:alice", digest(answer["tokens"]["operator"]))
    assert operator.role == "admin"
    assert answer["tokens"]["relay"] not in Path("new/labeler.toml").read_text()


def test_people_see_each_token_once_and_the_next_steps(run: "Run") -> None:
    said = run("init", "new", "--hostname", "labeler.example.com", "--relay-did", "did:web:smtp.example.com")
    (line,) = [line for line in said.out.splitlines() if "token of the relay" in line]
    (relay,) = load_settings(Path("new/labeler.toml"), {}).relays
    assert relay.token_sha256 == digest(line.rsplit(" ", 1)[1])
    assert "labeler check-config --config new/labeler.toml" in said.err
    assert "let a relay in" not in said.err
    assert "let a relay in" in run("init", "other", "--hostname", "labeler.example.com").err


def test_an_empty_folder_will_do_and_parents_are_made(run: "Run") -> None:
    Path("empty").mkdir()
    assert run("init", "empty", "--hostname", "labeler.example.com").code == 0
    assert run("init", "some/where/deep", "--hostname", "labeler.example.com").code == 0


def test_a_folder_with_anything_in_it_is_left_alone(run: "Run") -> None:
    Path("full").mkdir()
    Path("full/letter").touch()
    said = run("init", "full", "--hostname", "labeler.example.com")
    assert said.code == 2
    assert "full: not empty" in said.err
    assert [path.name for path in Path("full").iterdir()] == ["letter"]


def test_a_file_in_its_place_is_left_alone(run: "Run") -> None:
    Path("file").write_text("mine")
    said = run("init", "file", "--hostname", "labeler.example.com")
    assert said.code == 2
    assert "cannot be written" in said.err
    assert Path("file").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hostname", "labeler"], "--hostname"),
        (["--hostname", "https://labeler.example.com"], "--hostname"),
        (["--hostname", "a.example.com", "--relay-did", "smtp.example.com"], "--relay-did"),
        (["--hostname", "a.example.com", "--operator-did", "alice"], "--operator-did"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_written(run: "Run", words: list[str], message: str) -> None:
    said = run("init", "new", *words)
    assert said.code == 2
    assert message in said.err
    assert not Path("new").exists()


@pytest.mark.parametrize("existed", [True, False])
def test_when_the_key_cannot_be_written_nothing_is_left_behind(
    run: "Run", monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    def fail(path: Path, key: object) -> None:
        raise Misconfigured(f"{path}: the disk is full")

    monkeypatch.setattr(init, "write_new_key", fail)
    if existed:
        Path("new").mkdir()
    said = run("init", "new", "--hostname", "labeler.example.com")
    assert said.code == 2
    assert "the disk is full" in said.err
    assert Path("new").exists() == existed
    assert not existed or list(Path("new").iterdir()) == []


@pytest.mark.row(48)
def test_keygen_makes_a_private_key_and_shows_the_public_half(run: "Run") -> None:
    said = run("keygen")
    assert said.out == f"signing.key: {KeyFileSigner(Path('signing.key')).key_id}\n"
    (answer,) = run("keygen", "other.key", "--json").lines
    assert answer["did"] == KeyFileSigner(Path("other.key")).key_id == "did:key:" + answer["publicKeyMultibase"]


@pytest.mark.row(48, 52)
@pytest.mark.parametrize(("curve", "prefix"), [("k256", "did:key:zQ3s"), ("p256", "did:key:zDna")])
def test_keygen_makes_keys_of_either_curve(run: "Run", curve: str, prefix: str) -> None:
    (answer,) = run("keygen", "--curve", curve, "--json").lines
    signer = KeyFileSigner(Path("signing.key"))
    assert answer["did"] == signer.key_id
    assert signer.key_id.startswith(prefix)
    assert PublicKey.from_did_key(signer.key_id).verify(b"data", signer.sign(b"data"))
    assert run("keygen", "other.key", "--curve", "ed25519").code == 2
    assert not Path("other.key").exists()


def test_keygen_never_overwrites(run: "Run") -> None:
    Path("mine.key").write_text("precious")
    said = run("keygen", "mine.key")
    assert said.code == 2
    assert "exists already" in said.err
    assert Path("mine.key").read_text() == "precious"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
