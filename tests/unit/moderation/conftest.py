"""What the tests of cases share."""

from pathlib import Path

import pytest


@pytest.fixture
def shipped() -> str:
    """The policy as we ship it."""
    return Path("labeler/policy.toml").read_text(encoding="utf-8")
