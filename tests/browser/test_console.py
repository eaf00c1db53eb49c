"""The operators' console, as an operator clicks through it."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.story import QUARRY
from tests.browser.windows import Window

if TYPE_CHECKING:
    from tests.browser.conftest import Open

SIZES = [("desktop", "light"), ("phone", "light"), ("desktop", "dark"), ("phone", "dark")]


async def log_in(window: Window, token: str = "admin") -> None:
    await window.go("/console/login")
    await window.page.get_by_label("Token").fill(token)
    await window.page.get_by_role("button", name="Log in").click()
    await window.page.wait_for_url("**/console")


@pytest.mark.parametrize(("size", "scheme"), SIZES)
async def test_every_page_reads_well_at_every_size(window: "Open", size: str, scheme: str) -> None:
    seen = await window(size, scheme)
    await seen.go("/console/login")
    await seen.audit()
    await seen.draw("console-login")
    await log_in(seen)
    pages = {
        "overview": "/console",
        "dids": "/console/dids",
        "did": f"/console/dids/{QUARRY.did}",
        "cases": "/console/cases",
        "policy": "/console/policy",
        "audit": "/console/audit",
    }
    for name, path in pages.items():
        assert await seen.go(path) == 200
        for chart in await seen.page.locator("img.chart").all():
            await chart.scroll_into_view_if_needed()
        await seen.page.wait_for_load_state("networkidle")
        await seen.audit()
        await seen.draw(f"console-{name}", 1_000 if name == "policy" else 2_000)
    await seen.page.goto(seen.page.url.replace("/audit", "/cases"))
    await seen.page.get_by_role("link", name="Suspension").first.click()
    await seen.page.wait_for_url("**/console/cases/*")
    await seen.audit()
    await seen.draw("console-case", 2_000)
