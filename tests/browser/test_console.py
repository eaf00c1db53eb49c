"""The operators' console, as an operator clicks through it."""

import re
from typing import TYPE_CHECKING

import pytest
import websockets

from labeler.atproto.frames import LabelsFrame, decode_frame
from tests.browser.story import CAVERN, EMBERS, FOUNDRY, HARBOR, MARSH, MEADOW, QUARRY, STRAY
from tests.browser.windows import Window

if TYPE_CHECKING:
    from tests.browser.conftest import Open, World

SIZES = [("desktop", "light"), ("phone", "light"), ("desktop", "dark"), ("phone", "dark")]


async def log_in(window: Window, token: str = "admin") -> None:
    await window.go("/console/login")
    await window.page.get_by_label("Token").fill(token)
    await window.page.get_by_role("button", name="Log in").click()
    await window.page.wait_for_url("**/console")


@pytest.mark.parametrize(("size", "scheme"), SIZES)
async def test_every_page_reads_well_at_every_size(window: "Open", size: str, scheme: str) -> None:
    seen = await window(size, scheme)

    async def drawn(name: str, most: int = 2_000) -> None:
        """Of the dark ones one picture says enough."""
        if scheme == "light" or name == "did":
            await seen.draw(f"console-{name}", most)

    await seen.go("/console/login")
    await seen.audit()
    await drawn("login")
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
        await drawn(name, {"policy": 1_000, "audit": 1_300}.get(name, 2_000))
    await seen.page.goto(seen.page.url.replace("/audit", "/cases"))
    await seen.page.get_by_role("link", name="Suspension").first.click()
    await seen.page.wait_for_url("**/console/cases/*")
    await seen.audit()
    await drawn("case")


async def test_a_suspension_is_found_understood_lifted_and_seen_on_the_stream_and_in_the_audit(
    window: "Open", world: "World"
) -> None:
    seen = await window()
    page = seen.page
    await log_in(seen, "moderator")
    await page.get_by_role("link", name="DIDs", exact=True).click()
    await page.get_by_label("Standing").select_option("suspended")
    await page.get_by_label("DID, handle or domain").fill("foundry")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_role("link", name=FOUNDRY.did).click()
    await page.wait_for_url(f"**/console/dids/{FOUNDRY.did}")
    text = await seen.text()
    assert "60 distinct recipients that do not exist, of 150" in text
    assert "What clears it" in text
    chart = page.get_by_role("img", name=re.compile("^Bounces: 60 no such recipient"))
    await chart.scroll_into_view_if_needed()
    await page.wait_for_load_state("networkidle")
    assert await chart.evaluate("image => image.complete && image.naturalWidth > 0")
    await page.get_by_text("The same as a table").click()
    table = page.get_by_role("table", name=re.compile("^What did:plc:foundry"))
    cells = [int((await cell.inner_text()).replace("\u202f", "")) for cell in await table.locator("td").all()]
    assert (sum(cells[0::5]), sum(cells[1::5]), sum(cells[4::5])) == (150, 60, 4)
    assert await page.get_by_role("row", name=re.compile("mail-suspended")).count() == 1

    url = f"{world.running.ws_url}/xrpc/com.atproto.label.subscribeLabels"
    async with websockets.connect(url) as stream:
        await page.locator("#cases ~ ul").get_by_role("link", name=re.compile("Suspension")).click()
        await page.wait_for_url("**/console/cases/*")
        await page.get_by_role("radio", name=re.compile("^Lift")).check()
        decide = page.locator("section", has=page.get_by_role("heading", name="Decide"))
        await decide.get_by_label("Comment").fill("they showed where the list came from")
        await page.get_by_role("button", name="Resolve").click()
        await page.get_by_text("is closed: lift").first.wait_for()
        frame = decode_frame(await stream.recv(decode=False))
        assert isinstance(frame, LabelsFrame)
        (label,) = frame.labels
        assert (label.uri, label.val, label.neg) == (FOUNDRY.did, "mail-suspended", True)
    assert "lift" in await seen.text()

    await page.get_by_role("link", name="Audit").click()
    row = page.get_by_role("row", name=re.compile(f"{FOUNDRY.did}.*mail-suspended taken back"))
    assert "they showed where the list came from" in await row.inner_text()
    assert "did:plc:moderator" in await row.inner_text()
    audit = await world.running.client.get(
        "/xrpc/email.atmos.operator.listAudit",
        params={"about": FOUNDRY.did, "limit": 100},
        headers={"Authorization": "Bearer moderator"},
    )
    entries = audit.json()["entries"]
    assert [entry["kind"] for entry in entries[-2:]] == ["case", "label"]
    assert (entries[-1]["body"]["seq"], entries[-1]["body"]["neg"]) == (frame.seq, True)
    assert entries[-1]["actor"] == "did:plc:moderator"


async def test_it_can_be_read_and_decided_without_scripts(window: "Open") -> None:
    seen = await window(javascript=False)
    page = seen.page
    await log_in(seen, "moderator")
    await seen.go(f"/console/dids/{MARSH.did}")
    assert "enrolled with the relay" in await seen.text()
    decide = page.locator("form[action$='/label']")
    await decide.get_by_label("Comment").fill("seen without scripts")
    await decide.get_by_label("Hours").fill("3")
    await decide.get_by_role("button", name="Apply").click()
    assert "Done: mail-throttled." in await seen.text()
    assert "seen without scripts" in await seen.text()


async def test_it_can_be_used_with_the_keyboard_alone(window: "Open") -> None:
    seen = await window()
    page = seen.page
    await seen.go("/console/login")
    await page.keyboard.type("triage")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console")
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    assert await skip.evaluate("link => link === document.activeElement && link.getBoundingClientRect().left >= 0")
    outline = await skip.evaluate("link => getComputedStyle(link).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.closest('main') !== null")


async def test_a_handle_leads_to_its_did_and_one_that_leads_elsewhere_is_said_to(window: "Open") -> None:
    seen = await window()
    page = seen.page
    await log_in(seen, "triage")
    for typed in (MEADOW.handle, "@" + MEADOW.handle):
        await seen.go("/console/dids")
        await page.get_by_label("DID, handle or domain").fill(typed)
        await page.get_by_role("button", name="Search").click()
        await page.wait_for_url(f"**/console/dids/{MEADOW.did}")
    await seen.go("/console/dids")
    await page.get_by_label("DID, handle or domain").fill(STRAY)
    await page.get_by_role("button", name="Search").click()
    told = await page.get_by_role("alert").inner_text()
    assert STRAY in told
    await page.get_by_label("DID, handle or domain").fill("nobody.test")
    await page.get_by_role("button", name="Search").click()
    assert "names no DID" in await page.get_by_role("alert").inner_text()
    await page.get_by_label("DID, handle or domain").fill("harbor.example")
    await page.get_by_role("button", name="Search").click()
    assert HARBOR.did in await seen.text()  # a domain of a member is found before it is taken for a handle


async def test_a_page_that_was_overtaken_says_so(window: "Open", world: "World") -> None:
    seen, other = await window(), await window()
    await log_in(seen, "triage")
    note = seen.page.get_by_text("Something has changed")
    assert not await note.is_visible()
    await log_in(other, "moderator")
    await other.go(f"/console/dids/{EMBERS.did}")
    details = other.page.get_by_text("Comment, or ask the member")
    await details.click()
    await other.page.locator("form[action$='/comment']").get_by_label("Comment").fill("looking into it")
    await other.page.get_by_role("button", name="Keep comment").click()
    await other.page.get_by_text("The comment is kept.").wait_for()
    await note.wait_for(state="visible", timeout=9_000)
    await seen.page.get_by_role("link", name="Load it again").click()
    await note.wait_for(state="hidden")


async def test_of_two_moderators_the_second_keeps_what_was_typed(window: "Open") -> None:
    first, second = await window("phone"), await window()
    for seen, token in ((first, "moderator"), (second, "admin")):
        await log_in(seen, token)
        await seen.go("/console/cases?q=cavern")
        await seen.page.get_by_role("link", name=re.compile("Suspension")).click()
        await seen.page.wait_for_url("**/console/cases/*")
    await first.page.get_by_role("button", name="Claim").click()
    await first.page.get_by_text("claim, done").wait_for()
    second.excused.append("409")
    page = second.page
    await page.get_by_role("radio", name=re.compile("^Uphold")).check()
    decide = page.locator("section", has=page.get_by_role("heading", name="Decide"))
    await decide.get_by_label("Comment").fill("a long and careful thought")
    await page.get_by_role("button", name="Resolve").click()
    await page.get_by_role("alert").wait_for()
    assert "What was done since you looked" in await second.text()
    assert await decide.get_by_label("Comment").input_value() == "a long and careful thought"
    await second.audit()
    await second.draw("console-stale")
    await page.get_by_role("button", name="Resolve").click()
    await page.get_by_text("is closed: uphold").first.wait_for()
    assert CAVERN.did in await second.text()
