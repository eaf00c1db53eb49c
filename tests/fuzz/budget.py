"""How long to fuzz: a seeded slice in every run of the suite, as long as asked by `make fuzz`.

FUZZ_SCALE multiplies the number of examples, and makes every round take others.
"""

import os

from hypothesis import HealthCheck, settings

SCALE = float(os.environ.get("FUZZ_SCALE", "0"))


def examples(count: int) -> settings:
    """Run a property on `count` seeded examples, or on a multiple of other ones in a long run."""
    return settings(
        max_examples=max(1, int(count * (SCALE or 1))),
        derandomize=not SCALE,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
