"""The sink: what an address says is what becomes of it."""

import aiosmtplib
import pytest

from labeler.demo.relay import HOST, smtp_server
from labeler.demo.sink import Sink, reply_for


@pytest.mark.parametrize(
    ("local", "first", "later"),
    [
        ("ada.order001", "250 2.1.5", "250 2.1.5"),
        ("gone", "550 5.1.1", "550 5.1.1"),
        ("ada.full", "552 5.2.2", "552 5.2.2"),
        ("ada.blocked", "550 5.7.1", "550 5.7.1"),
        ("ada.busy", "451 4.2.1", "250 2.1.5"),
        ("ada.grey.gone", "451 4.7.1", "550 5.1.1"),
        ("ada.gone.grey", "451 4.7.1", "550 5.1.1"),
        ("fulltime.bygone", "250 2.1.5", "250 2.1.5"),
    ],
)
def test_replies(local: str, first: str, later: str) -> None:
    """Deferrals come on the first attempt only; words count whole, in any order."""
    replies = [reply_for(f"{local}@full.example", attempt)[:9] for attempt in (1, 2, 3)]
    assert replies == [first, later, later]


async def test_over_smtp_only_accepted_recipients_count_as_delivered() -> None:
    """One message to three: one arrives, one is deferred and arrives on the second try, one never does."""
    sink = Sink()
    people = ["ada@a.example", "ben.busy@b.example", "cleo.gone@c.example"]
    async with smtp_server(sink, "sink.example") as port, aiosmtplib.SMTP(hostname=HOST, port=port) as client:
        refused, _ = await client.sendmail("x@y.example", people, b"Subject: hello\r\n\r\nhello\r\n")
        assert {address: answer[0] for address, answer in refused.items()} == {people[1]: 451, people[2]: 550}
        assert sink.delivered == 1
        refused, _ = await client.sendmail("x@y.example", people[1:], b"Subject: hello\r\n\r\nhello\r\n")
        assert list(refused) == [people[2]]
    assert sink.delivered == 2
    assert sink.replies["550 5.1.1 No such user here"] == 2
