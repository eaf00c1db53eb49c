"""`labeler notify test`: one message a channel, and what became of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeler.adapters.smtp_notice import SmtpNotifier
from labeler.adapters.webhook import WebhookNotifier
from labeler.errors import Unavailable
from labeler.ports import Message

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run

SECTION = """
[notify]
webhook_url = "https://hooks.example.com/T0KEN"
webhook_secret_file = "webhook.secret"
smtp_host = "mail.example.com"
smtp_from = "labeler@example.com"
smtp_to = ["postmaster@example.com"]
"""


@pytest.fixture
def telling(config: Path) -> Path:
    config.write_text(config.read_text() + SECTION)
    secret = config.parent / "webhook.secret"
    secret.write_text("a secret of thirty-two characters")
    secret.chmod(0o600)
    return config


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Message]]:
    """What each channel was handed; a mail server that is not there."""
    handed: dict[str, list[Message]] = {"webhook": [], "smtp": []}

    async def post(_: WebhookNotifier, message: Message) -> None:
        handed["webhook"].append(message)

    async def mail(_: SmtpNotifier, message: Message) -> None:
        handed["smtp"].append(message)
        raise Unavailable("the mail server did not take the message: SMTPConnectError")

    monkeypatch.setattr(WebhookNotifier, "send", post)
    monkeypatch.setattr(SmtpNotifier, "send", mail)
    return handed


def test_it_says_which_channel_took_it(run: "Run", telling: Path, sent: dict[str, list[Message]]) -> None:
    said = run("notify", "test", "--config", telling)
    assert said.code == 3
    assert "not sent by smtp" in said.err
    assert [line.split()[:2] for line in said.out.splitlines()[1:]] == [["webhook", "sent"], ["smtp", "the"]]
    assert sent["webhook"] == sent["smtp"]
    (message,) = sent["webhook"]
    assert (message.kind, message.about, message.case) == ("test", "did:web:localhost%3A1", None)


def test_machines_read_the_same(
    run: "Run", telling: Path, sent: dict[str, list[Message]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("notify", "test", "--config", telling, "--json")
    assert said.code == 3
    assert json.loads(said.out) == [
        {"channel": "webhook", "sent": True, "error": None},
        {"channel": "smtp", "sent": False, "error": "the mail server did not take the message: SMTPConnectError"},
    ]
    monkeypatch.setattr(SmtpNotifier, "send", WebhookNotifier.send)
    assert run("notify", "test", "--config", telling).code == 0


def test_where_nobody_is_told_it_says_what_to_set(run: "Run", config: Path) -> None:
    said = run("notify", "test", "--config", config)
    assert said.code == 2
    assert "set notify.webhook_url or notify.smtp_host" in said.err


@pytest.mark.parametrize("verb", [("notify", "test"), ("check-config",)])
def test_a_secret_that_is_too_short_is_refused(run: "Run", telling: Path, verb: tuple[str, ...]) -> None:
    (telling.parent / "webhook.secret").write_text("short")
    said = run(*verb, "--config", telling)
    assert said.code == 2
    assert "too short for the webhook secret" in said.err
