"""What the member page says to whom, and what it takes from whom: seen without a browser, hostile cases first."""

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from tests.browser import story
from tests.did_host import token

if TYPE_CHECKING:
    import httpx

    from tests.browser.conftest import World

STANDING: Final = "email.atmos.reputation.getStanding"
REPORT: Final = "com.atproto.moderation.createReport"
ANSWER: Final = "email.atmos.reputation.answer"
HARBOR, MEADOW = story.HARBOR, story.MEADOW
NAUGHTY: Final = "</textarea><script>alert(1)</script>"


async def page(world: "World", who: str, **headers: str) -> "httpx.Response":
    return await world.running.client.get(f"/member/{quote(who, safe='')}", headers=headers)


async def send(world: "World", who: story.Member, act: str, **fields: str) -> "httpx.Response":
    headers = {"Sec-Fetch-Site": "same-origin"}
    return await world.running.client.post(f"/member/{who.did}", data={"act": act, **fields}, headers=headers)


async def known(world: "World", member: story.Member) -> dict[str, Any]:
    """Everything there is to know, as an operator is told."""
    answer = await world.running.client.get(
        f"/xrpc/{STANDING}?did={member.did}", headers={"Authorization": "Bearer triage"}
    )
    found: dict[str, Any] = answer.json()
    return found


def secrets(full: dict[str, Any]) -> Iterator[str]:
    """What nobody else may read about a member."""
    for part in ("findings", "headroom", "clears"):
        yield from (item["text"] for item in full[part])
    yield from (item["domain"] for item in full["domains"])


def leaks(answer: "httpx.Response", full: dict[str, Any]) -> list[str]:
    read = html.unescape(answer.text)
    return [secret for secret in secrets(full) if secret in read] + re.findall(
        "The evidence</h2>|Cases about you", read
    )


class TestWhoSeesWhat:
    @pytest.mark.parametrize("member", story.MEMBERS, ids=lambda member: member.name)
    async def test_the_public_reads_the_standing_and_not_the_evidence(
        self, world: "World", member: story.Member
    ) -> None:
        answer, full = await page(world, member.did), await known(world, member)
        assert answer.status_code == 200
        assert full["labels"][0]["clearedBy"] in html.unescape(answer.text)
        assert leaks(answer, full) == []

    async def test_the_account_itself_reads_the_evidence(self, world: "World") -> None:
        answer = await send(world, HARBOR, "evidence", token=HARBOR.token(world.running.did, STANDING))
        assert answer.status_code == 200
        assert "24 distinct recipients that do not exist, of 200" in answer.text
        assert "harbor.example" in answer.text

    async def test_an_operator_reads_it_as_over_xrpc(self, world: "World") -> None:
        assert "harbor.example" in (await send(world, HARBOR, "evidence", token="triage")).text

    @pytest.mark.parametrize("whose", [MEADOW, story.QUARRY, story.HOLLOW], ids=lambda member: member.name)
    async def test_another_member_is_refused_by_name(self, world: "World", whose: story.Member) -> None:
        answer = await send(world, HARBOR, "evidence", token=whose.token(world.running.did, STANDING))
        assert answer.status_code == 403
        assert f"made by {whose.did}, and this page is about {HARBOR.did}" in answer.text
        assert leaks(answer, await known(world, HARBOR)) == []

    async def test_a_relay_is_refused(self, world: "World") -> None:
        answer = await send(world, HARBOR, "evidence", token="relay")
        assert (answer.status_code, leaks(answer, await known(world, HARBOR))) == (403, [])

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"lxm": REPORT}, "lxm"),
            ({"aud": "did:web:elsewhere.example"}, "aud"),
            ({"exp": 1_000_000_000, "iat": 999_999_990}, "expired"),
            ({"iss": MEADOW.did}, "signature"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    async def test_a_token_for_something_else_is_refused(
        self, world: "World", claims: dict[str, Any], why: str
    ) -> None:
        good = {"iss": HARBOR.did, "aud": world.running.did, "lxm": STANDING}
        answer = await send(world, HARBOR, "evidence", token=token(HARBOR.key, **(good | claims)))
        assert answer.status_code == 401
        assert why in answer.text
        assert leaks(answer, await known(world, HARBOR)) == []

    async def test_a_token_is_good_once_here_and_over_xrpc_together(self, world: "World") -> None:
        token = HARBOR.token(world.running.did, STANDING)
        assert (await send(world, HARBOR, "evidence", token=token)).status_code == 200
        assert (await send(world, HARBOR, "evidence", token=token)).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        again = await world.running.client.get(f"/xrpc/{STANDING}?did={HARBOR.did}", headers=headers)
        assert again.status_code == 401

    async def test_a_token_in_the_address_or_a_header_is_not_looked_at(self, world: "World") -> None:
        token = HARBOR.token(world.running.did, STANDING)
        path = f"/member/{HARBOR.did}?act=evidence&token={token}"
        answer = await world.running.client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, leaks(answer, await known(world, HARBOR))) == (200, [])
        assert token not in answer.text
        assert (await send(world, HARBOR, "evidence", token=token)).status_code == 200, "it was not spent"

    async def test_operators_and_what_they_wrote_are_on_no_members_page(self, world: "World") -> None:
        for member in (story.LANTERN, story.THICKET):
            answer = await send(world, member, "evidence", token=member.token(world.running.did, STANDING))
            assert answer.status_code == 200
            assert not re.search("moderator|phishing|partner|who gave you", answer.text)

    async def test_a_proposed_removal_is_not_told(self, world: "World") -> None:
        await story.decide(world.running, "admin", story.PASTURE, "mail-removed", comment="the third list")
        assert (await known(world, story.PASTURE))["standing"] == "suspended", "it takes two"
        token = story.PASTURE.token(world.running.did, STANDING)
        answer = await send(world, story.PASTURE, "evidence", token=token)
        assert "Cases about you" in answer.text
        assert not re.search("removal|the third list", answer.text, re.IGNORECASE)

    async def test_a_member_nobody_heard_of_stands_as_the_api_says(self, world: "World") -> None:
        answer = await page(world, "did:web:nobody.example")
        assert answer.status_code == 200
        assert "knows nothing about this account" in answer.text

    async def test_no_page_is_kept_by_anybody_or_read_by_another_origin(self, world: "World") -> None:
        shown = await page(world, HARBOR.did, Origin="https://evil.example")
        seen = await send(world, HARBOR, "evidence", token=HARBOR.token(world.running.did, STANDING))
        for answer in (shown, seen, await world.running.client.get("/member")):
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Set-Cookie" not in answer.headers
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Robots-Tag"] == "noindex"


class TestWhoIsMeant:
    @pytest.mark.parametrize("who", ["harbor.test", "Harbor.TEST", "@harbor.test", "at://harbor.test", HARBOR.did])
    async def test_a_member_goes_by_handle_and_did(self, world: "World", who: str) -> None:
        answer = await page(world, who)
        assert answer.status_code == 200
        assert HARBOR.did in answer.text
        assert "Too many recipients do not exist." in answer.text

    @pytest.mark.parametrize(
        ("who", "why"),
        [
            ("nobody.test", "names no account"),
            (story.STRAY, f"leads to {MEADOW.did}, which does not claim it"),
            ("alice.local", "lies under a domain that handles are not resolved in"),
            ("did:plc:", "is neither a DID"),
            ("no handle", "is neither a DID"),
            ("<script>alert(1)</script>", "is neither a DID"),
            ("ＨＡＲＢＯＲ.test", "is neither a DID"),
            ("a" * 3_000, "is neither a DID"),
        ],
    )
    async def test_nobody_is_found_in_clear_words(self, world: "World", who: str, why: str) -> None:
        answer = await page(world, who)
        assert answer.status_code == 404
        assert why in answer.text
        assert "<script>alert" not in answer.text

    async def test_what_a_strangers_host_answers_is_not_told(self, world: "World") -> None:
        world.names.name("hostile.test", "did=did:web:localhost%3A9")
        answer = await page(world, "hostile.test")
        assert answer.status_code in (404, 503)
        assert "Errno" not in answer.text
        assert "refused" not in answer.text

    async def test_the_search_leads_to_the_page(self, world: "World") -> None:
        for asked, path in [(" @harbor.test ", "/member/harbor.test"), (HARBOR.did, f"/member/{HARBOR.did}")]:
            answer = await world.running.client.get("/member", params={"who": asked})
            assert (answer.status_code, answer.headers["Location"]) == (303, path)

    async def test_a_did_with_a_port_keeps_its_percent_sign(self, world: "World") -> None:
        answer = await world.running.client.get("/member", params={"who": "did:web:localhost%3A8080"})
        assert answer.headers["Location"] == "/member/did:web:localhost%253A8080"
        assert "did:web:localhost%3A8080" in (await world.running.client.get(answer.headers["Location"])).text

    @pytest.mark.parametrize("who", ["//evil.example", "/\\evil.example", "https://evil.example", '"><script>'])
    async def test_the_search_leads_nowhere_else(self, world: "World", who: str) -> None:
        answer = await world.running.client.get("/member", params={"who": who})
        assert answer.status_code in (400, 404)
        assert "<script>" not in answer.text
        assert "Location" not in answer.headers

    async def test_no_other_verb(self, world: "World") -> None:
        for verb in ("PUT", "DELETE", "PATCH"):
            answer = await world.running.client.request(verb, f"/member/{HARBOR.did}")
            assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")


class TestForms:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
        ],
        ids=str,
    )
    async def test_a_form_of_another_site_is_refused_and_its_token_unspent(
        self, world: "World", headers: dict[str, str]
    ) -> None:
        token = HARBOR.token(world.running.did, STANDING)
        fields = {"act": "evidence", "token": token}
        answer = await world.running.client.post(f"/member/{HARBOR.did}", data=fields, headers=headers)
        assert answer.status_code == 403
        assert "not sent from a page of this site" in answer.text
        assert (await send(world, HARBOR, "evidence", token=token)).status_code == 200

    async def test_an_older_browser_says_where_the_page_was_in_origin_alone(self, world: "World") -> None:
        for headers in ({"Origin": world.running.url}, {}):
            fields = {"act": "evidence", "token": HARBOR.token(world.running.did, STANDING)}
            answer = await world.running.client.post(f"/member/{HARBOR.did}", data=fields, headers=headers)
            assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            ({"data": {"act": "evidence"}}, 400),
            ({"data": {"act": "shout", "token": "x"}}, 400),
            ({"data": {}}, 415),
            ({"json": {"act": "evidence"}}, 415),
            ({"files": {"token": b"x"}}, 415),
            ({"data": {"act": "appeal", "token": "x", "text": "a" * 70_000}}, 413),
            ({"data": {f"f{number}": "x" for number in range(200)}}, 400),
            ({"data": {"act": "evidence", "token": "x" * 9_000}}, 401),
            ({"data": {"act": "evidence", "token": "ü\r\nX-Injected: 1"}}, 401),
        ],
    )
    async def test_a_form_that_is_none_is_refused(self, world: "World", sent: dict[str, Any], status: int) -> None:
        answer = await world.running.client.post(f"/member/{HARBOR.did}", **sent)
        assert answer.status_code == status
        assert "X-Injected" not in answer.headers

    async def test_a_stranger_cannot_appeal_and_nothing_is_filed(self, world: "World") -> None:
        token = MEADOW.token(world.running.did, REPORT)
        answer = await send(world, HARBOR, "appeal", token=token, text=NAUGHTY)
        assert answer.status_code == 403
        assert "and this page is about" in answer.text
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text, "what was typed is not lost"
        assert token not in answer.text
        for member in (HARBOR, MEADOW):
            assert (await known(world, member))["cases"] == []

    async def test_an_operator_cannot_appeal_for_a_member(self, world: "World") -> None:
        answer = await send(world, HARBOR, "appeal", token="admin", text="poor thing")
        assert answer.status_code == 403
        assert (await known(world, HARBOR))["cases"] == []

    @pytest.mark.parametrize("text", ["", " \r\n ", "x" * 2_001])
    async def test_an_appeal_needs_words_and_not_too_many(self, world: "World", text: str) -> None:
        token = HARBOR.token(world.running.did, REPORT)
        answer = await send(world, HARBOR, "appeal", token=token, text=text)
        assert answer.status_code == 400
        assert text.strip() in answer.text
        assert (await known(world, HARBOR))["cases"] == []

    async def test_a_second_appeal_is_refused_while_the_first_waits(self, world: "World") -> None:
        token = story.LANTERN.token(world.running.did, REPORT)
        answer = await send(world, story.LANTERN, "appeal", token=token, text="once more")
        assert answer.status_code == 403
        assert [case["kind"] for case in (await known(world, story.LANTERN))["cases"]] == ["appeal", "suspension"]

    @pytest.mark.parametrize("member", [story.HOLLOW, story.ORCHARD], ids=lambda member: member.name)
    async def test_the_account_itself_appeals_a_removed_one_too(self, world: "World", member: story.Member) -> None:
        token = member.token(world.running.did, REPORT)
        answer = await send(world, member, "appeal", token=token, text=f"We\r\nmended it. {NAUGHTY}")
        assert answer.status_code == 200
        assert "Your appeal is with the operators" in answer.text
        assert "mended" not in answer.text
        (case,) = [case for case in (await known(world, member))["cases"] if case["kind"] == "appeal"]
        assert "closedAt" not in case
        seen = await send(world, member, "evidence", token=member.token(world.running.did, STANDING))
        assert "Your appeal" in seen.text

    async def test_who_was_asked_nothing_has_nothing_to_answer(self, world: "World") -> None:
        token = MEADOW.token(world.running.did, ANSWER)
        answer = await send(world, MEADOW, "answer", token=token, text="what?")
        assert answer.status_code == 400
        assert "Nobody asked this account anything" in answer.text

    async def test_a_token_on_the_wrong_page_answers_for_nobody(self, world: "World") -> None:
        before = (await known(world, story.THICKET))["cases"]
        token = story.THICKET.token(world.running.did, ANSWER)
        answer = await send(world, story.HARBOR, "answer", token=token, text="not meant for this page")
        assert answer.status_code == 403
        assert (await known(world, story.THICKET))["cases"] == before

    async def test_the_account_itself_answers_and_the_clock_stops(self, world: "World") -> None:
        assert len((await known(world, story.WICKET))["reports"]) == 1
        token = story.WICKET.token(world.running.did, ANSWER)
        answer = await send(world, story.WICKET, "answer", token=token, text="The list is our own.")
        assert answer.status_code == 200
        assert "the clock has stopped" in answer.text
        full = await known(world, story.WICKET)
        assert full["reports"] == []
        assert "answeredAt" in full["cases"][0]

    async def test_a_key_that_cannot_be_fetched_loses_nobody_a_word(self, world: "World") -> None:
        stray = token(HARBOR.key, iss="did:plc:nowhereaaaaaaaaaaaaaaaaa", aud=world.running.did, lxm=REPORT)
        answer = await send(world, HARBOR, "appeal", token=stray, text="my words")
        assert answer.status_code in (401, 503)
        assert "my words" in answer.text
