"""People's apps report and appeal through an account host: @atproto/api and the Python SDK, unmodified."""

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from labeler.atproto.keys import PrivateKey
from tests.account_host import AccountHost, account_host
from tests.did_host import account, did_host

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

    Client = Callable[..., Coroutine[Any, Any, dict[str, Any]]]

MEMBER, READER = "did:plc:memberaaaaaaaaaaaaaaaaaa", "did:plc:readeraaaaaaaaaaaaaaaaaa"
KEYS = {MEMBER: PrivateKey.from_hex("71" * 32), READER: PrivateKey.from_hex("72" * 32)}
SESSIONS = {"member": (MEMBER, KEYS[MEMBER]), "reader": (READER, KEYS[READER])}
SPAM, APPEAL = "com.atproto.moderation.defs#reasonSpam", "tools.ozone.report.defs#reasonAppeal"
SUBJECT = {"$type": "com.atproto.admin.defs#repoRef", "did": MEMBER}
CID = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"


@pytest.fixture
async def among(installation: "Installation") -> AsyncIterator["Installation"]:
    """An installation that looks accounts up in a directory on loopback."""
    async with did_host() as directory:
        directory.documents = {did: account(did, key) for did, key in KEYS.items()}
        path = installation.folder / "labeler.toml"
        path.write_text(f'{path.read_text()}\n[identity]\nplc_directory = "{directory.url}"\n')
        yield installation


def hosting(running: "Running") -> Any:
    return account_host(SESSIONS, {running.did: running.url})


def step(session: str, reason_type: str = SPAM, **more: Any) -> dict[str, Any]:
    return {"session": session, "input": {"reasonType": reason_type, "subject": SUBJECT} | more}


@pytest.mark.row(255, 256, 257, 258, 259, 260, 261, 263)
async def test_the_reference_app_reports_and_appeals(among: "Installation", node: "Client") -> None:
    record = {"$type": "com.atproto.repo.strongRef", "uri": f"at://{MEMBER}/app.bsky.feed.post/3k5", "cid": CID}
    steps = [
        step("reader", reason="A list I never joined.", modTool={"name": "app", "meta": {"version": 1}}),
        step("reader"),
        step("reader", subject=record),
        step("reader", "com.atproto.moderation.defs#reasonSexual"),
        step("reader", APPEAL),
        step("member", APPEAL, reason="It was my brother."),
        step("member", APPEAL),
    ]
    async with among.serving() as running, hosting(running) as host:
        await running.label(MEMBER, "mail-throttled")
        told = (await node("report.mjs", host=host.url, did=running.did, steps=steps))["answers"]
    first = told[0]["data"]
    assert (first["reportedBy"], first["reasonType"], first["reason"]) == (READER, SPAM, "A list I never joined.")
    assert first["subject"] == SUBJECT
    assert told[1]["data"] == first, "the same again is the same report"
    assert (told[2]["data"]["subject"], told[2]["data"]["id"] > first["id"]) == (record, True)
    assert (told[3]["status"], told[3]["error"], told[3]["message"]) == (
        400,
        "InvalidRequest",
        "Invalid reason type: com.atproto.moderation.defs#reasonSexual",
    )
    assert (told[4]["status"], told[4]["message"]) == (403, "You cannot appeal this report")
    assert told[5]["data"]["reportedBy"] == MEMBER
    assert (told[6]["status"], told[6]["error"]) == (403, "AlreadyAppealed")


@pytest.mark.row(255, 258)
@pytest.mark.parametrize("bare", [True, False])
async def test_the_python_sdk_reports_through_hosts_of_both_kinds(among: "Installation", bare: bool) -> None:
    atproto = importlib.import_module("atproto")
    data = {"reason_type": SPAM, "subject": {"$type": SUBJECT["$type"], "did": MEMBER}, "reason": "unwanted"}
    async with among.serving() as running, hosting(running) as host:
        host.bare = bare
        client = atproto.AsyncClient(base_url=f"{host.url}/xrpc").with_proxy("atproto_labeler", running.did)
        async with contextlib.aclosing(client.request._client):  # it has no end of its own
            found = await client.com.atproto.moderation.create_report(data, headers={"Authorization": "Bearer reader"})
        assert (found.reported_by, found.reason_type, found.reason) == (READER, SPAM, "unwanted")
        assert (found.subject.did, found.id) == (MEMBER, 2)


@pytest.mark.row(204, 258)
async def test_a_token_the_host_made_works_once(among: "Installation") -> None:
    async with among.serving() as running, hosting(running) as host:
        await spoken(host, running.did, "reader", {"reasonType": SPAM, "subject": SUBJECT})
        answer = await running.client.post(
            "/xrpc/com.atproto.moderation.createReport",
            json={"reasonType": SPAM, "subject": SUBJECT},
            headers={"Authorization": f"Bearer {host.tokens[0]}"},
        )
        assert (answer.status_code, answer.json()["error"]) == (401, "BadJwt")


@pytest.mark.row(255)
async def test_what_is_too_much_is_told_through_the_host(among: "Installation") -> None:
    path = among.folder / "labeler.toml"
    path.write_text(f"{path.read_text()}\n[limits]\naccount_reports = 1\n")
    body = {"reasonType": SPAM, "subject": SUBJECT}
    async with among.serving() as running, hosting(running) as host:
        assert (await spoken(host, running.did, "reader", body | {"reason": "x" * 200_000})).status_code == 413
        found = [await spoken(host, running.did, "reader", body) for _ in range(2)]
        assert [answer.status_code for answer in found] == [200, 429]
        assert found[1].json()["error"] == "RateLimitExceeded"
        assert int(found[1].headers["Retry-After"]) > 0
        assert (await spoken(host, running.did, "member", body)).status_code == 200


async def spoken(host: AccountHost, did: str, session: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {session}", "atproto-proxy": f"{did}#atproto_labeler"}
    async with httpx.AsyncClient() as client, asyncio.timeout(20):
        return await client.post(f"{host.url}/xrpc/com.atproto.moderation.createReport", json=body, headers=headers)
