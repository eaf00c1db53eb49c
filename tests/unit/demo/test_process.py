"""The labeler as a process: it comes up, goes away, and its failures are told."""

import os
import socket
from pathlib import Path

import httpx
import pytest

from labeler.demo.process import free_port, log_file, run_verb, serving
from labeler.errors import Unavailable


def alive(pid: int) -> bool:
    """Tell whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_labeler_serves_with_the_shipped_policy_until_the_end_of_the_block(tmp_path: Path) -> None:
    """Configured by `init` alone; whatever this shell has in store for another labeler does not reach it."""
    shipped = Path(__file__).parents[3] / "labeler" / "policy.toml"
    async with serving(tmp_path) as labeler, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{labeler.origin}/readyz")).status_code == 200
        document = (await client.get(f"{labeler.origin}/.well-known/did.json")).json()
        assert document["id"] == labeler.did
        assert (labeler.config.parent / "policy.toml").read_text() == shipped.read_text()
        assert alive(labeler.pid)
    assert not alive(labeler.pid)
    assert "shutting down" in log_file(tmp_path).read_text()


async def test_settings_of_another_labeler_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LABELER_… in the environment would break this one."""
    monkeypatch.setenv("LABELER_SERVICE__LISTEN", "nonsense")
    async with serving(tmp_path) as labeler:
        assert labeler.did.startswith("did:web:localhost%3A")


async def test_a_verb_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Name, exit code, and what it said."""
    with pytest.raises(Unavailable, match=r"labeler replay ended with 2: .*absent\.toml"):
        await run_verb("replay", "--config", str(tmp_path / "absent.toml"), "--json")


async def test_a_labeler_that_cannot_start_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is taken: it ends at once, and so do we, long before the patience does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr("labeler.demo.process.free_port", lambda: taken.getsockname()[1])
        with pytest.raises(Unavailable, match="did not become ready"):
            async with serving(tmp_path):
                pass


def test_a_free_port_can_be_bound() -> None:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))
