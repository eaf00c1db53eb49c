"""The gate of the console: who may come in, and whether a form was really sent from one of our pages.

A form counts only with the token of its session in it, and only if the browser does not say that another site sent it
(same_site.py). The cookie is never sent along from other sites in the first place (SameSite=Strict, RFC 6265bis §5.2).
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from aiohttp import web

from labeler.errors import BadInput
from labeler.service.access import Access, Operator, Role
from labeler.service.http import told
from labeler.service.rate import Rate
from labeler.web.console.sessions import LONGEST, Session, Sessions
from labeler.web.forms import Form, read_form
from labeler.web.pages import Pages
from labeler.web.same_site import require_same_site
from labeler.web.site import Handler, Route, see_other

HOME: Final = "/console"
LOGIN: Final = "/console/login"
LOGIN_METHOD: Final = "email.atmos.operator.openConsole"
"""What a service-auth token to log in with is made for (its `lxm`). It is no method one can call: a token that somebody
was given for one call must not open a session that may do everything.
"""


class Visit(NamedTuple):
    """One request of somebody who is logged in."""

    request: web.Request
    session: Session
    operator: Operator
    now: datetime

    def may(self, role: Role) -> bool:
        """Whether the operator has that role."""
        return self.operator.role >= role


See = Callable[[Visit, Mapping[str, str]], Awaitable[web.StreamResponse]]
Act = Callable[[Visit, Form, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Gate:
    """Logs in and out, and lets in. `origin` is our own; `news` is what every page shows in its head."""

    def __init__(
        self,
        pages: Pages,
        access: Access,
        attempts: Rate,
        now: Callable[[], datetime],
        origin: str,
        news: Callable[[], object],
    ) -> None:
        """`attempts` counts logins that fail, and those under way."""
        self._pages = pages
        self._access = access
        self._attempts = attempts
        self._now = now
        self._origin = origin
        self._news = news
        self._secure = origin.startswith("https:")
        self._cookie = "__Secure-console" if self._secure else "console"
        self.sessions = Sessions()

    def routes(self) -> list[Route]:
        """Login and logout."""
        return [
            Route("GET", LOGIN, self._ask),
            Route("POST", LOGIN, self._log_in),
            Route("POST", "/console/logout", self.acting(self._log_out)),
        ]

    def seeing(self, see: See) -> Handler:
        """Show a page to those who are logged in, and the login to everybody else."""

        async def answer(request: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
            visit = self._visit(request)
            if visit is None:
                here = request.rel_url.raw_path_qs
                return see_other(LOGIN + (f"?next={quote(here, safe='/')}" if here != HOME else ""))
            return await see(visit, found)

        return answer

    def acting(self, act: Act) -> Handler:
        """Take a form from those who are logged in; raises `BadInput`, 403 when it did not come from our page."""

        async def answer(request: web.Request, found: Mapping[str, str]) -> web.StreamResponse:
            require_same_site(request, self._origin)
            form = await read_form(request)
            visit = self._visit(request)
            if visit is None:
                return self._login(request, 401, "You are not logged in any more.", typed=form.text("comment"))
            if not hmac.compare_digest((form.text("csrf") or "").encode(), visit.session.csrf.encode()):
                raise BadInput("This form is not of your session; load the page again.", name="BadForm", status=403)
            return await act(visit, form, found)

        return answer

    def show(self, visit: Visit, template: str, status: int = 200, **values: Any) -> web.Response:
        """Show a page with what all of them have: who is logged in, the token of forms, what there is to say."""
        said, visit.session.told = visit.session.told, None
        return self._pages.show(
            f"console/{template}",
            status,
            operator=visit.operator,
            may=visit.may,
            Role=Role,
            csrf=visit.session.csrf,
            said=said,
            now=visit.now,
            news=self._news(),
            **values,
        )

    def visitor(self, request: web.Request, *, idly: bool = False) -> Session | None:
        """The session of a request."""
        return self.sessions.find(request.cookies.get(self._cookie), self._now(), idly=idly)

    def _visit(self, request: web.Request) -> Visit | None:
        session = self.visitor(request)
        operator = self._access.operator(session.did) if session is not None else None
        if session is None or operator is None:
            return None
        role = min(session.role, operator.role)  # another token of the same DID may have a higher one
        return Visit(request, session, operator._replace(role=role), self._now())

    async def _ask(self, request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
        if self._visit(request) is not None:
            return see_other(_inside(request.query.get("next")))
        return self._login(request)

    async def _log_in(self, request: web.Request, _: Mapping[str, str]) -> web.StreamResponse:
        require_same_site(request, self._origin)
        budget = self._attempts.count(request, None)
        if budget.spent:
            response = self._login(request, 429, "Too many attempts from your address; wait a few minutes.")
            response.headers.update(budget.headers())
            return response
        form = await read_form(request)
        try:
            caller = await self._access.identify(f"Bearer {form.needed('token')}", LOGIN_METHOD)
        except BadInput as error:
            return self._login(request, error.status, error.message, form)
        if not isinstance(caller, Operator):
            return self._login(request, 403, "This token is good, but not an operator's: the console is theirs.", form)
        self._attempts.give_back(request)  # who knows a token has not been guessing
        self.sessions.end(request.cookies.get(self._cookie))  # the new one has a new id, whatever came along
        response = see_other(_inside(form.text("next")))
        response.set_cookie(
            self._cookie,
            self.sessions.begin(caller.did, caller.role, self._now()),
            max_age=int(LONGEST.total_seconds()),
            path=HOME,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    async def _log_out(self, visit: Visit, _: Form, __: Mapping[str, str]) -> web.StreamResponse:
        self.sessions.end(visit.request.cookies.get(self._cookie))
        response = see_other(LOGIN)
        response.del_cookie(self._cookie, path=HOME, secure=self._secure, httponly=True, samesite="Strict")
        return response

    def _login(
        self,
        request: web.Request,
        status: int = 200,
        problem: str | None = None,
        form: Form | None = None,
        typed: str | None = None,
    ) -> web.Response:
        following = form.text("next") if form is not None else request.query.get("next")
        return told(
            self._pages.show(
                "console/login.html",
                status,
                problem=problem,
                typed=typed,
                next=_inside(following),
                method=LOGIN_METHOD,
            )
        )


def _inside(path: str | None) -> str:
    """A page of ours to go on to; whatever else was asked for, the first one."""
    if path is None or not (path == HOME or path.startswith((HOME + "/", HOME + "?"))):
        return HOME
    return quote(path, safe="/?&=%:@+,~!$'()*;-._") if path.isprintable() and "\\" not in path else HOME
