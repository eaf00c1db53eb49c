"""Whether a form that changes something was filled in on a page of ours.

A browser says where a request comes from: in Sec-Fetch-Site, older ones in Origin alone (Fetch Metadata §2).
Who says neither is no browser, and nobody can make it send somebody else's form.
"""

from typing import Final

from aiohttp import web

from labeler.service.access import forbidden

_OURS: Final = ("same-origin", "none")  # "none": typed or reloaded by the user


def require_same_site(request: web.Request, origin: str) -> None:
    """Let forms from pages of `origin` pass, and of the host the request names; raises `BadInput` (403)."""
    site, given = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and given is None:
        return
    here = (origin, f"http://{request.host}", f"https://{request.host}")
    if site in _OURS if site is not None else given in here:
        return
    raise forbidden("This form was not sent from a page of this site; open the page and fill it in there.")
