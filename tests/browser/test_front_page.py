"""The page at `/`."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Open

SIGHTS = [("desktop", "light"), ("desktop", "dark"), ("phone", "light"), ("phone", "dark")]


@pytest.mark.parametrize(("size", "scheme"), SIGHTS)
async def test_the_front_page_has_no_serious_fault(window: "Open", size: str, scheme: str) -> None:
    front = await window(size, scheme)
    assert await front.go("/") == 200
    await front.audit()
    await front.draw("front")
