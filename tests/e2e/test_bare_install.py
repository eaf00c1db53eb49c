"""What a mail server installs: the hooks without the service."""

import subprocess
import sys

SERVICE = (
    "aiohttp",
    "aiosmtplib",
    "aiosqlite",
    "dns",
    "prometheus_client",
    "pydantic",
    "rich",
    "tenacity",
    "typer",
    "uvloop",
    "zstandard",
)


def run_bare(code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own, in which nothing of the `server` extra can be imported."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({SERVICE!r}))\n{code}"
    return subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=30, check=False)


def test_labeler_says_what_to_install_when_only_the_hooks_are_there() -> None:
    ended = run_bare("import labeler.cli")
    assert ended.returncode != 0
    assert "pip install 'mail-reputation-labeler[server]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_hooks_need_nothing_of_the_service() -> None:
    ended = run_bare("from relay_hooks import Enforcer, LabelSubscriber, TelemetryReporter\nprint('loaded')")
    assert ended.stdout.strip() == "loaded", ended.stderr
