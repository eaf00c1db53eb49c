"""Hold the pure floors to every branch, each by its own unit tests alone (`make cover`)."""

import subprocess
import sys
import tempfile
from pathlib import Path

FLOORS = ("atproto", "reputation", "moderation")


def main() -> int:
    """Run the unit tests of each floor under coverage; the first floor short of 100 % is the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for floor in FLOORS:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", f"tests/unit/{floor}", "-q", "-p", "no:cacheprovider"),
                    *(f"--cov=labeler.{floor}", "--cov-branch", "--cov-fail-under=100"),
                    "--cov-report=term-missing:skip-covered",
                ],
                env={"COVERAGE_FILE": str(Path(folder) / floor), "PATH": "/usr/bin:/bin"},
                check=False,
            )
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
