"""The member page in a browser: looked up, read by the public and by the member, appealed, answered."""

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


async def test_a_member_appeals_and_operators_find_the_case(window: "Open", world: "World") -> None:
    shown = await window("phone")
    await shown.go(f"/member/{story.PASTURE.handle}")
    form = shown.page.locator("#appeal")
    await form.get_by_label("Your side").fill("The list was our own.\nWe checked every address.")
    await form.get_by_label("One-time token").fill(story.PASTURE.token(world.running.did, REPORT))
    await form.get_by_role("button", name="Appeal").click()
    await shown.page.get_by_role("status").filter(has_text="Your appeal is with the operators").wait_for()
    await shown.audit()
    await shown.draw("member-appealed")
    await sign_in(shown, world, story.PASTURE)
    row = shown.page.get_by_role("row").filter(has_text="Your appeal")
    assert "Waits for an operator" in await row.inner_text()
    full = await world.running.client.get(
        f"/xrpc/{STANDING}?did={story.PASTURE.did}", headers={"Authorization": "Bearer triage"}
    )
    assert full.json()["cases"][0]["kind"] == "appeal"


async def test_a_second_appeal_says_why_not_and_keeps_what_was_written(window: "Open", world: "World") -> None:
    shown = await window()
    shown.excused = ["status of 403"]
    await shown.go(f"/member/{story.LANTERN.did}")
    form = shown.page.locator("#appeal")
    await form.get_by_label("Your side").fill("And another thing.")
    await form.get_by_label("One-time token").fill(story.LANTERN.token(world.running.did, REPORT))
    await form.get_by_role("button", name="Appeal").click()
    await shown.page.get_by_role("alert").first.wait_for()
    assert await form.get_by_label("Your side").input_value() == "And another thing."
    assert await form.get_by_label("One-time token").input_value() == ""
    await shown.page.get_by_role("link", name="What you sent was not taken").click()
    await shown.audit()
    await shown.draw("member-refused")


async def test_a_member_answers_without_any_script(window: "Open", world: "World") -> None:
    shown = await window(javascript=False)
    await shown.go(f"/member/{story.THICKET.did}")
    await sign_in(shown, world, story.THICKET)
    assert "please answer by" in await shown.text()
    form = shown.page.get_by_role("form", name="Answer a question about abuse")
    await form.get_by_label("Your answer").fill("Our own customers; we have their consent.")
    await form.get_by_label("One-time token").fill(story.THICKET.token(world.running.did, ANSWER))
    await form.get_by_role("button", name="Answer").click()
    await shown.page.get_by_role("status").filter(has_text="the clock has stopped").wait_for()
    await sign_in(shown, world, story.THICKET)
    assert "please answer by" not in await shown.text()


async def test_it_works_by_keyboard_alone(window: "Open") -> None:
    shown = await window()
    keyboard, focused = shown.page.keyboard, "document.activeElement.textContent.trim()"
    await shown.go("/")
    await keyboard.press("Tab")
    assert await shown.page.evaluate(focused) == "Skip to the content"
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.type("quarry.test")
    await keyboard.press("Enter")
    await shown.page.get_by_role("heading", name="quarry.test").wait_for()
    for _ in range(4):
        await keyboard.press("Tab")
    assert await shown.page.evaluate(focused) == "How to make a token"
    await keyboard.press("Enter")
    await shown.page.get_by_text("goat account service-auth").first.wait_for()
    assert f"--lxm {STANDING} --aud did:web:" in await shown.text()
    await shown.audit()


async def test_a_handle_nobody_has_is_told_where_it_was_asked(window: "Open") -> None:
    shown = await window("phone", "dark")
    shown.excused = ["status of 4"]
    await shown.go("/member")
    await shown.page.get_by_label("DID or handle").fill("nobody.test")
    await shown.page.get_by_role("button", name="Look up").click()
    await shown.page.get_by_role("alert").wait_for()
    assert await shown.page.get_by_label("DID or handle").input_value() == "nobody.test"
    await shown.audit()
    assert await shown.go(f"/member/{story.STRAY}") == 404
    assert "which does not claim it" in await shown.text()
    await shown.audit()
