"""Notices on their way to people: nothing waits for them, nothing is lost in silence, nothing goes out twice over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from labeler.errors import Unavailable, Undeliverable
from labeler.ports import Message
from labeler.reputation.subject import NOTICE_KINDS, Notice, NoticeKind
from labeler.service import notify
from labeler.service.notify import Notifications, look_at
from labeler.service.observe import Metrics

if TYPE_CHECKING:
    from tests.unit.service.conftest import ManualClock, Service

ORIGIN = "https://labeler.example.com"


class Channel:
    """A notifier that can be away; `sent` is what it took."""

    def __init__(self) -> None:
        self.away: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.tries = 0
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.tries += 1
        await self.gate.wait()
        if self.away is not None:
            raise self.away
        self.sent.append(message)


@pytest.fixture
def clock(service: "Service") -> "ManualClock":
    return service.clock


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(notify, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(notify, "LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(notify, "JITTER_SECONDS", 0.01)


class Telling:
    """Notifications that run."""

    def __init__(self, clock: "ManualClock", kinds: tuple[str, ...], **channels: Channel) -> None:
        self.metrics = Metrics()
        self.clock = clock
        self.notifications = Notifications(channels, self.metrics, clock, kinds=kinds, link=look_at(ORIGIN))

    def tell(self, number: int, kind: NoticeKind = "abuse-report", text: str = "") -> None:
        self.notifications.tell(Notice(kind, f"did:plc:m{number}", self.clock.now(), text))

    def counted(self, result: str, channel: str = "webhook") -> float:
        labels = {"channel": channel, "result": result}
        return self.metrics.registry.get_sample_value("labeler_notifications_total", labels) or 0.0


@asynccontextmanager
async def telling(
    clock: "ManualClock", kinds: tuple[str, ...] = NOTICE_KINDS, **channels: Channel
) -> AsyncIterator[Telling]:
    made = Telling(clock, kinds, **channels)
    task = asyncio.create_task(made.notifications.run())
    yield made
    made.notifications.close()
    await asyncio.wait_for(task, 5)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.002)


async def test_a_notice_goes_through_every_channel_in_order(clock: "ManualClock") -> None:
    webhook, smtp = Channel(), Channel()
    async with telling(clock, webhook=webhook, smtp=smtp) as made:
        for number in range(3):
            made.tell(number, text="immediate: phishing")
        await until(lambda: made.counted("sent") == made.counted("sent", "smtp") == 3)
    assert webhook.sent == smtp.sent
    assert [message.about for message in webhook.sent] == ["did:plc:m0", "did:plc:m1", "did:plc:m2"]
    assert webhook.sent[0] == Message(
        "abuse-report",
        "did:plc:m0",
        clock.now(),
        "immediate: phishing",
        f"{ORIGIN}/member/did:plc:m0",
    )


def test_where_to_look_at_what_is_no_member() -> None:
    assert look_at(ORIGIN)("mx.example", None) == f"{ORIGIN}/console"
    assert look_at(ORIGIN)("did:web:localhost%3A1", None) == f"{ORIGIN}/member/did:web:localhost%253A1"


def test_where_to_look_at_what_waits_for_a_decision() -> None:
    assert look_at(ORIGIN)("did:plc:alice", 7) == look_at(ORIGIN)("mx.example", 7) == f"{ORIGIN}/console/cases/7"


async def test_only_what_was_asked_for_goes_out(clock: "ManualClock") -> None:
    webhook = Channel()
    async with telling(clock, ("breaker",), webhook=webhook) as made:
        made.tell(1)
        made.tell(2, "breaker")
    assert [message.kind for message in webhook.sent] == ["breaker"]


async def test_what_is_older_than_a_day_is_no_news(clock: "ManualClock") -> None:
    webhook = Channel()
    async with telling(clock, webhook=webhook) as made:
        for age in (timedelta(hours=23), timedelta(hours=25)):
            made.notifications.tell(Notice("incident", "mx.example", clock.now() - age, "fails"))
    assert [clock.now() - message.at for message in webhook.sent] == [timedelta(hours=23)]


async def test_an_address_in_the_words_of_a_relay_goes_no_further(clock: "ManualClock") -> None:
    webhook = Channel()
    async with telling(clock, webhook=webhook) as made:
        made.tell(1, text="routine: abuse report <bob@example.org>, category none")
    assert webhook.sent[0].text == "routine: abuse report <[address]>, category none"


async def test_what_is_not_taken_is_tried_again_and_holds_up_nobody_else(
    clock: "ManualClock", caplog: pytest.LogCaptureFixture
) -> None:
    webhook, smtp = Channel(), Channel()
    webhook.away = Unavailable("the webhook answered 503")
    async with telling(clock, webhook=webhook, smtp=smtp) as made:
        made.tell(1)
        made.tell(2)
        await until(lambda: made.counted("sent", "smtp") == 2 and webhook.tries >= 3)
        assert webhook.sent == []
        webhook.away = None
        await until(lambda: made.counted("sent") == 2)
        assert made.counted("retried") == webhook.tries - 2
    assert [message.about for message in webhook.sent] == ["did:plc:m1", "did:plc:m2"]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["a notice waits for webhook: the webhook answered 503"], "once, not at every try"


async def test_after_an_hour_it_is_given_up(clock: "ManualClock", monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify.TRY_FOR_SECONDS == 3600
    monkeypatch.setattr(notify, "TRY_FOR_SECONDS", 0.1)
    webhook = Channel()
    webhook.away = Unavailable("the webhook answered 503")
    async with telling(clock, webhook=webhook) as made:
        made.tell(1)
        await until(lambda: made.counted("failed") == 1)
        webhook.away = None
        made.tell(2)
        await until(lambda: made.counted("sent") == 1)
    assert [message.about for message in webhook.sent] == ["did:plc:m2"]


async def test_what_is_refused_for_good_holds_up_nothing(clock: "ManualClock") -> None:
    webhook = Channel()
    webhook.away = Undeliverable("the webhook answered 400")
    async with telling(clock, webhook=webhook) as made:
        made.tell(1)
        await until(lambda: made.counted("failed") == 1)
        assert webhook.tries == 1
        webhook.away = None
        made.tell(2)
        await until(lambda: made.counted("sent") == 1)


async def test_beyond_the_bound_the_oldest_are_dropped(clock: "ManualClock", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "QUEUED_MAX", 3)
    webhook = Channel()
    webhook.gate.clear()
    async with telling(clock, webhook=webhook) as made:
        made.tell(0)
        await until(lambda: webhook.tries == 1)
        for number in range(1, 6):
            made.tell(number)
        assert made.counted("dropped") == 2
        webhook.gate.set()
    assert [message.about for message in webhook.sent] == [f"did:plc:m{number}" for number in (0, 3, 4, 5)]


async def test_a_channel_that_falls_over_takes_nothing_along(
    clock: "ManualClock", caplog: pytest.LogCaptureFixture
) -> None:
    webhook = Channel()
    webhook.away = ZeroDivisionError("a mistake of ours")
    async with telling(clock, webhook=webhook) as made:
        made.tell(1)
        await until(lambda: made.counted("failed") == 1)
        webhook.away = None
        made.tell(2)
    assert [message.about for message in webhook.sent] == ["did:plc:m2"]
    assert any(record.exc_info for record in caplog.records)


async def test_at_the_end_what_waits_has_one_last_try(clock: "ManualClock", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "FIRST_PAUSE_SECONDS", 60.0)
    webhook = Channel()
    webhook.away = Unavailable("the webhook answered 503")
    async with telling(clock, webhook=webhook) as made:
        made.tell(1)
        made.tell(2)
        await until(lambda: made.counted("retried") == 1)
        webhook.away = None
    assert [message.about for message in webhook.sent] == ["did:plc:m1", "did:plc:m2"]


async def test_what_is_left_when_time_is_up_is_counted(clock: "ManualClock", caplog: pytest.LogCaptureFixture) -> None:
    webhook = Channel()
    webhook.gate.clear()
    made = Telling(clock, NOTICE_KINDS, webhook=webhook)
    task = asyncio.create_task(made.notifications.run())
    made.tell(1)
    made.tell(2)
    await until(lambda: webhook.tries == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.counted("dropped") == 2
    assert "2 notices were not told by webhook" in caplog.text
