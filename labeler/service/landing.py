"""The page at `/`: who lives here and where the doors are, for somebody who followed the address of a label."""

import html
from collections.abc import Iterable

from aiohttp import web

from labeler.service.http import Plain

# Nothing is loaded and nothing runs: the page is text.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def landing(did: str, nsids: Iterable[str]) -> Plain:
    """Return the handler of the page of `did`, which answers the methods `nsids`."""
    name = html.escape(did)
    paths = ["/.well-known/did.json", "/xrpc/_health", *(f"/xrpc/{nsid}" for nsid in sorted(nsids))]
    items = "\n".join(f"<li><code>{html.escape(path)}</code></li>" for path in paths)
    page = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<h1>Mail reputation labeler</h1>\n"
        f"<p><code>{name}</code> says how the members of a mail relay send, as signed labels anybody can verify.</p>\n"
        '<p><a href="/member">Look up a member</a>: where it stands, and why; the same for programs: '
        "<code>/xrpc/email.atmos.reputation.getStanding?did=…</code>. All labels: "
        '<a href="/xrpc/com.atproto.label.queryLabels?uriPatterns=*">queryLabels</a>. The rules: '
        '<a href="/xrpc/email.atmos.reputation.getPolicy">getPolicy</a>.</p>\n'
        f"<h2>What is answered here</h2>\n<ul>\n{items}\n</ul>\n</html>\n"
    )

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=HEADERS)

    return answer
