"""The signing key in a file: what is accepted, what is refused, and that it never shows."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from labeler.adapters.keyfile import KeyFileSigner, new_key, write_new_key
from labeler.atproto.curves import P256
from labeler.atproto.keys import PrivateKey
from labeler.errors import Misconfigured

SECRET = "c0ffee" * 10 + "abcd"
KEY = PrivateKey.from_hex(SECRET)


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a file with the given text and mode."""

    def write(text: str, mode: int = 0o600) -> Path:
        path = tmp_path / "signing.key"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize("text", [SECRET, SECRET.upper() + "\n", KEY.multikey(), f"  {KEY.multikey()}\r\n"])
@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.row(52)
def test_hex_and_multikey_are_read(key_file: Callable[..., Path], text: str, mode: int) -> None:
    signer = KeyFileSigner(key_file(text, mode))
    assert signer.key_id == KEY.public_key.did_key
    assert KEY.public_key.verify(b"data", signer.sign(b"data"))
    assert signer.sign(b"data") == KEY.sign(b"data")


@pytest.mark.row(48, 52)
def test_a_key_on_the_other_curve_is_read_and_written(key_file: Callable[..., Path], tmp_path: Path) -> None:
    """Only a multikey names its curve; hex is k256."""
    key = PrivateKey.from_hex(SECRET, P256)
    signer = KeyFileSigner(key_file(key.multikey() + "\n"))
    assert signer.key_id == key.public_key.did_key != KEY.public_key.did_key
    assert signer.sign(b"data") == key.sign(b"data")
    made = new_key(P256)
    write_new_key(tmp_path / "new.key", made)
    assert KeyFileSigner(tmp_path / "new.key").key_id == made.public_key.did_key
    assert made.curve is P256


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o602])
def test_a_key_others_can_reach_is_refused(key_file: Callable[..., Path], mode: int) -> None:
    path = key_file(SECRET, mode)
    with pytest.raises(Misconfigured) as refused:
        KeyFileSigner(path)
    assert str(path) in str(refused.value)
    assert f"mode {mode:04o}" in str(refused.value)
    assert f"chmod 600 {path}" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["", "\n", SECRET[:-1], SECRET + "00", SECRET[:-1] + "g", "00" * 32, "ff" * 32, KEY.public_key.multikey,
     KEY.multikey()[:-1], "z" + SECRET, "é" * 64, SECRET + "\n" + SECRET, SECRET * 100],
)  # fmt: skip
def test_anything_else_is_refused_without_being_quoted(key_file: Callable[..., Path], text: str) -> None:
    path = key_file(text)
    with pytest.raises(Misconfigured) as refused:
        KeyFileSigner(path)
    assert str(path) in str(refused.value)
    shown = "".join(traceback.format_exception(refused.value))
    assert SECRET[:12] not in shown
    assert KEY.multikey()[:12] not in shown


def test_a_missing_file_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no such file; make a key with `labeler keygen`"):
        KeyFileSigner(tmp_path / "signing.key")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO would otherwise wait for a writer for ever."""
    os.mkfifo(tmp_path / "signing.key", 0o600)
    with pytest.raises(Misconfigured, match="not a regular file"):
        KeyFileSigner(tmp_path / "signing.key")
    with pytest.raises(Misconfigured, match=str(tmp_path)):
        KeyFileSigner(tmp_path)


@pytest.mark.row(87)
def test_the_signer_never_shows_its_key(key_file: Callable[..., Path]) -> None:
    signer = KeyFileSigner(key_file(SECRET))
    shown = f"{signer!r} {signer} {vars(signer)}"
    assert KEY.public_key.did_key in shown
    assert SECRET not in shown
    assert KEY.multikey() not in shown


def test_a_new_key_is_written_for_its_owner_only_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    umask = os.umask(0)
    try:
        write_new_key(path, KEY)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.read_text() == KEY.multikey() + "\n"
    assert KeyFileSigner(path).key_id == KEY.public_key.did_key


def test_a_key_is_never_overwritten(key_file: Callable[..., Path]) -> None:
    path = key_file("precious")
    with pytest.raises(Misconfigured, match="exists already"):
        write_new_key(path, KEY)
    assert path.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=str(tmp_path / "absent" / "signing.key")):
        write_new_key(tmp_path / "absent" / "signing.key", KEY)


def test_a_key_that_could_not_be_written_whole_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(Misconfigured, match="No space left"):
        write_new_key(tmp_path / "signing.key", KEY)
    assert list(tmp_path.iterdir()) == []


def test_new_keys_differ() -> None:
    assert len({new_key().public_key.did_key for _ in range(20)}) == 20
