"""Secrets in files: only their owner's, of some length, and never in a message."""

from pathlib import Path

import pytest

from labeler.adapters.private_file import MAX_SECRET_BYTES, SMTP_PASSWORD, WEBHOOK_SECRET, read_secret
from labeler.errors import Misconfigured


def written(path: Path, raw: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(raw)
    path.chmod(mode)
    return path


def test_a_secret_is_read_without_the_white_space_around_it(tmp_path: Path) -> None:
    assert read_secret(written(tmp_path / "s", b" pass word\n"), SMTP_PASSWORD) == b"pass word"


@pytest.mark.parametrize("raw", [b"", b"\n", b"fifteen bytes..\n", b"x" * (MAX_SECRET_BYTES + 1)])
def test_one_that_is_too_short_or_too_long_is_refused_and_not_told(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(Misconfigured, match="for the webhook secret") as refused:
        read_secret(written(tmp_path / "s", raw), WEBHOOK_SECRET)
    assert "fifteen" not in str(refused.value)


def test_one_that_others_can_read_or_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="mode 0640 lets others at the SMTP password; chmod 600"):
        read_secret(written(tmp_path / "s", b"password", 0o640), SMTP_PASSWORD)
    with pytest.raises(Misconfigured, match="no such file; write the SMTP password into it"):
        read_secret(tmp_path / "absent", SMTP_PASSWORD)
