"""Templates into answers: escaping always on, undefined names an error, the same strict headers on every page."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",  # what is said of somebody today is not to be found tomorrow
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z")


class Pages:
    """Renders the templates of this package. `did` is the labeler's own, `asset` tells where a static file is."""

    def __init__(self, did: str, asset: Callable[[str], str]) -> None:
        self._templates = Environment(
            loader=PackageLoader("labeler.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals |= {"labeler": did, "asset": asset}
        self._templates.filters |= {"moment": moment, "segment": segment, "thousands": thousands, "readable": readable}
        for name in self._templates.list_templates():
            self._templates.get_template(name)  # compiled now, and not while somebody waits

    def show(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """Answer with `template`, filled with `values`."""
        text = self._templates.get_template(template).render(values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def moment(at: datetime | str | None) -> Markup:
    """Write a moment to the minute in UTC, in an element that says it exactly to machines; a dash for None."""
    if at is None:
        return Markup("–")
    read = datetime.fromisoformat(at) if isinstance(at, str) else at
    utc = read.astimezone(UTC)
    exact, short = utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, short)


def readable(text: str) -> str:
    """Write the moments within a sentence to the minute: 2026-03-02T12:00:00.000Z is 2026-03-02 12:00 UTC."""
    return _MOMENT.sub(r"\1 \2 UTC", text)


def segment(text: str) -> str:
    """Write any text as one segment of a path."""
    return quote(text, safe=":@._-~")


def thousands(number: int | float) -> str:
    """Write a number with its thousands apart."""
    return f"{number:,}".replace(",", " ")
