"""A real Chromium before the real service, which a story happened in before the first test looks (story.py).

All tests here share one event loop, one service and one browser; each opens windows of its own, and fails for whatever
a page in them did that no page may do (windows.py).
"""

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import dns.asyncresolver
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from labeler.adapters.keyfile import new_key, write_new_key
from tests.browser import story
from tests.browser.windows import Window, chromium, opened
from tests.conftest import Installation, Running, free_port
from tests.did_host import DidHost, did_host
from tests.handle_host import NameServer, name_server

HERE = Path(__file__).parent
OPERATORS = {"triage": "triage", "moderator": "moderator", "admin": "admin", "other-admin": "admin"}

Open = Callable[..., Awaitable[Window]]


class World(NamedTuple):
    """The service with its story, and the hosts that documents and handles come from."""

    running: Running
    dids: DidHost
    names: NameServer
    began: dict[str, str]  # how everybody stood when the story was told, by DID


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The story, told once. Tests that change a member choose one that no other test looks at."""
    folder, port = tmp_path_factory.mktemp("service"), free_port()
    with pytest.MonkeyPatch.context() as patched:
        async with did_host() as dids, name_server() as names:
            asking, made = names.resolver(), dns.asyncresolver.Resolver
            # The story lasts as long as the session: who asks for a resolver of its own must get one.
            patched.setattr("dns.asyncresolver.Resolver", lambda **given: made(**given) if given else asking)
            story.publish(dids, names)
            _install(folder, port, dids.url)
            async with Installation(folder, port).serving() as running:
                yield World(running, dids, names, await story.play(running))


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium(), args=[*sandbox, "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(world: World, browser: Browser) -> AsyncIterator[Open]:
    """Opens windows: `await window("phone", "dark", javascript=False)`; looks them over in the end."""
    windows: list[Window] = []

    async def open_one(size: str = "desktop", scheme: str = "light", *, javascript: bool = True) -> Window:
        made = await opened(browser, world.running.url, size, scheme, javascript=javascript)
        windows.append(made)
        return made

    yield open_one
    for each in windows:
        await each.context.close()
    for each in windows:
        each.check()


def _install(folder: Path, port: int, plc_directory: str) -> None:
    """Write a configuration with a relay, operators of every role and a PLC directory on loopback."""
    write_new_key(folder / "signing.key", new_key())
    (folder / "policy.toml").write_text(Path("labeler/policy.toml").read_text(encoding="utf-8"), encoding="utf-8")
    callers = [f'[[relays]]\ndid = "did:web:smtp.example.com"\ntoken_sha256 = "{_hashed("relay")}"']
    callers += [
        f'[[operators]]\ndid = "did:plc:{name}"\nrole = "{role}"\ntoken_sha256 = "{_hashed(name)}"'
        for name, role in OPERATORS.items()
    ]
    service = f'[service]\nhostname = "localhost:{port}"\nlisten = "127.0.0.1:{port}"'
    identity = f'[identity]\nplc_directory = "{plc_directory}"'
    (folder / "labeler.toml").write_text("\n\n".join([service, identity, *callers]))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
