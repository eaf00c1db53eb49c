"""The real service as a process of its own, and raw sockets to it: what a hostile network sees, and what it costs."""

import base64
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from labeler.adapters.keyfile import new_key, write_new_key

LIMIT_S = 20.0  # for anything a healthy service does at once
STREAM = "/xrpc/com.atproto.label.subscribeLabels"
SUBMIT = "/xrpc/email.atmos.telemetry.submitEvents"
EMIT = "/xrpc/tools.ozone.moderation.emitEvent"
TOKENS = {"relay": "relay", "triage": "triage", "moderator": "moderator", "admin": "admin"}
KEY = base64.b64encode(b"0123456789abcdef").decode()


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Cut(Exception):
    """The service closed the connection without a whole answer."""


@dataclass
class ServiceProcess:
    """One run of the service."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    @property
    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def log(self) -> str:
        """Everything it wrote to stderr."""
        return (self.folder / "service.log").read_text(errors="replace")

    def connect(self, limit_s: float = LIMIT_S) -> socket.socket:
        """Open a connection on which nothing waits longer than `limit_s`: a hang is a failure."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=limit_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def exchange(self, raw: bytes, *, head: bool = False, limit_s: float = LIMIT_S) -> Answer:
        """Send bytes on a new connection and read one answer; raises `Cut`."""
        with self.connect(limit_s) as sock:
            with contextlib.suppress(ConnectionError):  # refused before all was sent: the answer may be there
                sock.sendall(raw)
            return read_answer(sock, head=head)

    def ask(
        self, method: str, path: str, *, token: str | None = None, body: bytes | None = None, **headers: str
    ) -> Answer:
        """Make one well-formed request."""
        return self.exchange(request(method, path, token=token, body=body, **headers), head=method == "HEAD")


def request(method: str, path: str, *, token: str | None = None, body: bytes | None = None, **headers: str) -> bytes:
    """Write a request; `Content_Type` becomes Content-Type, and JSON is the default."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def upgrade(query: str = "") -> bytes:
    """Write the request that opens a label stream."""
    return request(
        "GET", STREAM + query, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key=KEY,
    )  # fmt: skip


def read_answer(sock: socket.socket, *, head: bool = False) -> Answer:
    """Read one answer, interim ones skipped; raises `Cut`."""
    try:
        with sock.makefile("rb") as stream:
            while True:
                status_line = stream.readline(65_536)
                if not status_line.endswith(b"\r\n"):
                    raise Cut
                status = int(status_line.split()[1])
                headers: dict[str, str] = {}
                while (line := stream.readline(65_536)) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.strip().lower()] = value.strip()
                if status == 100:
                    continue
                size = 0 if head or status in (101, 204) else int(headers.get("content-length", "0"))
                body = stream.read(size)
                if len(body) < size:
                    raise Cut
                return Answer(status, headers, body)
    except ConnectionError:
        raise Cut from None


def install(folder: Path, *, limits: str = "") -> None:
    """Write a configuration with a relay and an operator of every role, tokens as in `TOKENS`."""
    write_new_key(folder / "signing.key", new_key())
    (folder / "policy.toml").write_text(Path("labeler/policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    callers = [f'[[relays]]\ndid = "did:web:smtp.example.com"\ntoken_sha256 = "{_hashed("relay")}"']
    callers += [
        f'[[operators]]\ndid = "did:plc:{role}"\nrole = "{role}"\ntoken_sha256 = "{_hashed(role)}"'
        for role in ("triage", "moderator", "admin")
    ]
    service = '[service]\nhostname = "localhost:8080"\nlisten = "127.0.0.1:0"'
    (folder / "labeler.toml").write_text("\n\n".join([service, f"[limits]\n{limits}", *callers]))


@contextmanager
def serving(folder: Path) -> Iterator[ServiceProcess]:
    """Run the installed service until the block ends; it must then end in good order."""
    command = [sys.executable, "-m", "labeler", "serve", "--json", "--config", str(folder / "labeler.toml")]
    with (folder / "service.log").open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert first, (folder / "service.log").read_text()[-2000:]
        yield ServiceProcess(folder, process, int(json.loads(first)["url"].rpartition(":")[2]))
    finally:
        if process.poll() is None:
            process.terminate()
        code = process.wait(30)
        process.stdout.close()
    assert code == 0, (folder / "service.log").read_text()[-2000:]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
