"""People are told: a running service, a webhook and a mail server on loopback."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from labeler.cli.check_config import check_config
from labeler.service import notify
from labeler.service.observe import JsonLines
from tests.conftest import free_port
from tests.receivers import PASSWORD, PATH, SECRET, Mailbox, Receiver, mailbox, receiver, signed

if TYPE_CHECKING:
    from tests.conftest import Installation, Running

SUBJECT = "did:plc:alice"
SECRETS = (SECRET.decode(), PASSWORD.decode(), PATH)


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with mailbox() as made:
        yield made


def configure(installation: "Installation", webhook_url: str, smtp_port: int) -> None:
    for name, value in (("webhook.secret", SECRET), ("smtp.password", PASSWORD)):
        (installation.folder / name).write_bytes(value + b"\n")
        (installation.folder / name).chmod(0o600)
    path = installation.folder / "labeler.toml"
    section = f"""
        [notify]
        webhook_url = "{webhook_url}"
        webhook_secret_file = "webhook.secret"
        smtp_host = "127.0.0.1"
        smtp_port = {smtp_port}
        smtp_starttls = false
        smtp_from = "labeler@example.com"
        smtp_to = ["postmaster@example.com"]
        """
    path.write_text(path.read_text(encoding="utf-8") + section, encoding="utf-8")


@pytest.fixture
def telling(installation: "Installation", hook: Receiver, box: Mailbox) -> "Installation":
    configure(installation, hook.url, box.port)
    return installation


async def report(running: "Running", number: int = 1) -> None:
    answer = await running.submit(
        [
            {
                "id": f"report {number} of bob@example.org",
                "kind": "abuseReported",
                "did": SUBJECT,
                "at": datetime.now(UTC).isoformat(),
                "category": "phishing",
            }
        ]
    )
    assert (answer["accepted"], answer["rejected"]) == (1, [])


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.01)


async def test_an_abuse_report_is_told_once_by_each_channel_and_by_no_restart(
    telling: "Installation", hook: Receiver, box: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with telling.serving() as running:
        await report(running)
        await until(lambda: hook.posted and box.mails)
        metrics = (await running.client.get("/metrics")).text
    async with telling.serving():
        pass
    ((headers, body),), (mail,) = hook.posted, box.mails
    at = signed(headers, body)
    assert at is not None
    assert abs(at - time.time()) < 60
    message: dict[str, Any] = json.loads(body)
    assert (message["kind"], message["about"]) == ("abuse-report", SUBJECT)
    assert message["text"].startswith("immediate: abuse report")
    assert message["case"] == 1
    assert message["link"] == f"{running.url}/console/cases/1".replace("127.0.0.1", "localhost")
    assert mail["Message-ID"] == f"<{message['id']}@localhost>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "case:  1" in mail.get_content()
    assert message["text"] in mail.get_content().replace("\n", " ")
    assert "bob@" not in body.decode() + mail.as_string()
    for channel in ("webhook", "smtp"):
        assert f'labeler_notifications_total{{channel="{channel}",result="sent"}} 1.0' in metrics
    logged = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert not any(secret in logged + metrics for secret in SECRETS)


async def test_receivers_that_were_down_for_a_while_hear_it_later(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(notify, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(notify, "JITTER_SECONDS", 0.05)
    async with receiver() as hook, mailbox() as box:
        hook.status, box.refuse = 503, "451 4.3.0 Not now, postmaster@example.com"
        configure(installation, hook.url, box.port)
        async with installation.serving() as running:
            await report(running)
            await until(lambda: len(hook.posted) > 2)
            assert box.mails == []
            hook.posted.clear()
            hook.status, box.refuse = 204, None
            await until(lambda: box.mails)
            await until(lambda: hook.posted)
            metrics = (await running.client.get("/metrics")).text
        assert (len(hook.posted), len(box.mails)) == (1, 1)
        assert 'labeler_notifications_total{channel="webhook",result="retried"}' in metrics
        assert not any(secret in caplog.text for secret in SECRETS)


async def test_a_service_that_ends_takes_leave_first_and_does_not_wait_for_the_absent(
    installation: "Installation", hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    configure(installation, hook.url, free_port())
    async with installation.serving() as running:
        await report(running)
    assert len(hook.posted) == 1
    assert "a notice could not be told by smtp" in caplog.text


def test_a_check_of_the_configuration_shows_no_secret(
    installation: "Installation", capsys: pytest.CaptureFixture[str]
) -> None:
    configure(installation, f"https://hooks.example.com{PATH}", 25)
    for as_json in (False, True):
        check_config(installation.folder / "labeler.toml", as_json)
        shown = "".join(capsys.readouterr())
        assert "https://hooks.example.com/…" in shown
        assert not any(secret in shown for secret in SECRETS)
    assert not any(secret in repr(installation.settings) for secret in SECRETS)
