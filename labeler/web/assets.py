"""Static files out of the package, each under a name that holds its hash, so that browsers may keep it for ever."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from aiohttp import web

from labeler.web.site import Route

FOLDER: Final = "/static"
TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"  # RFC 8246: it changes its name before it changes
_HASH_CHARS: Final = 12


class Assets:
    """The files of `labeler/web/static`, read once."""

    def __init__(self) -> None:
        self._served: dict[str, tuple[bytes, str]] = {}
        self._urls: dict[str, str] = {}
        for file in sorted(files("labeler.web").joinpath("static").iterdir(), key=lambda file: file.name):
            stem, _, kind = file.name.rpartition(".")
            if kind not in TYPES:
                continue
            content = file.read_bytes()
            name = f"{stem}.{hashlib.sha256(content).hexdigest()[:_HASH_CHARS]}.{kind}"
            self._served[name] = (content, TYPES[kind])
            self._urls[file.name] = f"{FOLDER}/{name}"

    def url(self, name: str) -> str:
        """Where the file of that plain name is served; raises `KeyError` where there is none."""
        return self._urls[name]

    def routes(self) -> list[Route]:
        """The one route of all files."""
        return [Route("GET", FOLDER + "/{name}", self._answer)]

    async def _answer(self, _: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
        served = self._served.get(found["name"])
        if served is None:
            raise web.HTTPNotFound
        content, kind = served
        headers = {
            "Cache-Control": FOR_EVER,
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)
