"""Addresses reported not to exist: from when on mail to them counts, and when they are alive again."""

from itertools import permutations
from typing import Any

import pytest

from labeler.reputation import dead_addresses as module
from labeler.reputation.dead_addresses import REMEMBERED_S, DeadAddresses

DAY_S = 86_400
HOUR_S = 3_600


def dead(at_s: int = 0, recipient: str = "a") -> DeadAddresses:
    addresses = DeadAddresses()
    addresses.die(recipient, at_s)
    return addresses


@pytest.mark.parametrize(
    ("at_s", "counts"),
    [(-5, False), (0, False), (1, True), (DAY_S, True), (REMEMBERED_S, True), (REMEMBERED_S + 1, False)],
)
def test_mail_counts_after_the_report_and_for_a_month(at_s: int, counts: bool) -> None:
    addresses = dead()
    assert addresses.sent("a", at_s) is counts
    assert (addresses.sends.total, addresses.recipients.size) == (int(counts), int(counts))


def test_mail_to_the_living_never_counts() -> None:
    addresses = dead()
    assert not addresses.sent("b", 10)
    assert addresses.sends.total == 0


def test_messages_are_counted_and_the_addresses_behind_them() -> None:
    addresses = dead()
    addresses.die("b", 0)
    for at_s in (HOUR_S, HOUR_S + 1, 5 * HOUR_S):
        assert addresses.sent("a", at_s)
    assert addresses.sent("b", 5 * HOUR_S)
    assert [addresses.sends.count(hour) for hour in (1, 2, 5, 6)] == [4, 2, 2, 0]
    assert [addresses.recipients.count(hour) for hour in (1, 2, 5, 6)] == [2, 2, 2, 0]


@pytest.mark.parametrize("order", list(permutations([50, 10, 30])))
def test_of_several_reports_the_first_counts(order: tuple[int, ...]) -> None:
    addresses = DeadAddresses()
    for at_s in order:
        addresses.die("a", at_s)
    assert addresses.known == {"a": 10}


def test_an_address_that_goes_on_bouncing_stays_dead() -> None:
    addresses = DeadAddresses()
    counted = 0
    for day in range(100):
        counted += addresses.sent("a", day * DAY_S)
        addresses.die("a", day * DAY_S + 1)
        if day % 10 == 0:
            addresses.expire((day - 30) * 24)
    assert counted == 96, "all but the first, and one a month, whose bounce renews the memory"


class TestDelivery:
    def test_whoever_got_mail_later_is_alive(self) -> None:
        addresses = dead(10)
        addresses.revive("a", 11)
        assert not addresses.sent("a", 20)

    @pytest.mark.parametrize("at_s", [10, 5])
    def test_mail_delivered_before_the_report_proves_nothing(self, at_s: int) -> None:
        addresses = dead(10)
        addresses.revive("a", at_s)
        assert addresses.sent("a", 20)

    def test_the_living_need_no_revival(self) -> None:
        addresses = dead(10)
        addresses.revive("b", 20)
        assert addresses.known == {"a": 10}

    def test_it_may_die_again(self) -> None:
        addresses = dead(10)
        addresses.revive("a", 20)
        addresses.die("a", 30)
        assert [addresses.sent("a", at_s) for at_s in (25, 30, 31)] == [False, False, True]


@pytest.mark.parametrize(("since_s", "counts"), [(10, False), (9, False), (11, True)])
def test_what_a_provider_was_to_blame_for_is_no_death_and_what_was_known_before_is(since_s: int, counts: bool) -> None:
    addresses = dead(10)
    addresses.excuse("a", since_s)
    addresses.excuse("b", since_s)
    assert addresses.sent("a", 20) is counts


def test_after_an_outage_honest_members_write_on_to_whom_they_lost(story: Any) -> None:
    """Six members, clean for nine days, lose thirty recipients each when their provider fails; next day they mail all.

    Only the address that was dead before the outage is still known to be dead.
    """
    members = [f"did:plc:m{number}" for number in range(6)]

    def campaign(at_big: str = "2.0.0", outcome: bool = True) -> list[list[str]]:
        changes = []
        for place, did in enumerate(members):
            told = []
            for number in range(60):
                provider, status = ("big.example", at_big) if number % 2 else (f"p{number % 3}.example", "2.0.0")
                gone = number == 1 and story.now.day == 14
                mail = story.message(
                    "5.1.1" if gone else status, did=did, recipient=place * 100 + number, provider=provider
                )
                told += mail if outcome else mail[:1]
            changes.append(story.batch(*told))
        return changes

    for _ in range(9):
        campaign()
        story.wait(days=1)
    assert story.now.day == 15
    campaign("5.1.1")
    assert story.notices().count("incident big.example") >= 1
    assert [story.active(did) & {"mail-throttled", "mail-suspended"} for did in members] == [set()] * 6
    story.wait(days=1)
    assert campaign(outcome=False) == [[]] * 6
    sends = [story.judge.subjects[did].windows.dead.sends.total for did in members]
    assert sends == [2] * 6, "on the day of the outage, and now"


def test_memory_is_bounded_and_the_known_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXACT_MAX", 3)
    addresses = DeadAddresses()
    for n in range(10):
        addresses.die(f"address {n}", 10 + n)
    assert list(addresses.known) == ["address 0", "address 1", "address 2"]
    addresses.die("address 2", 5)
    assert addresses.known["address 2"] == 5


class TestSweep:
    def test_hours_and_addresses_are_forgotten(self) -> None:
        addresses = dead()
        addresses.die("b", 9 * DAY_S)
        addresses.sent("a", 9 * DAY_S)
        addresses.expire(9 * 24)
        assert (set(addresses.known), addresses.sends.total, addresses.recipients.size) == ({"a", "b"}, 1, 1)
        addresses.expire(9 * 24 + 1)
        assert (set(addresses.known), addresses.sends.total, addresses.recipients.size) == ({"b"}, 0, 0)

    @pytest.mark.parametrize("died", range(30 * 24 - 240, 40 * 24 + 48, 24))
    def test_it_makes_no_difference_to_mail_however_late_it_is_told(self, died: int) -> None:
        """`died`: hours before the sweep. Mail of the week before it may still be reported after it."""
        now = 2_000
        for sent in range(now - 7 * 24, now + 24, 5):
            told = []
            for sweep in (False, True):
                addresses = dead((now - died) * HOUR_S)
                if sweep:
                    addresses.expire(now - 720)
                told.append(addresses.sent("a", sent * HOUR_S))
            assert told[0] == told[1]
