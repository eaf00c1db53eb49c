"""What keeps the windows within bounds, and what is news to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labeler.reputation import counters, windows
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.outcomes import Classifier
from labeler.reputation.policy import Outcomes
from labeler.reputation.pool import Pool
from labeler.reputation.windows import Circumstances, SubjectWindows

NOON = datetime(2026, 3, 6, 12, tzinfo=UTC)
HOUR = int(NOON.timestamp()) // 3600
CLASSES = Classifier(
    Outcomes(
        invalid_recipient=frozenset({"5.1.1"}), policy_block=frozenset({"5.7.*"}), configuration=frozenset({"5.1.8"})
    )
)


class Told:
    """Windows of one subject, and a relay that tells them."""

    def __init__(self) -> None:
        self.windows, self.pool, self.count = SubjectWindows(), Pool(), 0

    def tell(self, kind: str, number: int = 1, hours: float = 0, **fields: Any) -> None:
        self.count += 1
        known = {"message_id": f"m{number}", "recipient": f"{number:032x}", "recipient_domain": f"d{number}.example"}
        at = NOON + timedelta(hours=hours)
        event = SendEvent(id=f"e{self.count}", kind=kind, did="did:plc:m", at=at, **(known | fields))
        self.windows.record(event, int(at.timestamp()), Circumstances("relay", 0, CLASSES, self.pool))


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_older_half_of_too_many_acceptances_is_let_go(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "BINDING_MAX", 4)
    for number in range(5):
        told.tell(Kind.ACCEPTED, number)
    assert len(told.windows.acceptances) == 3
    told.tell(Kind.DELIVERED, 0)
    told.tell(Kind.DELIVERED, 4)
    assert (told.windows.delivered.count(0), told.windows.unbound) == (1, 1)


def test_further_domains_and_providers_are_not_told_apart(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "DOMAINS_MAX", 1)
    for number in (1, 2):
        told.tell(Kind.ACCEPTED, number, domain=f"s{number}.example")
        told.tell(Kind.BOUNCED, number, domain=f"s{number}.example", provider=f"p{number}", status="5.1.1")
    assert (list(told.windows.by_domain), list(told.windows.by_provider)) == (["s1.example"], ["p1"])
    assert told.windows.invalid.count(0) == 2


def test_a_domain_is_news_again_after_a_month_and_not_before(told: Told) -> None:
    for hours in (0, 700, 1_400):
        told.tell(Kind.ACCEPTED, 1, hours)
    assert told.windows.new_domains.count(HOUR + 1, HOUR + 5_000) == 0
    told.tell(Kind.ACCEPTED, 1, 2_121)
    assert told.windows.new_domains.count(HOUR + 2_121, HOUR + 5_000) == 1
    assert told.windows.new_domains.count(0, HOUR + 2_121) == 0


def test_a_new_network_stirs_and_a_known_one_does_not(told: Told) -> None:
    told.tell(Kind.ACCEPTED, 1, client="a" * 32)
    told.windows.stirred = False
    told.tell(Kind.ACCEPTED, 2, client="a" * 32)
    assert not told.windows.stirred
    told.tell(Kind.ACCEPTED, 3, client="b" * 32)
    assert told.windows.stirred


def test_a_late_event_makes_an_older_first_sight(told: Told) -> None:
    told.tell(Kind.ACCEPTED, 1, 5)
    told.tell(Kind.ACCEPTED, 1, 2, message_id="late")
    assert told.windows.new_domains.count(HOUR + 2, HOUR + 3) == 1


def test_a_recipient_keeps_the_domain_told_last(told: Told) -> None:
    told.tell(Kind.ACCEPTED, 1, 0, recipient_domain="old.example")
    told.tell(Kind.ACCEPTED, 1, 1, recipient_domain="new.example")
    told.tell(Kind.ACCEPTED, 1, 0.5, recipient_domain="older.example")
    assert list(told.windows.domain_of.values()) == ["new.example"]
    told.tell(Kind.ACCEPTED, 2, 1, recipient_domain=None)
    assert len(told.windows.domain_of) == 1


class TestTooManyToKnow:
    """Beyond the bound windows count about right, and no stranger is made up."""

    @pytest.fixture
    def many(self, told: Told, monkeypatch: pytest.MonkeyPatch) -> Told:
        monkeypatch.setattr(counters, "EXACT_MAX", 20)
        for number in range(40):
            told.tell(Kind.ACCEPTED, number)
            told.tell(Kind.DELIVERED, number)
        return told

    def test_nothing_hangs_on_items_any_more(self, many: Told) -> None:
        assert not many.windows.delivered.exact
        assert many.windows.first_delivered == {}
        assert 35 <= many.windows.delivered.count(0) <= 45

    def test_first_contacts_are_never_overstated(self, many: Told) -> None:
        assert many.windows.first_contacts(HOUR) <= 5
        for number in range(100, 140):
            many.tell(Kind.ACCEPTED, number)
        assert 30 <= many.windows.first_contacts(HOUR) <= 50


def test_refusals_for_policy_are_counted_once_a_recipient(told: Told) -> None:
    for hours in (0, 1):
        told.tell(Kind.ACCEPTED, 1, hours, message_id=f"m{hours}")
        told.tell(Kind.BOUNCED, 1, hours, message_id=f"m{hours}", provider="big", status="5.7.1")
    blocked = told.windows.by_provider["big"].blocked
    assert blocked is not None
    assert (blocked.count(0), told.windows.rare) == (1, True)


def test_a_refusal_without_a_provider_is_compared_with_nothing(told: Told) -> None:
    told.tell(Kind.ACCEPTED, 1)
    told.tell(Kind.BOUNCED, 1, status="5.7.1")
    assert (told.windows.by_provider, told.windows.blocked.total) == ({}, 0)


@pytest.mark.parametrize("status", ["5.1.8", "5.2.2", None])
def test_other_refusals_are_nobody_s_fault(told: Told, status: str | None) -> None:
    told.tell(Kind.ACCEPTED, 1)
    told.tell(Kind.BOUNCED, 1, status=status, provider="big")
    assert told.windows.invalid.count(0) == told.windows.blocked.total == 0
    assert told.windows.by_provider["big"].answered.total == 1


def test_what_was_never_taken_in_is_not_renewed() -> None:
    seen = counters.FirstSeen()
    seen.renew("a", 5)
    assert (seen.first, seen.new) == ({}, {})


def test_an_older_refusal_of_a_known_recipient_is_not_counted_again(told: Told) -> None:
    for hours in (5, 1):
        told.tell(Kind.ACCEPTED, 1, hours, message_id=f"m{hours}")
        told.tell(Kind.BOUNCED, 1, hours, message_id=f"m{hours}", provider="big", status="5.7.1")
    assert told.windows.blocked.total == 1
