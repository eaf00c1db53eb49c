"""A real `labeler serve` in a process of its own, on a free port, in a folder that goes away."""

import hashlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

TOKEN = "benchmark"
START_SECONDS = 30


class Server(NamedTuple):
    """Where a server listens, and its folder."""

    port: int
    folder: Path


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder() -> Iterator[Server]:
    """A configured labeler that does not run yet."""
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        path = Path(name)
        path.joinpath("signing.key").write_text("01" * 32)
        path.joinpath("signing.key").chmod(0o600)
        path.joinpath("policy.toml").write_text(files("labeler").joinpath("policy.toml").read_text())
        path.joinpath("data").mkdir(mode=0o700)
        path.joinpath("labeler.toml").write_text(
            f'[service]\nhostname = "localhost:{port}"\nlisten = "127.0.0.1:{port}"\ndata_dir = "./data"\n'
            'signing_key_file = "./signing.key"\npolicy_file = "./policy.toml"\n'
            f'[[relays]]\ndid = "did:web:relay.test"\ntoken_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n'
        )
        yield Server(port, path)


@contextmanager
def running(command: list[str], port: int, path: str) -> Iterator[None]:
    """Run `command` until the block ends; wait for its `path` to answer first."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{' '.join(command)} did not start") from None
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def labeler(server: Server) -> Iterator[None]:
    """Run the labeler of a folder."""
    command = [sys.executable, "-m", "labeler", "serve", "--config", str(server.folder / "labeler.toml")]
    with running(command, server.port, "/xrpc/_health"):
        yield
