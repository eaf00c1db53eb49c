"""Browser windows: opened at a size and in a scheme, watched, looked over by axe-core, and drawn."""

import io
import os
import shutil
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, FloatRect, Page, Request, ViewportSize

ROOT: Final = Path(__file__).resolve().parents[2]
AXE: Final = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
KEPT: Final = "SCREENSHOTS" in os.environ  # they are for the documentation, and made small
PICTURES: Final = Path(os.environ.get("SCREENSHOTS", ROOT / "build" / "screenshots"))
SIZES: Final = {"phone": ViewportSize(width=390, height=844), "desktop": ViewportSize(width=1280, height=900)}
MAX_PICTURE_BYTES: Final = 300 * 1024
COLOURS: Final = 128  # of a picture: plenty for a page
MAX_PICTURE_HEIGHT: Final = 2_400  # pixels: what is further down shows nothing new
SERIOUS: Final = {"serious", "critical"}

_QUIET: Final = {"log", "info", "debug"}
_WATCH: Final = """document.addEventListener('securitypolicyviolation',
    (event) => console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`))"""


def chromium() -> str:
    """Where Chromium lies; `make test` sees to it that there is one."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "there is no chromium on this machine: run `make chromium`, or install your system's package"
    return found


class Window:
    """One page of `context`. `faults` is what it did that no page may do; a test excuses what it asks for."""

    def __init__(self, context: BrowserContext, page: Page, origin: str, name: str) -> None:
        self.context = context
        self.page = page
        self.faults: list[str] = []
        self.excused: list[str] = []
        self._origin = origin
        self._name = name
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        context.on("request", self._asked)

    async def go(self, path: str) -> int:
        """Open a path of the service; return the status."""
        answer = await self.page.goto(self._origin + path)
        assert answer is not None
        return answer.status

    async def text(self) -> str:
        """Everything there is to read."""
        return await self.page.locator("body").inner_text()

    async def audit(self) -> None:
        """Let axe-core look at the page as it is now; a serious fault is an error, and so is a page too wide."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = await self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        faults = [
            f"{fault['id']} ({fault['impact']}): {fault['help']}: {[node['html'][:200] for node in fault['nodes'][:3]]}"
            for fault in found["violations"]
            if fault["impact"] in SERIOUS
        ]
        assert faults == [], "\n".join(faults)
        wide = await self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"the page is {wide} pixels too wide at {self._name}"

    async def draw(self, name: str, most: int = MAX_PICTURE_HEIGHT) -> None:
        """Keep a picture of the page, the uppermost `most` pixels of it, as `<name>-<size>[-dark].png`."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}-{self._name}.png"
        size = self.page.viewport_size
        assert size is not None
        height = await self.page.evaluate("() => document.documentElement.scrollHeight")
        clip = FloatRect(x=0, y=0, width=size["width"], height=min(max(height, size["height"]), most))
        drawn = await self.page.screenshot(full_page=True, clip=clip, animations="disabled")
        if not KEPT:
            path.write_bytes(drawn)
            return
        Image.open(io.BytesIO(drawn)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
        assert path.stat().st_size <= MAX_PICTURE_BYTES, f"{path.name} is larger than {MAX_PICTURE_BYTES} bytes"

    def check(self) -> None:
        """Fail for what the page did that was not excused."""
        left = [fault for fault in self.faults if not any(excuse in fault for excuse in self.excused)]
        assert left == [], "\n".join(left)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in _QUIET:
            self.faults.append(f"console {message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._origin}/", "data:")):
            self.faults.append(f"left the service: {request.url[:200]}")


async def opened(browser: Browser, origin: str, size: str, scheme: str, *, javascript: bool) -> Window:
    """Open a window with nothing remembered."""
    context = await browser.new_context(
        viewport=SIZES[size],
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=javascript,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(10_000)
    if javascript:
        await context.add_init_script(_WATCH)
    name = size if scheme == "light" else f"{size}-{scheme}"
    return Window(context, await context.new_page(), origin, name)
