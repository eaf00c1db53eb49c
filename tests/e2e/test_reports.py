"""Reports, appeals and answers in the real service: people are told, deadlines pass, and a restart forgets nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from labeler.atproto.frames import LabelsFrame, decode_frame
from labeler.atproto.keys import PrivateKey
from tests.did_host import account, did_host, token
from tests.receivers import SECRET, Receiver, receiver

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

MEMBER, READER = "did:plc:memberaaaaaaaaaaaaaaaaaa", "did:plc:readeraaaaaaaaaaaaaaaaaa"
KEYS = {MEMBER: PrivateKey.from_hex("73" * 32), READER: PrivateKey.from_hex("74" * 32)}
REPORT, ANSWER = "com.atproto.moderation.createReport", "email.atmos.reputation.answer"
STREAM = "com.atproto.label.subscribeLabels"
ASK = "email.atmos.operator.askMember"
SUBJECT = {"$type": "com.atproto.admin.defs#repoRef", "did": MEMBER}
SPAM, APPEAL = "com.atproto.moderation.defs#reasonSpam", "com.atproto.moderation.defs#reasonAppeal"
WORDS = "between you and me"


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def telling(installation: "Installation", hook: Receiver) -> AsyncIterator["Installation"]:
    """An installation that looks accounts up on loopback, posts notices, and lets two seconds pass for 48 hours."""
    secret, policy = installation.folder / "webhook.secret", installation.folder / "policy.toml"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    policy.write_text(policy.read_text().replace('answer_within = "48h"', 'answer_within = "2s"'))
    async with did_host() as directory:
        directory.documents = {did: account(did, key) for did, key in KEYS.items()}
        path = installation.folder / "labeler.toml"
        lines = [
            path.read_text(),
            "[identity]",
            f'plc_directory = "{directory.url}"',
            "[notify]",
            f'webhook_url = "{hook.url}"',
            'webhook_secret_file = "webhook.secret"',
        ]
        path.write_text("\n".join(lines))
        yield installation


async def say(running: "Running", iss: str, nsid: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    made = token(KEYS[iss], iss=iss, aud=f"{running.did}#atproto_labeler", lxm=nsid)
    answer = await running.client.post(f"/xrpc/{nsid}", json=body, headers={"Authorization": f"Bearer {made}"})
    return answer.status_code, answer.json()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.01)


def told(hook: Receiver, kind: str) -> list[dict[str, Any]]:
    return [message for message in hook.messages if message["kind"] == kind]


@pytest.mark.row(260, 261, 262, 264)
async def test_people_are_told_of_an_appeal_and_a_restart_forgets_nothing(
    telling: "Installation", hook: Receiver
) -> None:
    async with telling.serving() as running:
        await running.label(MEMBER, "mail-throttled")
        status, filed = await say(running, READER, REPORT, {"reasonType": SPAM, "subject": SUBJECT, "reason": WORDS})
        assert status == 200
        appeal = {"reasonType": APPEAL, "subject": SUBJECT, "reason": WORDS}
        assert (await say(running, READER, REPORT, appeal))[0] == 403
        assert (await say(running, MEMBER, REPORT, appeal))[0] == 200
        await until(lambda: told(hook, "appeal"))
        metrics = (await running.client.get("/metrics")).text
        public = [
            (await running.client.get(f"/xrpc/{path}")).text
            for path in (
                f"email.atmos.reputation.getStanding?did={MEMBER}",
                "com.atproto.label.queryLabels?uriPatterns=*",
                "email.atmos.reputation.getPolicy",
            )
        ]
    (message,) = told(hook, "appeal")
    assert (message["about"], message["case"]) == (MEMBER, 2)
    for text in (metrics, *public, *(body.decode() for _, body in hook.posted)):
        assert WORDS not in text
        assert READER not in text
    async with telling.serving() as running:
        assert (await say(running, MEMBER, REPORT, appeal))[1]["error"] == "AlreadyAppealed"
        again = {"reasonType": SPAM, "subject": SUBJECT}
        assert await say(running, READER, REPORT, again) == (200, filed)


async def test_silence_at_the_deadline_is_told_and_a_late_answer_is_heard(
    telling: "Installation", hook: Receiver
) -> None:
    async with telling.serving() as running:
        answer = await running.client.post(
            f"/xrpc/{ASK}", json={"did": MEMBER}, headers={"Authorization": "Bearer moderator"}
        )
        assert answer.status_code == 200, answer.text
        assert told(hook, "unanswered") == []
        await until(lambda: told(hook, "unanswered"))
        async with websockets.connect(f"{running.ws_url}/xrpc/{STREAM}?cursor=0") as stream, asyncio.timeout(20):
            frame = decode_frame(await stream.recv(decode=False))
        assert isinstance(frame, LabelsFrame)
        assert [label.val for label in frame.labels] == ["mail-throttled"], "in silence nobody is suspended"
        status, heard = await say(running, MEMBER, ANSWER, {"text": WORDS})
        assert (status, heard["did"], heard["cases"]) == (200, MEMBER, [1])
        assert (await say(running, READER, ANSWER, {"text": WORDS}))[1]["error"] == "NothingToAnswer"
    (message,) = told(hook, "unanswered")
    assert (message["about"], message["case"], message["text"]) == (MEMBER, 1, "asked, and silent for 2s")
    async with telling.serving() as running:
        status, heard = await say(running, MEMBER, ANSWER, {"text": WORDS})
        assert (status, heard["cases"]) == (200, [1]), "the case is open, and known"
    assert len(told(hook, "unanswered")) == 1, "told once, restart or not"
