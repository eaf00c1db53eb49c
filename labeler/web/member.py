"""The page about one member: for everybody who asks, and for the member who proves to be it.

Everybody sees what `getStanding` tells the public. Whoever pastes a token for one method sees what that method answers
to its maker: the evidence, or that an appeal or an answer was taken. Nobody is logged in: there is no cookie, and the
token is spent.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from labeler.atproto.syntax import is_did, is_handle
from labeler.errors import BadInput, Unavailable
from labeler.ports import HandleResolver
from labeler.reputation.definitions import ADVERSE, DEFINITIONS
from labeler.service.access import Caller, forbidden, may_see
from labeler.service.http import told
from labeler.web.calls import Calls
from labeler.web.forms import Form, read_form
from labeler.web.member_words import ANSWERED, APPEALED, CASES, RESOLUTIONS, STATES, TOKEN_FOR
from labeler.web.pages import Pages, segment
from labeler.web.same_site import require_same_site
from labeler.web.site import Route, see_other

PATH: Final = "/member"
GET_STANDING: Final = "email.atmos.reputation.getStanding"
CREATE_REPORT: Final = "com.atproto.moderation.createReport"
ANSWER: Final = "email.atmos.reputation.answer"
APPEAL: Final = "com.atproto.moderation.defs#reasonAppeal"
REPO: Final = "com.atproto.admin.defs#repoRef"
TEXT_CHARS: Final = 2_000  # as the lexicons have it
PLENTY: Final = 10_000  # more room than this is not counted (counterfactuals)
_NAMES: Final = {definition.val: definition.name for definition in DEFINITIONS}


class Member(NamedTuple):
    """Whom a page is about: the DID, and the handle it was asked for by."""

    did: str
    handle: str | None = None

    @property
    def path(self) -> str:
        """Where its page is."""
        return member_path(self.handle or self.did)


class MemberPages:
    """The pages under /member. `origin` is our own, `audience` what tokens are made for, `contact` the postmaster."""

    def __init__(
        self, pages: Pages, calls: Calls, handles: HandleResolver, *, origin: str, audience: str, contact: str | None
    ) -> None:
        self._pages = pages
        self._calls = calls
        self._handles = handles
        self._origin = origin
        self._audience = audience
        self._contact = contact
        self._acts = {"evidence": self._evidence, "appeal": self._appeal, "answer": self._answer}

    def routes(self) -> list[Route]:
        """The search, and the page of whoever was searched."""
        return [
            Route("GET", PATH, self._search),
            Route("GET", PATH + "/{who}", self._show),
            Route("POST", PATH + "/{who}", self._act),
        ]

    async def _search(self, request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
        who = _normal(request.query.get("who", ""))
        if not who:
            return self._pages.show("member_search.html", who="", problem=None)
        if not is_did(who):
            try:
                await self._handles.resolve(who)
            except BadInput as error:
                return told(self._pages.show("member_search.html", error.status, who=who, problem=_unknown(error, who)))
        return see_other(member_path(who))

    async def _show(self, request: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
        member = await self._found(found["who"])
        return await self._page(request, member, None)

    async def _act(self, request: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
        require_same_site(request, self._origin)
        form = await read_form(request)
        member = await self._found(found["who"])
        act = self._acts.get(form.text("act") or "")
        if act is None:
            raise BadInput("This form is not known here.")
        try:
            return await act(request, member, form)
        except BadInput as error:
            status, problem = error.status, error.message
        except Unavailable:
            status, problem = 503, "This cannot be checked right now; try again with a new token."
        # What was typed is not lost; the token is, for it was spent or is no good.
        kept = {"act": form.text("act"), "text": form.text("text") or "", "problem": problem}
        return told(await self._page(request, member, None, status=status, kept=kept))

    async def _evidence(self, request: web.Request, member: Member, form: Form) -> web.StreamResponse:
        caller = await self._calls.caller(form.needed("token"), GET_STANDING)
        if not may_see(caller, member.did):
            raise _stranger(caller, member)
        return await self._page(request, member, caller)

    async def _appeal(self, request: web.Request, member: Member, form: Form) -> web.StreamResponse:
        text = form.needed("text")
        caller = await self._calls.caller(form.needed("token"), CREATE_REPORT)
        if caller.did != member.did:
            raise _stranger(caller, member)
        subject = {"$type": REPO, "did": member.did}
        body = {"reasonType": APPEAL, "subject": subject, "reason": text}
        filed = await self._calls.procedure(CREATE_REPORT, request, caller, body)
        return await self._page(request, member, None, done=APPEALED.format(id=filed["id"]))

    async def _answer(self, request: web.Request, member: Member, form: Form) -> web.StreamResponse:
        text = form.needed("text")
        caller = await self._calls.caller(form.needed("token"), ANSWER)
        if caller.did != member.did:
            raise _stranger(caller, member)
        taken = await self._calls.procedure(ANSWER, request, caller, {"text": text})
        return await self._page(request, member, None, done=ANSWERED.format(id=taken["id"]))

    async def _page(
        self,
        request: web.Request,
        member: Member,
        caller: Caller | None,
        *,
        status: int = 200,
        done: str | None = None,
        kept: Mapping[str, str | None] | None = None,
    ) -> web.Response:
        """Render the page as `caller` sees it, with what was done, or with what was typed and why it did not work."""
        standing = await self._calls.query(GET_STANDING, request, caller, {"did": member.did})
        return self._pages.show(
            "member.html",
            status,
            member=member,
            standing=standing,
            state=STATES[standing["standing"]],
            private="findings" in standing,
            restricted=[label["val"] for label in standing["labels"] if label["val"] in ADVERSE],
            fired=[finding for finding in standing.get("findings", ()) if finding["severity"] != "none"],
            room=sorted(standing.get("headroom", ()), key=_nearest),
            names=_NAMES,
            cases=CASES,
            resolutions=RESOLUTIONS,
            done=done,
            kept=kept or {"act": None, "text": "", "problem": None},
            audience=self._audience,
            tokens=TOKEN_FOR,
            contact=self._contact,
            text_chars=TEXT_CHARS,
            plenty=PLENTY,
        )

    async def _found(self, who: str) -> Member:
        """Whom a segment of the path means; raises `BadInput`, `Unavailable`."""
        name = _normal(who)
        if is_did(name):
            return Member(name)
        try:
            return Member(await self._handles.resolve(name), name.lower())
        except BadInput as error:
            raise BadInput(_unknown(error, name), name=error.name, status=404) from error


def member_path(who: str) -> str:
    """Where the page of a DID or handle is."""
    return f"{PATH}/{segment(who)}"


def _normal(who: str) -> str:
    """Take off what people paste along with a name."""
    return who.strip().removeprefix("at://").removeprefix("@").rstrip("/")


def _unknown(error: BadInput, who: str) -> str:
    """Say why nobody is found: what a host of the caller's choice answered is not theirs to learn from us."""
    if not is_handle(who):
        return f"{who[:64]!a} is neither a DID, like did:plc:…, nor a handle, like alice.example.com."
    match error.name:
        case "HandleNotFound":
            return f"{who} names no account: neither its DNS nor its host says which one it is."
        case "InvalidHandle":
            return f"No account goes by this handle: {error.message}."
    return f"{who} leads to an account whose DID document could not be read."


def _stranger(caller: Caller, member: Member) -> BadInput:
    return forbidden(f"This token was made by {caller.did}, and this page is about {member.did}.")


def _nearest(item: Mapping[str, Any]) -> int:
    return int(item["remaining"])
