"""What a member's windows forget, that nothing counted depends on it, and how much they can ever hold."""

from random import Random
from typing import Any

import pytest

from labeler.reputation import auth_mail, counters, dead_addresses, reports, suppression
from labeler.reputation import windows as module
from labeler.reputation.events import Kind, SendEvent
from labeler.reputation.windows import BINDING_HOURS, CONTACT_HOURS, SubjectWindows, binding_floor
from tests.unit.reputation.telemetry import (
    HOUR,
    NOON_S,
    YEAR_S,
    circumstances,
    event,
    message,
    person,
    record,
    windows_of,
)

HORIZON = 169


def counts(windows: SubjectWindows, since: int = 0) -> dict[str, int]:
    """What the windows say, in words."""
    names = ("addressed", "recipient_domains", "delivered", "reached", "invalid", "complained")
    accepted = {"accepted": windows.volume.accepted.count(since), "unbound": windows.unbound}
    return accepted | {name: getattr(windows, name).count(since) for name in names}


class TestSweep:
    def test_what_no_window_sees_is_forgotten_and_the_rest_is_not(self) -> None:
        windows = SubjectWindows()
        for number, hours in [(1, 0), (2, 1_000)]:
            record(windows, event(Kind.ACCEPTED, number, hours, recipient_domain=f"d{number}.example"))
            record(windows, event(Kind.BOUNCED, number, hours, status="5.1.1"))
            record(windows, event(Kind.COMPLAINED, number, hours))
            record(windows, event(Kind.DEFERRED, number + 10, hours))
        before = counts(windows, HOUR + 1_000 - 169)
        windows.sweep(HOUR + 1_000, HORIZON, YEAR_S)
        assert counts(windows, HOUR + 1_000 - 169) | {"unbound": 2} == before
        assert counts(windows) == dict.fromkeys(counts(windows), 1) | {"delivered": 0}
        assert windows.swept_hour == HOUR + 1_000
        assert (windows.volume.minutes.total, len(windows.acceptances), len(windows.stash)) == (1, 1, 1)
        assert windows.by_domain["shop.example"].accepted.total == windows.by_domain["shop.example"].invalid.total == 1

    def test_a_year_later_nothing_is_left(self) -> None:
        windows = SubjectWindows()
        for number in range(100):
            record(windows, event(Kind.ACCEPTED, number, number))
            record(windows, event(Kind.DELIVERED, number, number))
        windows.sweep(HOUR + 8_760, HORIZON, YEAR_S)
        assert set(counts(windows).values()) == {0}
        assert not windows.first_delivered
        assert not windows.acceptances
        assert not windows.volume.minutes.buckets

    def test_one_late_report_keeps_no_old_ones_waiting(self) -> None:
        """A message is forgotten when all that waits for it is old, not when the last report of it was."""
        windows = SubjectWindows()
        record(windows, event(Kind.DEFERRED, hours=100))
        record(windows, event(Kind.DEFERRED, hours=0))
        windows.sweep(HOUR + BINDING_HOURS + 50, HORIZON, YEAR_S)
        assert windows.unbound == 2
        windows.sweep(HOUR + BINDING_HOURS + 101, HORIZON, YEAR_S)
        assert windows.unbound == 0

    def test_domains_and_networks_are_new_again_after_a_month_swept_or_not(self) -> None:
        for quiet, new in [(CONTACT_HOURS, 0), (CONTACT_HOURS + 1, 1), (CONTACT_HOURS + 500, 1)]:
            for sweep in (False, True):
                windows = windows_of(event(Kind.ACCEPTED, recipient_domain="x.example", client="c" * 32))
                if sweep:
                    windows.sweep(HOUR + quiet, HORIZON, YEAR_S)
                record(windows, event(Kind.ACCEPTED, 2, quiet, recipient_domain="x.example", client="c" * 32))
                for seen in (windows.new_domains, windows.new_clients):
                    assert seen.count(HOUR + quiet, HOUR + quiet + 1) == new
                    assert seen.count(HOUR, HOUR + 1) == (0 if sweep and new else 1 - new)

    def test_domains_of_recipients_stay_known_where_recipients_are_too_many(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else two traps at one domain would pass for two domains after the next sweep."""
        for target in (counters, module):
            monkeypatch.setattr(target, "EXACT_MAX", 10)
        windows = windows_of(*(event(Kind.ACCEPTED, n, recipient_domain=f"d{n}.example") for n in range(12)))
        windows.sweep(HOUR + 24, HORIZON, YEAR_S)
        assert (windows.addressed.exact, len(windows.domain_of)) == (False, 10)
        windows.sweep(HOUR + 2_000, HORIZON, YEAR_S)
        assert (windows.addressed.exact, windows.domain_of) == (True, {})


def test_nothing_hangs_on_recipients_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "EXACT_MAX", 20)
    windows = windows_of(*(item for hours in (0, 5) for n in range(20) for item in message(n, hours)))
    assert windows.first_delivered == {person(n): HOUR for n in range(20)}
    for item in message(20):
        record(windows, item)
    assert (windows.delivered.exact, windows.first_delivered) == (False, {})
    assert windows.delivered.count(HOUR) == pytest.approx(21, abs=2)


def told(random: Random, days: int) -> list[tuple[int, list[SendEvent]]]:
    """Mail of a busy and forgetful member: hour of the record, and events of the week before it, in order of time."""
    records, number = list[tuple[int, list[SendEvent]]](), 0
    for now in range(0, days * 24, 7):
        events = list[SendEvent]()
        for _ in range(random.randrange(3)):
            number += 1
            at, who = now - random.choice([0, 0, 1, 30, 160]), random.randrange(random.choice([10, 300]))
            about: dict[str, Any] = {
                **{"message_id": f"m{number}", "recipient": person(who), "recipient_domain": f"d{who % 70}.example"},
                **{
                    "provider": f"p{who % 3}.example",
                    "client": f"{who % 40:032x}",
                    "from_domain": f"f{who % 5}.example",
                },
                **{"domain": f"s{who % 2}.example", "recipient_exact": f"{random.randrange(2):032x}"},
            }
            category = random.choice([None, None, "mfa-otp"])
            events.append(event(Kind.ACCEPTED, number, at, **about, category=category))
            for kind in random.sample(list(OUTCOMES), random.randrange(3)):
                events.append(event(kind, number, min(now, at + 1), **about, status=random.choice(OUTCOMES[kind])))
        records.append((now, sorted(events, key=lambda item: (item.at, item.id))))
    return records


OUTCOMES: dict[Kind, list[str | None]] = {
    Kind.DELIVERED: ["2.0.0"],
    Kind.BOUNCED: ["5.1.1", "5.7.1", "4.0.0"],
    Kind.COMPLAINED: [None],
    Kind.UNSUBSCRIBED: [None],
    Kind.TRAP_HIT: [None],
}


def seen_from(windows: SubjectWindows, now: int) -> dict[str, list[float]]:
    """Everything a rule may ask at `now`, in every window up to a month."""
    dead, auth, evasion = windows.dead, windows.auth_mail, windows.suppression
    names = ("addressed", "recipient_domains", "delivered", "reached", "invalid", "complained", "blocked", "traps")
    kept: dict[str, Any] = {name: getattr(windows, name) for name in (*names, "from_domains", "clients")}
    kept |= {"accepted": windows.volume.accepted}
    kept |= {f"dead {name}": getattr(dead, name) for name in ("sends", "recipients") if dead}
    kept |= {f"auth {name}": getattr(auth, name) for name in ("tagged", "strangers", "repeats", "pestered") if auth}
    kept |= {"evasions": evasion.evaded} if evasion else {}
    for place in (windows.by_provider, windows.by_domain):
        kept |= {f"{name} {part}": getattr(there, part) for name, there in place.items() for part in there.__slots__}
    sinces = [now - hours for hours in (0, 1, 2, 24, 100, 168, 500, 720)]
    answer: dict[str, list[float]] = {
        name: [float(window.count(since)) for since in sinces] for name, window in kept.items() if window is not None
    }
    answer = {name: numbers for name, numbers in answer.items() if any(numbers)}
    answer["first contacts"] = [windows.first_contacts(since) for since in sinces]
    answer["minutes"] = [windows.volume.minutes.count(now * 60 - 60), windows.volume.attempts(now)]
    answer["baseline"] = list(windows.volume.baseline(now))
    for name, new in (("domains", windows.new_domains), ("networks", windows.new_clients)):
        answer[f"new {name}"] = [new.count(since, now + 1) for since in sinces] + [new.usual(now - 672, now, 24)]
    root = windows.ledger.root(now - 720, now)
    return answer | {"events": [root.events, float(int(root.digest[:12], 16))]}


@pytest.mark.parametrize("seed", range(6))
def test_a_member_swept_every_day_counts_like_one_never_swept(seed: int) -> None:
    swept, kept = SubjectWindows(), SubjectWindows()
    for now, events in told(Random(seed), 150):
        known = circumstances(oldest=binding_floor(HOUR + now), grace_s=3600, now_s=NOON_S + now * 3600)
        for windows in (swept, kept):
            for item in events:
                record(windows, item, known)
            windows.ledger.seal(known.relay)
        assert seen_from(swept, HOUR + now) == seen_from(kept, HOUR + now)
        if HOUR + now >= swept.swept_hour + 24:
            swept.sweep(HOUR + now, HORIZON, YEAR_S)
            assert seen_from(swept, HOUR + now) == seen_from(kept, HOUR + now)
    assert held(swept) < held(kept)


def held(thing: object) -> int:
    """How many things are kept in it, and in what is in it."""
    if isinstance(thing, dict):
        return len(thing) + sum(held(value) for value in thing.values())
    if isinstance(thing, list | tuple) and not isinstance(thing, SendEvent):
        return len(thing) + sum(held(value) for value in thing)
    slots = getattr(type(thing), "__slots__", ()) if type(thing).__module__.startswith("labeler.") else ()
    return sum(held(getattr(thing, name)) for name in slots if not isinstance(thing, SendEvent))


def flood(windows: SubjectWindows, first: int, last: int) -> None:
    """Everything a member can do, each time to and from somebody else; a minute apart, half of it never accepted."""
    known = circumstances(auto_ask=True)
    for number in range(first, last):
        name = f"{number}.example"
        about = {"recipient_domain": name, "from_domain": name, "provider": name, "client": person(number)}
        if number % 2:
            category = "mfa-otp" if number % 4 == 1 else None
            record(windows, event(Kind.ACCEPTED, number, number / 60, **about, domain=name, category=category), known)
        for kind, status in [("delivered", None), ("bounced", "5.1.1"), ("bounced", "5.7.1"), ("complained", None)]:
            record(windows, event(kind, number, number / 60, **about, status=status), known)
        for kind in ("trapHit", "unsubscribed", "headerStripped", "abuseReported", f"made up {number}"):
            record(windows, event(kind, number, number / 60, **about), known)
        if number % 100 == 0:
            windows.ledger.seal(known.relay)


def test_a_flood_of_everything_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With small bounds: four times the flood leaves not more than once did, but for hours and a sketch's ranks."""
    for target in (counters, module, dead_addresses):
        monkeypatch.setattr(target, "EXACT_MAX", 60)
    for target, name in [(module, "BINDING_MAX"), (module, "STASH_MAX"), (auth_mail, "_RECENT_MAX")]:
        monkeypatch.setattr(target, name, 50)
    monkeypatch.setattr(module, "DOMAINS_MAX", 5)
    monkeypatch.setattr(suppression, "UNSUBSCRIBED_MAX", 50)
    monkeypatch.setattr(reports, "REPORTS_MAX", 50)
    windows = SubjectWindows()
    flood(windows, 0, 1_000)
    assert 25 <= len(windows.acceptances) <= len(windows.stash) == 50
    assert windows.kinds.keys() <= {*map(str, Kind), "other"}
    once = held(windows)
    flood(windows, 1_000, 4_000)
    hours = len(windows.volume.accepted.buckets) + len(windows.ledger.hours)
    assert not any(
        seen.exact
        for seen in (windows.addressed, windows.recipient_domains, windows.delivered, windows.reached, windows.clients)
    )
    assert held(windows) < 2 * once + 40 * hours
    windows.sweep(HOUR + 5_000, HORIZON, YEAR_S)
    assert held(windows) < once, "and time heals"


def test_more_acceptances_than_can_wait_let_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BINDING_MAX", 10)
    windows = windows_of(*(event(Kind.ACCEPTED, n) for n in range(11)))
    assert len(windows.acceptances) == 6
    for number, unbound in [(10, 0), (5, 0), (4, 1), (0, 2)]:
        record(windows, event(Kind.BOUNCED, number, status="5.1.1"))
        assert windows.unbound == unbound
    assert windows.invalid.count(HOUR) == 2
