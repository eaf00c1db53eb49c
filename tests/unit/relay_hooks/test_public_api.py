"""What a relay may import, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import relay_hooks

PUBLIC = {
    "Accept", "CacheFile", "Defer", "Enforcer", "Identity", "IdentityResolver", "Kind", "LabelCache", "LabelSubscriber",
    "RecipientHasher", "Reject", "Rejected", "ReporterStats", "SendEvent", "SmtpReply", "SubscriberStats",
    "TelemetryReporter", "Transaction", "Verdict", "new_event_id", "outcome_event", "read_reply",
}  # fmt: skip
SERVER_ONLY = {
    "aiohttp",
    "aiosqlite",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "rich",
    "typer",
    "zstandard",
}


def modules_after(statement: str) -> set[str]:
    """Name the modules a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_are_these() -> None:
    """A name that goes missing breaks relays; a new one is a promise, so write it down here."""
    assert set(relay_hooks.__all__) == PUBLIC
    assert sorted(relay_hooks.__all__, key=str.swapcase) == sorted(PUBLIC, key=str.swapcase)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(relay_hooks, name) is not None
    assert name in dir(relay_hooks)


def test_the_names_for_type_checkers_are_the_names_at_run_time() -> None:
    tree = ast.parse(Path(relay_hooks.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == relay_hooks._HOME_OF


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = relay_hooks.Nonsense


def test_enforcing_alone_loads_no_network_code() -> None:
    loaded = modules_after("from relay_hooks import Enforcer, LabelCache")
    assert not loaded & {"httpx", "websockets", "asyncio"}


def test_nothing_of_the_server_is_needed() -> None:
    """As on a machine that has none of it: some libraries use what they find installed."""
    absent = f"import sys\nsys.modules.update(dict.fromkeys({sorted(SERVER_ONLY)!r}))\n"
    use = "import relay_hooks, relay_hooks.cli\n[getattr(relay_hooks, name) for name in relay_hooks.__all__]"
    loaded = modules_after(absent + use)
    assert not {name for name in loaded if name.startswith(("labeler.service", "labeler.adapters", "labeler.wiring"))}
    assert "aiosmtpd" not in loaded
