"""What each kind of event leaves in a member's windows, and what it is held against when it is taken in."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from labeler.reputation import counters
from labeler.reputation import windows as module
from labeler.reputation.events import AUTH_MAIL, Kind, SendEvent
from labeler.reputation.pool import Pool
from labeler.reputation.suppression import SuppressionWindows
from labeler.reputation.windows import CONTACT_HOURS, SubjectWindows
from tests.unit.reputation.telemetry import (
    HOUR,
    NOON_S,
    RELAY,
    circumstances,
    event,
    message,
    person,
    record,
    windows_of,
)

GMX, POST = "gmx.example", "post.example"


class TestOrigin:
    def test_from_domains_are_registrable_and_distinct(self) -> None:
        names = ["a.example.com", "b.EXAMPLE.com", "other.example", None]
        windows = windows_of(*(event(Kind.ACCEPTED, n, from_domain=name) for n, name in enumerate(names)))
        assert list(windows.from_domains.items(HOUR)) == ["example.com", "other.example"]

    def test_networks_are_new_where_they_were_first_heard_of(self) -> None:
        told = [("a", 0), ("a", 5), ("b", 5), ("c", 9), ("c", 3), (None, 9)]
        windows = windows_of(*(event(Kind.ACCEPTED, n, hours, client=name) for n, (name, hours) in enumerate(told)))
        assert (windows.clients.count(HOUR), windows.clients.count(HOUR + 9)) == (3, 1)
        assert [windows.new_clients.count(HOUR + hour, HOUR + hour + 1) for hour in (0, 3, 5, 9)] == [1, 1, 1, 0]

    def test_recipient_domains_too_and_a_late_sight_makes_them_older(self) -> None:
        told = [("x.example.com", 0), ("y.example.com", 5), ("c.example", 9), ("c.example", 3)]
        windows = windows_of(
            *(event(Kind.ACCEPTED, n, hours, recipient_domain=name) for n, (name, hours) in enumerate(told))
        )
        assert (windows.recipient_domains.count(HOUR), windows.recipient_domains.count(HOUR + 9)) == (2, 1)
        assert [windows.new_domains.count(HOUR + hour, HOUR + hour + 1) for hour in (0, 3, 5, 9)] == [1, 1, 0, 0]

    def test_sending_domains_are_told_apart_up_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DOMAINS_MAX", 3)
        windows = windows_of(*(event(Kind.ACCEPTED, n, domain=f"d{n % 5}.example") for n in range(20)))
        assert {name: kept.accepted.total for name, kept in windows.by_domain.items()} == {
            f"d{n}.example": 4 for n in range(3)
        }
        assert windows.volume.accepted.total == 20

    def test_a_recipient_whose_domain_is_not_told_stands_for_itself(self) -> None:
        windows = windows_of(event(Kind.ACCEPTED, 1), event(Kind.ACCEPTED, 2, recipient_domain="x.EXAMPLE.org"))
        assert windows.addressed.count(HOUR) == 2
        assert windows.domain_of == {person(2): "example.org"}
        assert windows.new_domains.count(HOUR, HOUR + 1) == 1


class TestNoted:
    """What is neither an acceptance nor an outcome counts when it happened, bound or not."""

    def test_refused_mail_is_an_attempt(self) -> None:
        windows = windows_of(event(Kind.REJECTED), event(Kind.REJECTED, 2))
        assert (windows.volume.refused.total, windows.volume.accepted.total) == (2, 0)

    @pytest.mark.parametrize(
        ("fields", "evasions"),
        [({"domain": "other.example"}, 1), ({}, 0), ({"domain": "other.example", "recipient": None}, 0)],
    )
    def test_what_the_relay_suppressed_may_be_an_evasion(self, fields: dict[str, Any], evasions: int) -> None:
        windows = windows_of(*message(1), event(Kind.UNSUBSCRIBED, 1, 0.5), event(Kind.SUPPRESSED, 1, 5, **fields))
        assert windows.suppression is not None
        assert windows.suppression.evaded.count(HOUR) == evasions

    def test_a_missing_header_counts_once_a_message(self) -> None:
        stripped = [event(Kind.HEADER_STRIPPED, n, hours) for n, hours in [(1, 0), (1, 1), (2, 1)]]
        nameless = [event(Kind.HEADER_STRIPPED, n, message_id=None) for n in (3, 4)]
        windows = windows_of(*stripped, *nameless)
        assert windows.suppression is not None
        assert windows.suppression.evaded.count(0) == 4

    @pytest.mark.parametrize("category", sorted(AUTH_MAIL))
    def test_mail_a_person_waits_for_needs_no_header(self, category: str) -> None:
        assert windows_of(event(Kind.HEADER_STRIPPED, category=category)).suppression is None

    @pytest.mark.parametrize(("auto_ask", "received", "asked"), [(False, 9, None), (True, 9, 9), (True, -9, 0)])
    def test_an_abuse_report_asks_by_itself_where_the_policy_says_so_when_it_is_told(
        self, auto_ask: bool, received: int, asked: int | None
    ) -> None:
        known = circumstances(auto_ask=auto_ask, now_s=NOON_S + received)
        windows = windows_of(event(Kind.ABUSE_REPORTED, category="spam"), known=known)
        assert windows.reports is not None
        (report,) = windows.reports.reports
        assert (report.at_s, report.category) == (NOON_S, "spam")
        assert report.asked_s == (NOON_S + asked if asked is not None else None)

    def test_an_answer_answers_what_was_reported_before(self) -> None:
        windows = windows_of(*(event(kind, 1, h) for kind, h in [("abuseReported", 0), ("abuseAnswered", 1)]))
        windows_late = windows_of(*(event(kind, 1, h) for kind, h in [("abuseReported", 2), ("abuseAnswered", 1)]))
        assert windows.reports is not None
        assert windows_late.reports is not None
        assert (len(windows.reports.open(0)), len(windows_late.reports.open(0))) == (0, 1)


class TestBlocked:
    """Recipients refused for policy, at a provider the relay names."""

    @staticmethod
    def block(number: int, hours: float = 0, provider: str | None = GMX, **fields: Any) -> list[SendEvent]:
        name = f"m{number} {hours} {provider}"
        return message(number, hours, "5.7.1", provider=provider, message_id=name, **fields)

    def test_they_are_distinct_and_counted_for_the_pool_alike(self) -> None:
        pool = Pool()
        told = [*self.block(1), *self.block(1, 0.1), *self.block(2), *self.block(1, provider=POST)]
        windows = windows_of(*told, known=circumstances(pool))
        assert {name: there.blocked.count(HOUR) for name, there in windows.by_provider.items() if there.blocked} == {
            GMX: 2,
            POST: 1,
        }
        assert (windows.blocked.total, pool.rest(GMX, HOUR, 0, 0), pool.rest(POST, HOUR, 0, 0)) == (3, (2, 3), (1, 1))

    def test_without_a_provider_there_is_nothing_to_compare(self) -> None:
        windows = windows_of(*self.block(1, provider=None))
        assert (windows.by_provider, windows.blocked.total, windows.invalid.size) == ({}, 0, 0)

    def test_the_same_recipients_refused_day_after_day_excuse_the_others_every_day(self) -> None:
        """A listing of the shared address lasts: what each day counts for one member it must count for the pool."""
        pool, members = Pool(), [SubjectWindows(), SubjectWindows()]
        for day in range(40):
            for which, windows in enumerate(members):
                for number in range(10):
                    for item in self.block(number, day * 24, did=f"did:plc:m{which}"):
                        record(windows, item, circumstances(pool))
            for windows in members:
                since = HOUR + day * 24
                own = windows.by_provider[GMX].blocked
                assert own is not None
                assert (own.count(since), windows.blocked.count(since)) == (10, 10)
                assert pool.rest(GMX, since, 10, windows.by_provider[GMX].answered.count(since)) == (10, 10)
                windows.sweep(since, 168, 0)
            pool.expire(HOUR + day * 24 - 168)

    def test_the_order_refusals_are_told_in_does_not_matter(self) -> None:
        random = Random(11)
        told = [(random.randrange(5), random.randrange(30)) for _ in range(60)]
        counted = []
        for order in (told, random.sample(told, len(told))):
            pool = Pool()
            windows = windows_of(*(item for pair in order for item in self.block(*pair)), known=circumstances(pool))
            sinces = [HOUR + hour for hour in range(31)]
            own = windows.by_provider[GMX].blocked
            assert own is not None
            assert [pool.rest(GMX, since, 0, 0)[0] for since in sinces] == [own.count(since) for since in sinces]
            counted.append([windows.blocked.count(since) for since in sinces])
        assert counted[0] == counted[1]

    def test_beyond_what_can_be_told_apart_every_refusal_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 10)
        pool = Pool()
        windows = windows_of(*(item for n in range(30) for item in self.block(n)), known=circumstances(pool))
        assert windows.blocked.total == 30
        assert pool.rest(GMX, HOUR, 0, 0) == (30, 30)
        assert windows.by_provider[GMX].blocked is not None

    def test_providers_are_told_apart_up_to_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "DOMAINS_MAX", 2)
        told = [item for n in range(5) for item in self.block(n, provider=f"p{n}.example")]
        dead = [item for n in range(5) for item in message(n, 1, "5.1.1", provider=f"p{n}.example")]
        pool = Pool()
        windows = windows_of(*told, *dead, known=circumstances(pool))
        assert set(windows.by_provider) == set(pool.providers) == {"p0.example", "p1.example"}
        assert (windows.blocked.total, windows.invalid.count(HOUR)) == (2, 5)


class TestDead:
    def test_a_recipient_that_does_not_exist_is_noted_everywhere(self) -> None:
        pool = Pool()
        windows = windows_of(*message(1, 0, "5.1.1", provider=GMX), known=circumstances(pool))
        there = windows.by_provider[GMX]
        assert there.invalid is not None
        assert windows.invalid.last == windows.reached.last == there.invalid.last == {person(1): HOUR}
        assert windows.by_domain["shop.example"].invalid.count(HOUR) == 1
        assert (list(pool.touched), list(pool.providers[GMX].failing[HOUR])) == ([(GMX, HOUR)], ["did:plc:m"])

    def test_mail_that_goes_on_counts_and_delivery_revives(self) -> None:
        windows = windows_of(*message(1, 0, "5.1.1"))
        assert windows.dead is not None
        for hours, status, sends in [(1, "5.1.1", 1), (2, "2.0.0", 2), (3, "2.0.0", 2)]:
            for item in message(1, hours, status, message_id=f"again {hours}"):
                record(windows, item)
            assert windows.dead.sends.total == sends

    def test_it_counts_by_when_things_happened_not_by_when_the_outcome_was_bound(self) -> None:
        windows = windows_of(*message(1, 0, "5.1.1")[:1], event(Kind.ACCEPTED, 1, 4, message_id="next"))
        record(windows, event(Kind.BOUNCED, 1, 5, status="5.1.1"))
        record(windows, event(Kind.ACCEPTED, 1, 4.5, message_id="told late"))
        assert windows.dead is not None
        assert windows.dead.sends.total == 0
        record(windows, event(Kind.ACCEPTED, 1, 6, message_id="knowing"))
        assert windows.dead.sends.total == 1


class TestAuthMail:
    @staticmethod
    def login(hours: float, number: int = 1, **fields: Any) -> SendEvent:
        return event(Kind.ACCEPTED, number, hours, category="login-link", message_id=f"login {hours}", **fields)

    @pytest.mark.parametrize(
        ("hours", "strangers"), [(0.5, 0), (CONTACT_HOURS, 0), (CONTACT_HOURS + 0.9, 0), (CONTACT_HOURS + 1, 1)]
    )
    def test_whoever_was_reached_in_the_month_before_is_no_stranger(self, hours: float, strangers: int) -> None:
        windows = windows_of(*message(1), self.login(hours))
        assert windows.auth_mail is not None
        assert (windows.auth_mail.tagged.total, windows.auth_mail.strangers.total) == (1, strangers)

    def test_whoever_was_never_reached_is_one(self) -> None:
        windows = windows_of(*message(1, 0, "5.1.1"), self.login(1), self.login(2, 2))
        assert windows.auth_mail is not None
        assert windows.auth_mail.strangers.total == 2

    def test_nobody_is_where_too_many_were_reached_to_be_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "EXACT_MAX", 10)
        windows = windows_of(*(item for n in range(11) for item in message(n)), self.login(1, 99))
        assert windows.auth_mail is not None
        assert (windows.auth_mail.tagged.total, windows.auth_mail.strangers.total) == (1, 0)

    def test_it_is_no_evasion_and_bulk_mail_is(self) -> None:
        for category, evasions in [("login-link", 0), ("bulk", 1)]:
            again = event(Kind.ACCEPTED, 1, 9, message_id="again", domain="other.example", category=category)
            windows = windows_of(*message(1), event(Kind.UNSUBSCRIBED, 1, 1), again)
            assert windows.suppression is not None
            assert windows.suppression.evaded.size == evasions


class TestSharedDomain:
    def test_lists_of_others_with_the_domain_are_asked_and_its_own_is_not(self) -> None:
        windows, other = windows_of(*message(1), event(Kind.UNSUBSCRIBED, 1, 1)), SuppressionWindows()
        other.unsubscribe(person(2), NOON_S, event(Kind.UNSUBSCRIBED, 2))
        assert windows.suppression is not None
        known = circumstances(sharers={"shop.example": [windows.suppression, other]})
        for number, domain in [(1, "shop.example"), (2, None), (2, "two.example"), (3, "shop.example")]:
            record(windows, event(Kind.ACCEPTED, number, 5, message_id=f"n{number}", domain=domain), known)
        assert windows.suppression.evaded.size == 0
        record(windows, event(Kind.ACCEPTED, 2, 5, message_id="n2", domain="Shop.Example"), known)
        assert list(windows.suppression.evaded.items(0)) == [person(2)]

    def test_a_member_without_a_list_gets_one_when_it_evades(self) -> None:
        other = SuppressionWindows()
        other.unsubscribe(person(1), NOON_S, event(Kind.UNSUBSCRIBED))
        windows = windows_of(event(Kind.ACCEPTED, 1, 5), known=circumstances(sharers={"shop.example": [other]}))
        assert windows.suppression is not None
        assert windows.suppression.evaded.size == 1


def test_spam_traps_count_in_the_hour_of_the_message() -> None:
    windows = windows_of(*message(1), event(Kind.TRAP_HIT, 1, 30), event(Kind.TRAP_HIT, 2, 30))
    assert windows.traps is not None
    assert (windows.traps.last, windows.unbound) == ({person(1): HOUR}, 1)


CALM = [event(Kind.ACCEPTED), event(Kind.DELIVERED, status="2.0.0"), event(Kind.DELIVERED, 2)]
STIRRING = [
    event(Kind.BOUNCED, status="5.1.1"),
    event(Kind.BOUNCED, status="4.0.0"),
    event(Kind.DEFERRED),
    event(Kind.COMPLAINED),
    event(Kind.UNSUBSCRIBED),
    event(Kind.TRAP_HIT),
    event(Kind.REJECTED),
    event(Kind.SUPPRESSED),
    event(Kind.HEADER_STRIPPED),
    event(Kind.ABUSE_REPORTED),
    event(Kind.ENROLLED),
    event("of the future"),
    event(Kind.ACCEPTED, 2, client="c" * 32),
    event(Kind.ACCEPTED, 2, from_domain="new.example"),
    event(Kind.ACCEPTED, 2, -5, client="b" * 32),
    event(Kind.ACCEPTED, 2, category="mfa-otp"),
]


def settled() -> SubjectWindows:
    """A member with a network, that nothing stirred since."""
    windows = windows_of(event(Kind.ACCEPTED, client="b" * 32))
    windows.stirred = False
    return windows


@pytest.mark.parametrize("item", STIRRING, ids=lambda item: f"{item.kind} {item.status or ''}")
def test_whatever_may_make_another_rule_fire_stirs(item: SendEvent) -> None:
    windows = settled()
    record(windows, item)
    assert windows.stirred


@pytest.mark.parametrize("item", [*CALM, event(Kind.ACCEPTED, 2, client="b" * 32)], ids=lambda item: item.kind)
def test_mail_taken_and_delivered_does_not(item: SendEvent) -> None:
    windows = settled()
    record(windows, item)
    assert not windows.stirred


RARE: dict[str, Callable[[], SubjectWindows]] = {
    "mail to the dead": lambda: windows_of(*message(1, 0, "5.1.1"), event(Kind.ACCEPTED, 1, 1, message_id="n")),
    "auth mail": lambda: windows_of(event(Kind.ACCEPTED, category="mfa-otp")),
    "a block": lambda: windows_of(*message(1, 0, "5.7.1", provider=GMX)),
    "a trap": lambda: windows_of(event(Kind.ACCEPTED), event(Kind.TRAP_HIT)),
    "an unsubscription": lambda: windows_of(event(Kind.ACCEPTED), event(Kind.UNSUBSCRIBED)),
    "an abuse report": lambda: windows_of(event(Kind.ABUSE_REPORTED)),
}


@pytest.mark.parametrize("make", RARE.values(), ids=RARE)
def test_what_most_members_never_see_is_rare(make: Callable[[], SubjectWindows]) -> None:
    assert make().rare


def test_ordinary_mail_is_not() -> None:
    assert not windows_of(*message(1), *message(2, 0, "5.1.1"), *message(3, 0, "4.2.2")).rare


def test_the_ledger_lists_what_was_counted_in_the_hour_it_counts_in() -> None:
    windows, known = SubjectWindows(), circumstances()
    for item in [event(Kind.COMPLAINED, 1, 50), event(Kind.COMPLAINED, 2, 50), event(Kind.REJECTED, 3, 7)]:
        record(windows, item, known)
    record(windows, event(Kind.ACCEPTED, 1, 2), known)
    record(windows, event(Kind.DELIVERED, 1, 9), known)
    counted = [(hour - HOUR, name) for hour, name in windows.ledger.counted]
    assert counted == [(7, "rejected37"), (2, "accepted12"), (2, "complained150"), (2, "delivered19")]
    windows.ledger.seal(RELAY)
    assert windows.ledger.root(HOUR, HOUR + 60).events == 4, "what binds to nothing counts for nothing"


def test_first_contacts_are_never_overstated_where_not_everybody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "EXACT_MAX", 10)
    windows = windows_of(*(item for n in range(8) for item in message(n)))
    for number in range(100, 120):
        record(windows, event(Kind.ACCEPTED, number, 48))
    assert not windows.addressed.exact
    assert windows.first_contacts(HOUR + 40) == windows.addressed.count(HOUR + 40) - 8
    assert windows.first_contacts(HOUR + 49) == 0
