"""The member page in a browser: looked up, read by the public and by the member, appealed, answered."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser import story

if TYPE_CHECKING:
    from tests.browser.conftest import Open, World
    from tests.browser.windows import Window

SIGHTS = [("desktop", "light"), ("desktop", "dark"), ("phone", "light"), ("phone", "dark")]
STANDING = "email.atmos.reputation.getStanding"
REPORT = "com.atproto.moderation.createReport"
ANSWER = "email.atmos.reputation.answer"


async def sign_in(shown: "Window", world: "World", member: story.Member) -> None:
    """Paste a token into the form, and click."""
    form = shown.page.locator("#evidence")
    await form.get_by_label("One-time token").fill(member.token(world.running.did, STANDING))
    await form.get_by_role("button", name="Show the evidence").click()
    await shown.page.get_by_role("heading", name="The evidence", exact=True).wait_for()


@pytest.mark.parametrize(("size", "scheme"), SIGHTS)
async def test_a_member_is_looked_up_by_its_handle(window: "Open", size: str, scheme: str) -> None:
    shown = await window(size, scheme)
    await shown.go("/member")
    await shown.audit()
    await shown.draw("member-search")
    await shown.page.get_by_label("DID or handle").fill("@harbor.test")
    await shown.page.get_by_role("button", name="Look up").click()
    await shown.page.get_by_role("heading", name="harbor.test").wait_for()
    assert shown.page.url.endswith("/member/harbor.test")
    text = await shown.text()
    assert "Too many recipients do not exist." in text
    assert story.HARBOR.did in text
    await shown.audit()
    await shown.draw("member")


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
async def test_the_member_sees_the_evidence(window: "Open", world: "World", size: str, scheme: str) -> None:
    shown = await window(size, scheme)
    await shown.go(f"/member/{story.HARBOR.did}")
    assert "24" not in await shown.page.locator("#labels").inner_text()
    await sign_in(shown, world, story.HARBOR)
    text = await shown.text()
    assert "24 distinct recipients that do not exist, of 200" in text
    assert "good deliveries bring invalid-recipients under" in text
    assert "Room left before each rule" in text
    await shown.audit()
    await shown.draw("member-evidence")
