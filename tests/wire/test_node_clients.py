"""The reference implementation's clients, and an independent stack, against the running service; all run in Node."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

    Client = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
    PublishedKey = Callable[[Running], Coroutine[Any, Any, str]]

LEXICONS = Path(__file__).resolve().parents[2] / "lexicons"
SUBJECTS = [f"did:plc:member{number}" for number in range(5)]
MESSAGE = "com.atproto.label.subscribeLabels#labels"


async def some_labels(running: "Running") -> None:
    """Six labels: five applied, the first of them taken back, so that its seq is a gap."""
    for subject in SUBJECTS:
        await running.label(subject, "mail-throttled")
    await running.label(SUBJECTS[0], negate=("mail-throttled",))


class TestReferenceSubscription:
    """@atproto/xrpc-server `Subscription`, @atproto/api's lexicons, @atproto/crypto over @atproto/common's CBOR."""

    @pytest.mark.row(1, 27, 35, 36, 37, 43, 44, 45, 56, 117, 120, 121, 123, 131, 133, 137, 139)
    async def test_history_and_live_labels_validate_and_verify(
        self, installation: "Installation", node: "Client", published_key: "PublishedKey"
    ) -> None:
        async with installation.serving() as running:
            await some_labels(running)
            key = await published_key(running)
            following = asyncio.create_task(
                node("subscription.mjs", service=running.ws_url, cursor=0, count=8, didKey=key)
            )
            for number in range(3):
                await running.label(f"did:plc:later{number}", "mail-suspended")
            read = await following
        assert read["ended"] is None
        assert [message["seq"] for message in read["messages"]] == list(range(2, 10))
        labels = [label for message in read["messages"] for label in message["labels"]]
        assert {message["$type"] for message in read["messages"]} == {MESSAGE}
        assert [label["uri"] for label in labels] == [
            *SUBJECTS[1:], SUBJECTS[0], "did:plc:later0", "did:plc:later1", "did:plc:later2",
        ]  # fmt: skip
        assert all(label["verified"] for label in labels)
        assert not any(label["tampered"] for label in labels), "the check can fail"
        assert [label.get("neg") for label in labels] == [None] * 4 + [True] + [None] * 3

    @pytest.mark.row(133, 134)
    async def test_it_resumes_after_the_seq_it_saw_last(
        self, installation: "Installation", node: "Client", published_key: "PublishedKey"
    ) -> None:
        async with installation.serving() as running:
            await some_labels(running)
            key = await published_key(running)
            first = await node("subscription.mjs", service=running.ws_url, cursor=0, count=2, didKey=key)
        async with installation.serving() as running:
            seen = first["messages"][-1]["seq"]
            rest = await node("subscription.mjs", service=running.ws_url, cursor=seen, count=3, didKey=key)
        assert [message["seq"] for message in (*first["messages"], *rest["messages"])] == [2, 3, 4, 5, 6]

    @pytest.mark.row(125, 127, 132)
    async def test_it_is_told_that_its_cursor_lies_in_the_future(
        self, installation: "Installation", node: "Client"
    ) -> None:
        async with installation.serving() as running:
            await some_labels(running)
            read = await node("subscription.mjs", service=running.ws_url, cursor=7, count=1)
        assert read == {"messages": [], "ended": "FutureCursor", "message": "Cursor in the future."}

    @pytest.mark.row(127, 128, 129)
    async def test_it_is_told_in_the_stream_what_is_wrong_with_its_cursor(
        self, installation: "Installation", node: "Client"
    ) -> None:
        async with installation.serving() as running:
            read = await node("subscription.mjs", service=running.ws_url, cursor="ten", count=1)
        assert (read["messages"], read["ended"]) == ([], "InvalidRequest")


@pytest.mark.row(1, 27, 60, 89, 92, 93, 98, 101, 102, 104, 105, 106, 109, 110)
async def test_the_reference_api_labels_and_reads_page_by_page(
    installation: "Installation", node: "Client", published_key: "PublishedKey"
) -> None:
    """@atproto/api unchanged: `emitEvent` with a bearer token, then `queryLabels` by its cursor until there is none."""
    async with installation.serving() as running:
        answer = await node(
            "api.mjs",
            service=running.url,
            token="moderator",
            subjects=SUBJECTS,
            val="mail-throttled",
            didKey=await published_key(running),
            limit=2,
        )
    assert [view["subject"]["did"] for view in answer["views"]] == [*SUBJECTS, SUBJECTS[0]]
    assert [len(page) for page in answer["pages"]] == [2, 2, 1], "the last page has no cursor"
    labels = [label for page in answer["pages"] for label in page]
    assert [label["uri"] for label in labels] == [*SUBJECTS[1:], SUBJECTS[0]]
    assert [label["uri"] for label in labels if label.get("neg")] == [SUBJECTS[0]]
    assert all(label["verified"] for label in labels)
    assert not any("$type" in label for label in labels)
    refusals = {name: (answer[name]["error"], answer[name]["status"]) for name in ("wrongToken", "undeclared")}
    assert refusals == {"wrongToken": ("BadJwt", 401), "undeclared": ("InvalidRequest", 400)}
    assert answer["badPattern"]["error"] == answer["badLimit"]["error"] == "InvalidRequest"


class TestIndependentStack:
    """@atcute/firehose with @atcute/atproto's schemas: nothing in common with the reference."""

    @pytest.mark.row(117, 120, 121, 123, 131, 133, 134)
    async def test_it_follows_history_and_live_labels(self, installation: "Installation", node: "Client") -> None:
        async with installation.serving() as running:
            await some_labels(running)
            following = asyncio.create_task(node("atcute.mjs", service=running.ws_url, cursor=3, count=4))
            await running.label("did:plc:later", "mail-suspended")
            read = await following
            served = (await running.client.get("/xrpc/com.atproto.label.queryLabels?uriPatterns=*")).json()["labels"]
        assert (read["errors"], [message["seq"] for message in read["messages"]]) == ([], [4, 5, 6, 7])
        arrived = [label for message in read["messages"] for label in message["labels"]]
        assert arrived == [{**label, "sig": label["sig"]["$bytes"]} for label in served[2:]]

    @pytest.mark.row(125, 126, 127, 132)
    async def test_it_sees_the_error_and_the_close_code(self, installation: "Installation", node: "Client") -> None:
        async with installation.serving() as running:
            read = await node("atcute.mjs", service=running.ws_url, cursor=1, count=1)
        error = {"name": "FirehoseError", "error": "FutureCursor", "message": "Cursor in the future."}
        assert read == {"messages": [], "errors": [error], "closes": [{"code": 1008, "reason": "FutureCursor"}]}


@pytest.mark.row(288, 289, 301, 302, 303, 304)
async def test_the_reference_lexicon_package_accepts_our_files_and_our_traffic(
    installation: "Installation", node: "Client"
) -> None:
    """@atproto/lexicon reads every file, finds every reference, and validates what was really sent and answered."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    mail = {"id": "1", "kind": "accepted", "did": SUBJECTS[1], "at": at, "messageId": "m", "recipient": "0" * 32}
    late = {**mail, "id": "2", "at": "2024-02-29T00:00:00Z"}  # rejected for its age, which no schema knows
    event = {
        "event": {"$type": "tools.ozone.moderation.defs#modEventComment", "comment": "a word"},
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": SUBJECTS[1]},
        "createdBy": "did:plc:moderator",
    }
    report = {
        "reasonType": "tools.ozone.report.defs#reasonMisleadingSpam",
        "subject": {"$type": "com.atproto.admin.defs#repoRef", "did": SUBJECTS[1]},
        "reason": "a word",
        "modTool": {"name": "app"},
    }
    moderator = {"Authorization": "Bearer moderator"}
    checks: list[dict[str, Any]] = []

    async with installation.serving() as running:
        await some_labels(running)

        async def query(nsid: str, **params: Any) -> None:
            answer = await running.client.get(f"/xrpc/{nsid}", params=params, headers=moderator)
            assert answer.status_code == 200, answer.text
            checks.append({"kind": "params", "nsid": nsid, "value": params})
            checks.append({"kind": "output", "nsid": nsid, "value": answer.json()})

        async def procedure(nsid: str, token: str, value: dict[str, Any]) -> None:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await running.client.post(f"/xrpc/{nsid}", json=value, headers=headers)
            assert answer.status_code == 200, answer.text
            checks.append({"kind": "input", "nsid": nsid, "value": value})
            checks.append({"kind": "output", "nsid": nsid, "value": answer.json()})

        await procedure("email.atmos.telemetry.submitEvents", "relay", {"events": [mail, late]})
        await procedure("tools.ozone.moderation.emitEvent", "moderator", event)
        await procedure("com.atproto.moderation.createReport", "relay", report)
        await procedure("email.atmos.operator.askMember", "moderator", {"did": "did:plc:moderator"})
        await procedure("email.atmos.reputation.answer", "moderator", {"text": "asked myself"})
        await query("com.atproto.label.queryLabels", uriPatterns=["*"], limit=3)
        await query("email.atmos.reputation.getStanding", did=SUBJECTS[1])
        await query("email.atmos.reputation.getStanding", did="did:plc:nobody")
        await query("email.atmos.reputation.getPolicy")
        await query("email.atmos.reputation.getEvidence", uri=SUBJECTS[1], val="mail-throttled")

    wrong = [
        {"kind": "input", "nsid": "email.atmos.telemetry.submitEvents", "value": {"events": [{**mail, "did": "bob"}]}},
        {"kind": "output", "nsid": "com.atproto.label.queryLabels", "value": {"labels": [{"ver": 1}]}},
        {"kind": "params", "nsid": "email.atmos.reputation.getStanding", "value": {"did": "bob"}},
    ]
    answer = await node("lexicons.mjs", folder=str(LEXICONS), checks=[*checks, *wrong])
    files = sorted(".".join(file.relative_to(LEXICONS).with_suffix("").parts) for file in LEXICONS.rglob("*.json"))
    assert sorted(answer["ids"]) == files
    assert answer["dangling"] == []
    for check, verdict in zip(checks, answer["verdicts"], strict=False):
        assert verdict is None, (check, verdict)
    assert all(answer["verdicts"][-len(wrong) :]), "the check can fail"
