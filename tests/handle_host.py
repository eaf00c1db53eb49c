"""Handles on loopback: a name server that answers TXT queries, and an https host with a certificate of its own."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.did_host import DidHost


class NameServer(asyncio.DatagramProtocol):
    """Answers TXT queries out of `records`, by name without a final dot; NXDOMAIN for every other name.

    `rcode` answers instead while it is set; `silent` answers nothing. `asked` are the names.
    """

    def __init__(self) -> None:
        self.records: dict[str, list[list[str]]] = {}
        self.rcode: dns.rcode.Rcode | None = None
        self.silent = False
        self.asked: list[str] = []
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append(name)
        if self.silent:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        found = self.records.get(name.lower())
        if self.rcode is not None or found is None:
            answer.set_rcode(self.rcode or dns.rcode.NXDOMAIN)
        elif found and question.rdtype == dns.rdatatype.TXT:
            texts = [" ".join(f'"{part}"' for part in parts) for parts in found]
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", "TXT", texts))
        self._transport.sendto(answer.to_wire(), addr)

    def name(self, handle: str, *texts: str) -> None:
        """Let the TXT records of a handle be `texts`."""
        self.records[f"_atproto.{handle}"] = [[text] for text in texts]

    def resolver(self) -> dns.asyncresolver.Resolver:
        """Return a resolver that asks this server alone."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], self.port
        return made


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Answer on a free port of loopback until the block ends."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()


def certificate(folder: Path, *hosts: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for `hosts`; return the contexts of a server that has it and of a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a host of the tests")])
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "host.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


class HandleHost(DidHost):
    """Serves what `claims` says of the host asked for, over https."""

    def __init__(self) -> None:
        super().__init__()
        self.claims: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.headers)))
        if self.misbehave is not None:
            answer: web.StreamResponse = await self.misbehave(request)
            return answer
        did = self.claims.get(request.host.partition(":")[0])
        if did is None or request.path != "/.well-known/atproto-did":
            return web.Response(status=404)
        return web.Response(text=did)


@asynccontextmanager
async def handle_host(tls: ssl.SSLContext) -> AsyncIterator[HandleHost]:
    """Serve on a free port of loopback until the block ends."""
    runner = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1)
    host = HandleHost()
    runner.app.router.add_route("*", "/{path:.*}", host.answer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    host.port = runner.addresses[0][1]
    try:
        yield host
    finally:
        await runner.cleanup()
