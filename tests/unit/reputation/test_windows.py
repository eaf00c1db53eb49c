"""Counts of one subject: exact, in event time, whatever order the events come in."""

import itertools

import pytest

from labeler.reputation import windows as module
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.windows import BINDING_HOURS, CONTACT_HOURS, SubjectWindows, binding_floor
from tests.unit.reputation.telemetry import HOUR, NOON, OTHER, RELAY, YEAR_S, circumstances, event, record


def counts(windows: SubjectWindows, since: int = 0) -> dict[str, int]:
    """What the windows say, in words."""
    names = ("addressed", "recipient_domains", "delivered", "reached", "invalid", "complained")
    accepted = {"accepted": windows.volume.accepted.count(since), "unbound": windows.unbound}
    return accepted | {name: getattr(windows, name).count(since) for name in names}


def test_an_outcome_counts_in_the_hour_its_message_was_accepted() -> None:
    windows = SubjectWindows()
    record(windows, event(Kind.ACCEPTED, hours=0))
    record(windows, event(Kind.BOUNCED, hours=30, status="5.1.1"))
    assert windows.invalid.last == {f"{1:032x}": HOUR}
    assert counts(windows, HOUR + 1)["invalid"] == 0


STORY = [
    event(Kind.ACCEPTED, 1, 0, recipient_domain="A.example"),
    event(Kind.DELIVERED, 1, 1),
    event(Kind.ACCEPTED, 2, 2, recipient_domain="a.example"),
    event(Kind.BOUNCED, 2, 5, status="5.1.1"),
    event(Kind.COMPLAINED, 1, 20),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(STORY)), len(STORY)))[::7])
def test_any_order_leaves_the_same_windows(order: tuple[int, ...]) -> None:
    windows = SubjectWindows()
    for index in order:
        record(windows, STORY[index])
    assert counts(windows) == {
        "accepted": 2,
        "addressed": 2,
        "recipient_domains": 1,
        "delivered": 1,
        "reached": 2,
        "invalid": 1,
        "complained": 1,
        "unbound": 0,
    }
    assert windows.invalid.count(HOUR + 2) == windows.reached.count(HOUR + 2) == 1
    assert windows.complained.count(HOUR + 1) == 0
    assert (windows.by_domain["shop.example"].accepted.total, windows.by_domain["shop.example"].invalid.total) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.BOUNCED, "5.7.1"),
        (Kind.BOUNCED, "5.1.8"),
        (Kind.BOUNCED, "5.2.2"),
        (Kind.BOUNCED, "4.1.1"),
        (Kind.BOUNCED, None),
        (Kind.DEFERRED, "4.4.1"),
        (Kind.DEFERRED, "5.1.1"),
        (Kind.UNSUBSCRIBED, None),
    ],
)
def test_what_is_not_the_sender_s_fault_judges_nobody(kind: Kind, status: str | None) -> None:
    windows = SubjectWindows()
    record(windows, event(Kind.ACCEPTED))
    record(windows, event(kind, status=status))
    assert counts(windows) | {"accepted": 0, "addressed": 0} == dict.fromkeys(counts(windows), 0)
    assert windows.kinds == {Kind.ACCEPTED: 1, kind: 1}


@pytest.mark.parametrize(
    ("outcome", "relay"),
    [
        (event(Kind.BOUNCED, status="5.1.1", message_id="guessed"), RELAY),
        (event(Kind.BOUNCED, status="5.1.1", recipient="f" * 32), RELAY),
        (event(Kind.BOUNCED, status="5.1.1"), OTHER),
        (event(Kind.COMPLAINED, message_id=None), RELAY),
        (event(Kind.BOUNCED, status="5.1.1", recipient=None), RELAY),
    ],
    ids=["another message", "another recipient", "another relay", "no message", "no recipient"],
)
@pytest.mark.parametrize("first", ["acceptance", "outcome"])
def test_an_outcome_no_acceptance_explains_is_unbound(outcome: SendEvent, relay: str, first: str) -> None:
    windows = SubjectWindows()
    acceptance = (event(Kind.ACCEPTED), RELAY)
    for item, reporter in [acceptance, (outcome, relay)][:: 1 if first == "acceptance" else -1]:
        record(windows, item, circumstances(relay=reporter))
    assert counts(windows) | {"accepted": 0, "addressed": 0, "unbound": 0} == dict.fromkeys(counts(windows), 0)
    assert windows.unbound == 1


def test_a_nameless_outcome_never_binds_to_a_message_called_none() -> None:
    windows = SubjectWindows()
    record(windows, event(Kind.ACCEPTED, message_id="None"))
    record(windows, event(Kind.BOUNCED, status="5.1.1", message_id=None))
    assert (windows.invalid.last, windows.unbound) == ({}, 1)


def test_mail_without_message_id_or_recipient_is_volume_and_nothing_else() -> None:
    windows = SubjectWindows()
    record(windows, event(Kind.ACCEPTED, 1, message_id=None, domain=None))
    record(windows, event(Kind.ACCEPTED, 2, recipient=None))
    assert counts(windows) == dict.fromkeys(counts(windows), 0) | {"accepted": 2, "addressed": 1}
    assert windows.acceptances == {}
    assert list(windows.by_domain) == ["shop.example"]


def test_a_bounce_without_a_domain_blames_no_domain() -> None:
    windows = SubjectWindows()
    record(windows, event(Kind.ACCEPTED, domain=None))
    record(windows, event(Kind.BOUNCED, status="5.1.1", domain=None))
    assert (windows.invalid.count(0), windows.by_domain) == (1, {})


def test_an_unknown_kind_is_counted_and_judges_nobody() -> None:
    windows = SubjectWindows()
    for kind in ("of the future", "of another future"):
        record(windows, SendEvent(id="x", kind=kind, did="did:plc:m", at=NOON))
    assert windows.kinds == {"other": 2}, "whatever kinds a relay makes up, they take no room"
    assert set(counts(windows).values()) == {0}


class TestBinding:
    def test_outcomes_wait_for_their_acceptance(self) -> None:
        windows = SubjectWindows()
        record(windows, event(Kind.DELIVERED, hours=1))
        record(windows, event(Kind.COMPLAINED, hours=2))
        assert windows.unbound == 2
        record(windows, event(Kind.ACCEPTED))
        assert (windows.unbound, windows.delivered.count(0), windows.complained.count(0)) == (0, 1, 1)

    def test_an_acceptance_too_old_binds_no_more_whether_swept_or_not(self) -> None:
        for sweep in (False, True):
            windows = SubjectWindows()
            record(windows, event(Kind.ACCEPTED))
            oldest = binding_floor(HOUR + BINDING_HOURS + 1)
            if sweep:
                windows.sweep(HOUR + BINDING_HOURS + 1, 168, YEAR_S)
            record(windows, event(Kind.DELIVERED, hours=BINDING_HOURS), circumstances(oldest=oldest))
            assert (windows.delivered.last, windows.unbound) == ({}, 1)

    def test_an_acceptance_binds_for_nine_days(self) -> None:
        windows = SubjectWindows()
        record(windows, event(Kind.ACCEPTED))
        windows.sweep(HOUR + BINDING_HOURS, 168, YEAR_S)
        record(windows, event(Kind.DELIVERED, hours=200), circumstances(oldest=binding_floor(HOUR + BINDING_HOURS)))
        assert windows.delivered.last == {f"{1:032x}": HOUR}

    def test_how_long_it_binds_does_not_depend_on_the_policy(self) -> None:
        assert binding_floor(1_000) == 1_000 - BINDING_HOURS

    def test_an_outcome_too_old_is_not_bound_by_a_late_acceptance(self) -> None:
        windows = SubjectWindows()
        record(windows, event(Kind.DELIVERED, hours=0))
        record(windows, event(Kind.ACCEPTED, hours=60), circumstances(oldest=HOUR + 1))
        assert (windows.delivered.last, windows.unbound) == ({}, 0)

    def test_the_stash_is_bounded_in_messages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "STASH_MAX", 2)
        windows = SubjectWindows()
        for number in range(5):
            record(windows, event(Kind.BOUNCED, number, status="5.1.1"))
        assert (len(windows.stash), windows.unbound) == (2, 5)
        record(windows, event(Kind.DELIVERED, 1))
        assert (len(windows.stash), windows.unbound) == (2, 6)

    def test_the_stash_is_bounded_in_outcomes_of_one_message(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "STASH_DEPTH", 3)
        windows = SubjectWindows()
        for hours in range(10):
            record(windows, event(Kind.DEFERRED, hours=hours))
        assert ([len(waiting) for waiting in windows.stash.values()], windows.unbound) == ([3], 10)


class TestFirstContact:
    """A recipient is a first contact unless reached in the month before the window."""

    @staticmethod
    def first(deliveries: list[int], now: int, *, sweep: bool) -> bool:
        """Whether a recipient reached at those hours counts as a first contact in the 24 hours up to `now`."""
        windows, swept = SubjectWindows(), 0
        for hours in deliveries:
            if sweep and hours >= swept + 24:
                windows.sweep(HOUR + hours, 169, YEAR_S)
                swept = hours
            for kind in (Kind.ACCEPTED, Kind.DELIVERED):
                record(windows, event(kind, 1, hours, message_id=f"m{hours}"))
        if sweep:
            windows.sweep(HOUR + now, 169, YEAR_S)
        record(windows, event(Kind.ACCEPTED, 1, now, message_id="now"))
        return windows.first_contacts(HOUR + now - 24) == 1

    @pytest.mark.parametrize("sweep", [False, True], ids=["never swept", "swept every day"])
    @pytest.mark.parametrize(
        ("deliveries", "now", "first"),
        [
            ([], 0, True),
            ([0], 10, True),
            ([0], 24, True),
            ([0], 25, False),
            ([5, 0], 25, False),
            ([0], CONTACT_HOURS + 24, False),
            ([0], CONTACT_HOURS + 25, True),
            ([0], 10_000, True),
            ([0, 600], 1_000, False),
            ([0, 600, 1_200], 1_210, False),
            ([0, CONTACT_HOURS], CONTACT_HOURS + 1, False),
            ([0, CONTACT_HOURS + 1], CONTACT_HOURS + 2, True),
            ([0, 2_000], 2_001, True),
            ([0, 2_000], 2_100, False),
        ],
    )
    def test_who_is_one(self, deliveries: list[int], now: int, first: bool, sweep: bool) -> None:
        assert self.first(deliveries, now, sweep=sweep) is first
