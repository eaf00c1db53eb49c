"""What a mail server installs: the hooks without the service."""

import subprocess
import sys
import textwrap


def run_without(package: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a Python of its own, in which `package` cannot be imported."""
    blocked = f"import sys\nsys.modules[{package!r}] = None\n" + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True, timeout=30, check=False)


def test_labeler_says_what_to_install_when_only_the_hooks_are_there() -> None:
    ended = run_without("typer", "import labeler.cli")
    assert ended.returncode != 0
    assert "pip install 'mail-reputation-labeler[server]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_hooks_load_nothing_of_the_service() -> None:
    ended = run_without(
        "aiohttp",
        """
        from relay_hooks import Enforcer, LabelSubscriber, TelemetryReporter
        loaded = {name.partition(".")[0] for name in sys.modules}
        print(sorted(loaded & {"aiosqlite", "pydantic", "typer", "rich", "prometheus_client", "zstandard"}))
        """,
    )
    assert ended.stdout.strip() == "[]", ended.stderr
