"""The long run: `make fuzz BUDGET=600` fuzzes for that many seconds, a new seed a round, until one fails."""

import argparse
import os
import subprocess
import sys
import time

SCALE = "2"  # times the examples of the slice in the test suite


def say(line: str) -> None:
    """Show progress at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run rounds until the time is spent; the exit status is that of the first round that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="time budget (default: 600)")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="seed of the first round (default: the time)"
    )
    options = parser.parse_args()
    began, number = time.monotonic(), 0
    while (spent := time.monotonic() - began) < options.seconds:
        seed = options.seed + number
        number += 1
        say(f"round {number}, seed {seed}: {spent:.0f} of {options.seconds:.0f} s")
        command = [sys.executable, "-m", "pytest", "tests/fuzz", "-q", "-x", "--timeout=0", f"--hypothesis-seed={seed}"]
        result = subprocess.run(command, env={**os.environ, "FUZZ_SCALE": SCALE}, check=False)
        if result.returncode:
            say(f"failed in round {number}; again with: make fuzz BUDGET=1 SEED={seed}")
            return result.returncode
    say(f"{number} rounds in {time.monotonic() - began:.0f} s, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
