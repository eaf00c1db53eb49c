"""Notices by mail: what is in it, and over what it goes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from labeler.adapters.smtp_notice import MailServer, SmtpNotifier
from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Message
from tests.handle_host import certificate
from tests.receivers import PASSWORD, mailbox

NOW = datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC)
MESSAGE = Message("incident", "mx.example", NOW, "fails for 3 members – since 11:00", "https://labeler.example.com/", 7)
FROM, TO = "labeler@example.com", ["one@example.com", "two@example.com"]


class Clock:
    def now(self) -> datetime:
        return NOW


async def test_a_mail_says_what_it_is_and_that_nobody_wrote_it() -> None:
    async with mailbox() as box:
        server = MailServer("127.0.0.1", box.port, tls=False, starttls=False)
        await SmtpNotifier(server, FROM, TO, "labeler.example.com", Clock()).send(MESSAGE)
        (mail,), (envelope,) = box.mails, box.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == (FROM, TO)
    assert (mail["From"], mail["To"]) == (FROM, "one@example.com, two@example.com")
    assert mail["Subject"] == "[labeler] incident: mx.example"
    assert mail["Date"] == "Mon, 02 Mar 2026 12:00:01 +0000"
    assert mail["Message-ID"] == f"<{MESSAGE.id}@labeler.example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert set(box.greeted) == {"labeler.example.com"}
    assert mail.get_content().splitlines() == [
        "fails for 3 members – since 11:00",
        "",
        "about: mx.example",
        "since: 2026-03-02T12:00:01.000Z",
        "case:  7",
        "look:  https://labeler.example.com/",
    ]


async def test_what_it_is_about_writes_no_headers() -> None:
    async with mailbox() as box:
        server = MailServer("127.0.0.1", box.port, tls=False, starttls=False)
        odd = MESSAGE._replace(about="mx\r\nBcc: evil@example.com\r\n\r\n" + "x" * 1000, case=None)
        await SmtpNotifier(server, FROM, TO, "localhost", Clock()).send(odd)
        (mail,) = box.mails
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= 200
    assert "case:" not in mail.get_content()


async def test_one_recipient_that_is_refused_does_not_make_the_other_hear_it_twice() -> None:
    async with mailbox() as box:
        box.unknown = {TO[0]}
        notifier = SmtpNotifier(MailServer("127.0.0.1", box.port, False, False), FROM, TO, "localhost", Clock())
        await notifier.send(MESSAGE)
        assert [envelope.rcpt_tos for envelope in box.envelopes] == [[TO[1]]]
        box.unknown = set(TO)
        with pytest.raises(Undeliverable, match="SMTPRecipientsRefused") as refused:
            await notifier.send(MESSAGE)
        assert "@" not in str(refused.value)


@pytest.mark.parametrize("implicit", [False, True])
async def test_over_tls(implicit: bool, tmp_path: Path) -> None:
    theirs, trust = certificate(tmp_path, "localhost")
    login = None if implicit else ("labeler", PASSWORD)
    async with mailbox(tls=theirs, implicit=implicit) as box:
        server = MailServer("localhost", box.port, tls=implicit, starttls=True, login=login)
        await SmtpNotifier(server, FROM, TO, "localhost", Clock(), trust=trust).send(MESSAGE)
        assert len(box.envelopes) == 1
        with pytest.raises(Unavailable):
            await SmtpNotifier(server, FROM, TO, "localhost", Clock()).send(MESSAGE)
        assert len(box.envelopes) == 1, "a certificate of nobody we know"


async def test_no_tls_where_it_is_wanted_is_no_mail() -> None:
    async with mailbox() as box:
        server = MailServer("127.0.0.1", box.port, tls=False, starttls=True)
        with pytest.raises(Unavailable):
            await SmtpNotifier(server, FROM, TO, "localhost", Clock()).send(MESSAGE)
        assert box.envelopes == []


async def test_a_wrong_password_says_so_and_not_which(tmp_path: Path) -> None:
    theirs, trust = certificate(tmp_path, "localhost")
    async with mailbox(tls=theirs) as box:
        server = MailServer("localhost", box.port, tls=False, starttls=True, login=("labeler", b"a wrong password"))
        with pytest.raises(Undeliverable, match="SMTPAuthenticationError 535") as refused:
            await SmtpNotifier(server, FROM, TO, "localhost", Clock(), trust=trust).send(MESSAGE)
        assert "password" not in str(refused.value)


@pytest.mark.parametrize(("reply", "final"), [("451 4.3.0 Not now", False), ("554 5.7.1 Never", True)])
async def test_what_is_refused_for_good_is_told_from_what_is_refused_for_now(reply: str, final: bool) -> None:
    async with mailbox() as box:
        box.refuse = reply
        notifier = SmtpNotifier(MailServer("127.0.0.1", box.port, False, False), FROM, TO, "localhost", Clock())
        with pytest.raises(Unavailable) as refused:
            await notifier.send(MESSAGE)
    assert isinstance(refused.value, Undeliverable) is final
