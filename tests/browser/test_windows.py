"""The watch over the pages notices what it is there for."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Open


async def test_an_error_on_the_console_is_noticed(window: "Open") -> None:
    opened = await window()
    await opened.go("/")
    await opened.page.evaluate("console.error('a fault of the test')")
    await opened.page.evaluate("setTimeout(() => { throw new Error('an exception of the test') })")
    await opened.page.wait_for_timeout(50)
    with pytest.raises(AssertionError, match=r"a fault of the test\n.*an exception of the test"):
        opened.check()
    opened.excused = ["of the test"]


async def test_what_the_policy_forbids_and_what_leaves_the_service_is_noticed(window: "Open") -> None:
    opened = await window()
    await opened.go("/")
    await opened.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/pixel'}))")
    await opened.page.wait_for_timeout(100)
    with pytest.raises(AssertionError, match="policy violation: img-src"):
        opened.check()
    opened.excused = ["127.0.0.1:9"]
    await opened.page.goto("about:blank")
    await opened.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/pixel'}))")
    await opened.page.wait_for_timeout(100)
    assert any(fault.startswith("left the service: http://127.0.0.1:9") for fault in opened.faults)
    opened.excused = ["127.0.0.1:9", "ERR_"]


async def test_a_serious_fault_of_access_is_noticed_and_a_page_too_wide(window: "Open") -> None:
    opened = await window("phone")
    await opened.go("/")
    await opened.page.evaluate("document.body.append(Object.assign(document.createElement('img'), {}))")
    with pytest.raises(AssertionError, match="image-alt"):
        await opened.audit()
    await opened.page.evaluate(
        "document.querySelectorAll('img').forEach((img) => { img.alt = '' }); document.body.style.width = '999px'"
    )
    with pytest.raises(AssertionError, match="pixels too wide"):
        await opened.audit()
