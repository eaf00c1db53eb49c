"""getRepo, getConfig, listMembers, and who may come in at any of the Ozone doors: by token, and by proxy."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.atproto.keys import PrivateKey
from labeler.atproto.label import Label, verify_label
from labeler.service import claimed_handle
from labeler.service.access import Operator, Role
from labeler.service.claimed_handle import ClaimedHandles
from labeler.service.schema import load_lexicons
from tests.did_host import account, token
from tests.unit.service.ozone_client import ALICE, DEFS, Ozone
from tests.unit.service.test_oversight import BUYER, bought, judged

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

OWN = "did:web:labeler.example.com"
TEAM = "tools.ozone.team.defs#"
REMOTE, STRANGER = "did:plc:remote", "did:plc:stranger"
KEYS = {REMOTE: PrivateKey.from_hex("51" * 32), STRANGER: PrivateKey.from_hex("52" * 32)}
SIGNING_KEY = PrivateKey.from_hex("22" * 32)  # the service's
QUERIES = {
    "moderation.queryEvents": "",
    "moderation.queryStatuses": "",
    "moderation.getEvent": "id=2",
    "moderation.getRepo": f"did={ALICE}",
    "server.getConfig": "",
    "team.listMembers": "",
}
NOT_HERE = [
    "moderation.getSubjects", "moderation.getRecord", "moderation.getRecords", "moderation.getRepos",
    "moderation.searchRepos", "moderation.getAccountTimeline", "moderation.getAccountPreferences", "team.addMember",
    "team.updateMember", "team.deleteMember", "setting.listOptions", "communication.listTemplates", "set.querySets",
    "report.queryReports", "queue.listQueues", "signature.searchAccounts", "safelink.queryRules",
]  # fmt: skip


@pytest.fixture
async def proxied(service: "Service") -> AsyncIterator["Service"]:
    """A service that knows a moderator by DID alone, as one who comes through an account host does."""
    made = type(service)(
        dids=StaticDids({did: account(did, key) for did, key in KEYS.items()}),
        members=[Operator(REMOTE, Role.MODERATOR)],
    )
    await made.start()
    yield made
    await made.stop()


def passed_on(service: "Service", iss: str, nsid: str, **claims: Any) -> str:
    """The token an account host makes for `atproto-proxy: <did>#atproto_labeler`."""
    claims = {"iss": iss, "aud": f"{OWN}#atproto_labeler", "lxm": f"tools.ozone.{nsid}"} | claims
    return token(KEYS[iss], now=service.clock.now(), **claims)


class TestWhoMayCome:
    @pytest.mark.row(265, 270)
    @pytest.mark.parametrize("nsid", QUERIES)
    async def test_every_query_by_token(self, ozone_tool: Ozone, nsid: str) -> None:
        await ozone_tool.emit("modEventComment")
        relay = 200 if nsid == "server.getConfig" else 403
        for name, expected in ((None, 401), ("nobody", 401), ("relay", relay), ("triage", 200), ("admin", 200)):
            status, body = await ozone_tool.ask(nsid, QUERIES[nsid], name)
            assert status == expected, (name, body)
            if status == 403:
                assert (body["error"], "triage" in body["message"]) == ("Forbidden", True)

    @pytest.mark.row(258, 265)
    @pytest.mark.parametrize("nsid", QUERIES)
    async def test_every_query_through_a_proxy(self, proxied: "Service", nsid: str) -> None:
        await Ozone(proxied).emit("modEventComment")
        tool = Ozone(proxied)
        status, body = await tool.ask(nsid, QUERIES[nsid], passed_on(proxied, REMOTE, nsid))
        assert status == 200, body
        load_lexicons().check_output(f"tools.ozone.{nsid}", body)
        status, body = await tool.ask(nsid, QUERIES[nsid], passed_on(proxied, STRANGER, nsid))
        assert status == (200 if nsid == "server.getConfig" else 403), body
        replayed = passed_on(proxied, REMOTE, nsid)
        answers = [await tool.ask(nsid, QUERIES[nsid], replayed) for _ in range(2)]
        assert [status for status, _ in answers] == [200, 401], "a token is good once"
        other = passed_on(proxied, REMOTE, nsid, lxm="tools.ozone.moderation.getSubjects")
        assert (await tool.ask(nsid, QUERIES[nsid], other))[0] == 401

    @pytest.mark.row(269, 270)
    async def test_events_through_a_proxy_are_by_who_made_the_token(self, proxied: "Service") -> None:
        status, body = await proxied.emit(token=passed_on(proxied, REMOTE, "moderation.emitEvent"))
        assert (status, body["createdBy"]) == (200, REMOTE)
        status, body = await proxied.emit(token=passed_on(proxied, STRANGER, "moderation.emitEvent"))
        assert (status, body["error"]) == (403, "Forbidden")

    @pytest.mark.row(270)
    @pytest.mark.parametrize(
        ("kind", "fields", "needed"),
        [
            ("modEventComment", {}, "triage"),
            ("modEventAcknowledge", {}, "triage"),
            ("modEventEscalate", {}, "triage"),
            ("modEventTag", {"add": ["a"], "remove": []}, "triage"),
            ("modEventMute", {"durationInHours": 1}, "triage"),
            ("modEventUnmute", {}, "triage"),
            ("modEventResolveAppeal", {}, "moderator"),
            ("modEventLabel", {"createLabelVals": ["mail-throttled"], "negateLabelVals": []}, "moderator"),
            ("modEventLabel", {"createLabelVals": ["mail-removed"], "negateLabelVals": []}, "admin"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_each_event_needs_its_role(
        self, service: "Service", ozone_tool: Ozone, kind: str, fields: dict[str, Any], needed: str
    ) -> None:
        """Whoever has it passes, so does everybody above; who has less is told which."""
        await ozone_tool.report(appeal=True)
        before = await service.telemetry.head()
        roles = ("relay", "triage", "moderator", "admin")
        for name in roles[: roles.index(needed)]:
            status, body = await service.emit(token=name, event={"$type": DEFS + kind} | fields)
            assert (status, body["error"]) == (403, "Forbidden")
            assert needed in body["message"] or name == "relay"
        assert await service.telemetry.head() == before
        status, body = await service.emit(token=needed, event={"$type": DEFS + kind} | fields)
        assert status == 200, body

    async def test_a_removal_is_taken_back_by_an_admin_only(self, service: "Service") -> None:
        event = {"$type": f"{DEFS}modEventLabel", "createLabelVals": [], "negateLabelVals": ["mail-removed"]}
        status, body = await service.emit(event=event)
        assert (status, "admin" in body["message"]) == (403, True)
        status, body = await service.emit(token="admin", event=event)
        assert (status, body["error"]) == (400, "InvalidRequest"), "there is none"

    @pytest.mark.row(265, 272, 279)
    @pytest.mark.parametrize("nsid", NOT_HERE)
    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_what_is_not_here_says_so(self, service: "Service", method: str, nsid: str) -> None:
        sent: dict[str, Any] = {"json": {}} if method == "POST" else {}
        status, answer, _ = await service.call(method, f"/xrpc/tools.ozone.{nsid}", token="admin", **sent)
        assert (status, answer["error"]) == (501, "MethodNotImplemented")


class TestGetConfig:
    @pytest.mark.row(273)
    @pytest.mark.parametrize(
        ("name", "role"),
        [("triage", "roleTriage"), ("moderator", "roleModerator"), ("admin", "roleAdmin"), ("relay", None)],
    )
    async def test_it_says_who_is_asking(self, ozone_tool: Ozone, name: str, role: str | None) -> None:
        status, body = await ozone_tool.ask("server.getConfig", token=name)
        assert (status, body["viewer"]) == (200, {"role": TEAM + role} if role else {})


class TestListMembers:
    @pytest.mark.row(265)
    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ("", ["admin", "moderator", "triage"]),
            ("q=MOD", ["moderator"]),
            ("q=nobody", []),
            (f"roles={TEAM}roleAdmin&roles={TEAM}roleTriage", ["admin", "triage"]),
            (f"roles={TEAM}roleVerifier", []),
            ("disabled=true", []),
            ("disabled=false", ["admin", "moderator", "triage"]),
            ("cursor=did:plc:moderator", ["triage"]),
        ],
    )
    async def test_the_team_is_who_the_configuration_names(
        self, ozone_tool: Ozone, params: str, expected: list[str]
    ) -> None:
        found = (await ozone_tool.found("team.listMembers", params.replace("#", "%23")))["members"]
        roles = {"admin": "roleAdmin", "moderator": "roleModerator", "triage": "roleTriage"}
        wanted = [{"did": f"did:plc:{name}", "disabled": False, "role": TEAM + roles[name]} for name in expected]
        assert found == wanted

    async def test_pages(self, ozone_tool: Ozone) -> None:
        first = await ozone_tool.found("team.listMembers", "limit=2")
        second = await ozone_tool.found("team.listMembers", f"limit=2&cursor={first['cursor']}")
        assert [member["did"] for member in second["members"]] == ["did:plc:triage"]
        assert "cursor" not in second


class TestGetRepo:
    async def test_an_account_with_its_labels_and_status(self, ozone_tool: Ozone) -> None:
        await ozone_tool.label(["mail-throttled"])
        await ozone_tool.emit("modEventTag", add=["vip"], remove=[])
        repo = await ozone_tool.found("moderation.getRepo", f"did={ALICE}")
        assert (repo["did"], repo["handle"], repo["relatedRecords"]) == (ALICE, "handle.invalid", [])
        assert repo["moderation"]["subjectStatus"] == await ozone_tool.status()
        (label,) = repo["labels"]
        assert (label["val"], label["uri"]) == ("mail-throttled", ALICE)
        assert verify_label(Label.from_json(label), SIGNING_KEY.public_key)

    async def test_labels_taken_back_and_run_out_are_gone(self, ozone_tool: Ozone) -> None:
        await ozone_tool.label(["mail-throttled"], durationInHours=1)
        await ozone_tool.label(["clean-sender"], did=ALICE)
        await ozone_tool.label([], ["clean-sender"])
        ozone_tool.service.advance(hours=2)
        assert (await ozone_tool.found("moderation.getRepo", f"did={ALICE}"))["labels"] == []

    async def test_one_known_by_its_mail_alone(self, ozone_tool: Ozone, service: "Service") -> None:
        await judged(service, *bought(count=1))
        repo = await ozone_tool.found("moderation.getRepo", f"did={BUYER}")
        assert (repo["moderation"], repo["labels"]) == ({}, [])

    async def test_nobody_ever_heard_of_it(self, ozone_tool: Ozone) -> None:
        status, body = await ozone_tool.ask("moderation.getRepo", "did=did:plc:nobody")
        assert (status, body["error"]) == (400, "RepoNotFound")

    async def test_its_handle_where_it_holds(self, ozone_tool: Ozone, service: "Service") -> None:
        document = account(ALICE, KEYS[REMOTE]) | {"alsoKnownAs": ["https://x.example", "at://Alice.example.org"]}
        service.dids.documents[ALICE] = document
        service.handles.named["alice.example.org"] = ALICE
        await ozone_tool.emit("modEventComment")
        repo = await ozone_tool.found("moderation.getRepo", f"did={ALICE}")
        assert repo["handle"] == "alice.example.org"


class TestClaimedHandles:
    @pytest.mark.parametrize("leads_to", [None, "did:plc:bob"])
    async def test_a_name_that_does_not_lead_back_is_none(self, service: "Service", leads_to: str | None) -> None:
        service.dids.documents[ALICE] = account(ALICE, KEYS[REMOTE]) | {"alsoKnownAs": ["at://alice.example.org"]}
        if leads_to is not None:
            service.handles.named["alice.example.org"] = leads_to
        assert await ClaimedHandles(service.dids, service.handles).of(ALICE) == claimed_handle.UNKNOWN

    async def test_nobody_waits_long_for_a_name(self, service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
        class Slow(StaticDids):
            async def resolve(self, did: str, *, refresh: bool = False) -> dict[str, Any]:
                await asyncio.sleep(60)
                return await super().resolve(did, refresh=refresh)

        monkeypatch.setattr(claimed_handle, "WAIT_SECONDS", 0.01)
        assert await ClaimedHandles(Slow(), service.handles).of(ALICE) == claimed_handle.UNKNOWN
