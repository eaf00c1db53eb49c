"""Coming in: by token, by service auth, not at all; what a session is, and who may send a form."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.did_host import token
from tests.e2e.console.conftest import ALICE, KEY, LOGIN, REMOTE, STRANGER, Office, text_of

if TYPE_CHECKING:
    import httpx

METHOD = "email.atmos.operator.openConsole"
PAGES = ["/console", "/console/dids", f"/console/dids/{ALICE}", "/console/cases", "/console/policy", "/console/audit"]


def cookie_of(answer: "httpx.Response") -> str:
    return str(answer.headers.get("Set-Cookie", ""))


@pytest.mark.parametrize("path", [*PAGES, f"/console/dids/{ALICE}/charts/sent.svg", "/console/cases/1"])
async def test_nobody_sees_a_page_without_logging_in(office: Office, path: str) -> None:
    seat = await office.sit()
    answer = await seat.client.get(path + "?a=1")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(LOGIN + "?next=/console")
    assert (await seat.client.get("/console/live")).status_code == 401


async def test_a_token_lets_in_and_the_page_asked_for_comes_next(office: Office) -> None:
    seat = await office.sit()
    answer = await seat.log_in("moderator", next="/console/dids?q=a b&standing=good")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/console/dids?q=a%20b&standing=good"
    given = cookie_of(answer)
    assert "HttpOnly" in given
    assert "SameSite=Strict" in given
    assert "Path=/console" in given
    assert "Secure" not in given  # the trial is on http://localhost
    page = text_of(await seat.see("/console"))
    assert "did:plc:moderator · moderator" in page
    assert (await seat.client.get(LOGIN)).headers["Location"] == "/console"


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        ("wrong", 401, "not known here"),
        ("relay", 403, "not an operator's"),
        ("", 400, "token is missing"),
        ("x" * 9_000, 401, "too long"),
        ("a.b.c", 401, ""),
        ("<script>alert(1)</script>", 401, ""),
    ],
)
async def test_whatever_is_no_operators_token_does_not(office: Office, given: str, status: int, told: str) -> None:
    seat = await office.sit()
    answer = await seat.log_in(given)
    assert answer.status_code == status
    assert told in text_of(answer.text)
    assert cookie_of(answer) == ""
    assert "<script>alert" not in answer.text
    assert given == "" or given not in answer.text
    assert (await seat.client.get("/console")).status_code == 303


async def test_a_service_auth_token_lets_in_once(office: Office) -> None:
    good = token(KEY, iss=REMOTE, aud=office.running.did + "#atproto_labeler", lxm=METHOD)
    seat, thief = await office.sit(), await office.sit()
    assert (await seat.log_in(good)).status_code == 303
    assert f"{REMOTE} · triage" in text_of(await seat.see("/console"))
    again = await thief.log_in(good)
    assert again.status_code == 401
    assert cookie_of(again) == ""


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"lxm": "email.atmos.operator.listCases"}, 401),
        ({"lxm": "email.atmos.operator.resolveCase"}, 401),
        ({"lxm": None}, 401),
        ({"aud": "did:web:elsewhere.example#atproto_labeler"}, 401),
        ({"exp": 1}, 401),
        ({"iss": STRANGER}, 403),
    ],
)
async def test_a_service_auth_token_for_something_else_does_not(
    office: Office, claims: dict[str, Any], status: int
) -> None:
    made = {"iss": REMOTE, "aud": office.running.did + "#atproto_labeler", "lxm": METHOD} | claims
    seat = await office.sit()
    answer = await seat.log_in(token(KEY, **{name: value for name, value in made.items() if value is not None}))
    assert answer.status_code == status
    assert cookie_of(answer) == ""


async def test_an_id_that_somebody_chose_is_never_a_session(office: Office) -> None:
    seat = await office.sit()
    seat.client.cookies.set("console", "chosen", path="/console")
    assert (await seat.client.get("/console")).status_code == 303
    seat.client.cookies.clear()
    answer = await seat.client.post(LOGIN, data={"token": "triage"}, headers={"Cookie": "console=chosen"})
    assert answer.status_code == 303
    assert "console=chosen" not in cookie_of(answer)
    thief = await office.sit()
    assert (await thief.client.get("/console", headers={"Cookie": "console=chosen"})).status_code == 303


async def test_logging_in_anew_ends_the_session_before(office: Office) -> None:
    seat, thief = await office.sit("triage"), await office.sit()
    before = seat.client.cookies["console"]
    assert (await seat.log_in("moderator")).status_code == 303
    assert seat.client.cookies["console"] != before
    assert (await thief.client.get("/console", headers={"Cookie": f"console={before}"})).status_code == 303


async def test_logging_out_ends_it_for_everybody_who_has_the_cookie(office: Office) -> None:
    seat, thief = await office.sit("triage"), await office.sit()
    stolen = {"Cookie": f"console={seat.client.cookies['console']}"}
    assert (await thief.client.get("/console", headers=stolen)).status_code == 200
    assert (await thief.client.get("/console/logout", headers=stolen)).status_code == 405
    answer = await seat.send("/console/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, LOGIN)
    assert (await thief.client.get("/console", headers=stolen)).status_code == 303


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/",
        "//evil.example/console",
        "/\\evil.example",
        "/console\\evil",
        "/consolation",
        "javascript:alert(1)",
        "/console/\r\nX-Evil: 1",
    ],
)
async def test_no_login_leads_out_of_the_console(office: Office, following: str) -> None:
    seat = await office.sit()
    answer = await seat.log_in("triage", next=following)
    assert answer.headers["Location"] == "/console"
    assert "X-Evil" not in answer.headers


async def test_guessing_is_slowed_down(office: Office) -> None:
    seat = await office.sit()
    answers = [(await seat.log_in(f"guess-{number}")).status_code for number in range(21)]
    assert answers == [401] * 20 + [429]
    late = await seat.log_in("admin")
    assert late.status_code == 429
    assert int(late.headers["Retry-After"]) > 0
    elsewhere = await seat.client.post(LOGIN, data={"token": "admin"}, headers={"X-Forwarded-For": "198.51.100.7"})
    assert elsewhere.status_code == 303


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_form_of_another_site_does_nothing(office: Office, headers: dict[str, str]) -> None:
    seat = await office.sit("admin")
    answer = await seat.send("/console/automation", headers=headers, mode="pause")
    assert answer.status_code == 403
    assert "not sent from a page of this site" in text_of(answer.text)
    assert "Automation: pause" not in text_of(await seat.see("/console"))
    stranger = await office.sit()
    login = await stranger.client.post(LOGIN, data={"token": "admin"}, headers=headers)
    assert login.status_code == 403
    assert cookie_of(login) == ""


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, {"Origin": "OURS"}, {}])
async def test_a_form_of_ours_does_what_it_says(office: Office, headers: dict[str, str]) -> None:
    seat = await office.sit("admin")
    own = {name: value.replace("OURS", office.running.url) for name, value in headers.items()}
    assert (await seat.send("/console/automation", headers=own, mode="pause")).status_code == 303
    assert "Automation: pause" in text_of(await seat.see("/console"))


@pytest.mark.parametrize("given", ["", "wrong", "ä", "OTHER"])
async def test_a_form_without_the_token_of_its_session_does_nothing(office: Office, given: str) -> None:
    seat, other = await office.sit("admin"), await office.sit("admin")
    fields = {"mode": "pause", "csrf": await other.csrf() if given == "OTHER" else given}
    answer = await seat.client.post("/console/automation", data=fields)
    assert answer.status_code == 403
    assert "not of your session" in text_of(answer.text)
    assert "Automation: pause" not in text_of(await seat.see("/console"))


async def test_what_was_typed_after_the_session_ended_is_given_back(office: Office) -> None:
    seat = await office.sit()
    answer = await seat.client.post(
        f"/console/dids/{ALICE}/comment", data={"csrf": "old", "comment": "half an hour of <b>thought</b>"}
    )
    assert answer.status_code == 401
    assert "half an hour of &lt;b&gt;thought&lt;/b&gt;" in answer.text
    assert "Log in" in answer.text


async def test_looking_at_the_numbers_goes_with_the_session(office: Office) -> None:
    seat = await office.sit("triage")
    news = (await seat.client.get("/console/live")).json()
    assert news.keys() == {"open_cases", "mode", "seq", "lag", "mark"}
    await office.running.label(ALICE, "mail-suspended")
    after = (await seat.client.get("/console/live")).json()
    assert (after["open_cases"], after["seq"]) == (news["open_cases"] + 1, news["seq"] + 1)
    assert after["mark"] != news["mark"]
