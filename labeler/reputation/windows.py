"""Counts of one subject in event time, exact, in buckets aligned to the epoch.

Rule 1: an outcome is counted in the hour its message was *accepted*: a late DSN never makes a rate above 100 %.
Rule 2: an outcome that binds to no acceptance is stashed and counted as unbound; it judges nobody.
Rule 3: recording commutes. Any order of the same events leaves the same windows, as long as a relay reports one
acceptance for a message and recipient, as it should; of several, the latest one known so far binds.

One idea carries the distinct counts: remember for each item the *latest* bucket it was seen in, and how many items
each bucket is the latest of. An item lies in a window exactly when its latest bucket does, so the distinct count of
any window is a sum over buckets.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from labeler.reputation.events import OUTCOMES, Kind, SendEvent

HOUR_S: Final = 3600
MINUTE_S: Final = 60
BINDING_HOURS: Final = 9 * 24  # an outcome may be 7 days late, and asynchronous bounces take days of their own
CONTACT_HOURS: Final = 30 * 24  # who was reached in the month before is no first contact
_MINUTES_SEEN: Final = 66  # the last hour, seen from a clock up to five minutes behind the newest event
_MINUTES_KEPT: Final = 2 * _MINUTES_SEEN
_KNOWN_KINDS: Final = frozenset(Kind)
STASH_MAX: Final = 10_000  # messages per subject whose outcomes wait for an acceptance …
STASH_DEPTH: Final = 16  # … and outcomes kept for each


class DistinctWindow:
    """Distinct items over any window up to the horizon. `record` is O(1); so is `count`, until the window moves on."""

    __slots__ = ("_since", "_total", "alive", "last")

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.alive: dict[int, int] = {}
        self._since = 0  # the window last asked for, and its count, kept up to date by `record`
        self._total = 0

    def record(self, item: str, bucket: int) -> None:
        """See `item` in `bucket`; an older bucket than the one known changes nothing."""
        known = self.last.get(item)
        if known is not None:
            if known >= bucket:
                return
            self.alive[known] -= 1
            if known < self._since <= bucket:
                self._total += 1
        elif bucket >= self._since:
            self._total += 1
        self.last[item] = bucket
        alive = self.alive
        alive[bucket] = alive.get(bucket, 0) + 1

    def count(self, since: int) -> int:
        """How many distinct items were seen in a bucket ≥ `since`."""
        if since != self._since:
            self._since = since
            self._total = sum(number for bucket, number in self.alive.items() if bucket >= since)
        return self._total

    def items(self, since: int) -> Iterator[str]:
        """The distinct items seen in a bucket ≥ `since`, in order of first sight."""
        return (item for item, bucket in self.last.items() if bucket >= since)

    def expire(self, before: int) -> None:
        """Forget items whose latest bucket is < `before`."""
        if any(bucket < before for bucket in self.alive):
            self.last = {item: bucket for item, bucket in self.last.items() if bucket >= before}
            self.alive = {bucket: number for bucket, number in self.alive.items() if bucket >= before}
            self._since, self._total = 0, len(self.last)


class CountWindow:
    """How many, over any window up to the horizon. `total` counts everything not yet expired."""

    __slots__ = ("_inside", "_since", "buckets", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.total = 0
        self._since = 0  # the window last asked for, and its count, kept up to date by `add`
        self._inside = 0

    def add(self, bucket: int) -> None:
        """Count one in `bucket`."""
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.total += 1
        if bucket >= self._since:
            self._inside += 1

    def count(self, since: int) -> int:
        """How many in buckets ≥ `since`."""
        if since != self._since:
            self._since = since
            self._inside = sum(number for bucket, number in self.buckets.items() if bucket >= since)
        return self._inside

    def expire(self, before: int) -> None:
        """Forget buckets < `before`."""
        if any(bucket < before for bucket in self.buckets):
            self.buckets = {bucket: number for bucket, number in self.buckets.items() if bucket >= before}
            self.total = sum(self.buckets.values())
            self._since, self._inside = 0, self.total


class DomainWindows:
    """What one enrolled sending domain of a subject did: says which domain to look at, judges nobody."""

    __slots__ = ("accepted", "invalid")

    def __init__(self) -> None:
        self.accepted = CountWindow()
        self.invalid = CountWindow()


class SubjectWindows:
    """Everything counted about one DID. Buckets are hours since the epoch, `minutes` minutes.

    `reached` holds recipients whose existence is known by now (delivered or invalid), `invalid` those that do not
    exist, `addressed` all recipients of accepted mail, `first_delivered` the hour each recipient was first reached.
    `unbindable` counts outcomes that name no message, or for which the stash had no room.
    """

    __slots__ = (
        "acceptances",
        "accepted",
        "addressed",
        "by_domain",
        "complained",
        "delivered",
        "first_delivered",
        "invalid",
        "kinds",
        "minutes",
        "reached",
        "recipient_domains",
        "stash",
        "swept_hour",
        "unbindable",
    )

    def __init__(self) -> None:
        self.minutes = CountWindow()
        self.accepted = CountWindow()
        self.acceptances = DistinctWindow()
        self.addressed = DistinctWindow()
        self.recipient_domains = DistinctWindow()
        self.delivered = DistinctWindow()
        self.reached = DistinctWindow()
        self.invalid = DistinctWindow()
        self.complained = DistinctWindow()
        self.first_delivered: dict[str, int] = {}
        self.by_domain: dict[str, DomainWindows] = {}
        self.stash: dict[str, list[SendEvent]] = {}
        self.kinds: dict[str, int] = {}
        self.swept_hour = 0
        self.unbindable = 0

    @property
    def unbound(self) -> int:
        """Outcomes that no acceptance explains so far."""
        return self.unbindable + sum(len(outcomes) for outcomes in self.stash.values())

    def record(self, relay: str, event: SendEvent, at_s: int, oldest: int, invalid_codes: frozenset[str]) -> None:
        """Count one event that happened at `at_s` (seconds since the epoch), reported by `relay`.

        What lies before the hour `oldest` (`binding_floor`) binds no more, whether it has been swept already or not.
        """
        kind = event.kind
        counted = kind if kind in _KNOWN_KINDS else "other"  # the set is open, our memory is not
        self.kinds[counted] = self.kinds.get(counted, 0) + 1
        if kind == Kind.ACCEPTED:
            self._accept(relay, event, at_s, oldest, invalid_codes)
        elif kind in OUTCOMES:
            if event.message_id is None or event.recipient is None:
                self.unbindable += 1
                return
            key = f"{relay} {event.message_id} {event.recipient}"
            hour = self.acceptances.last.get(key)
            if hour is not None and hour >= oldest:
                self._settle(event, event.recipient, hour, invalid_codes)
            else:
                self._put_aside(key, event)

    def _put_aside(self, key: str, event: SendEvent) -> None:
        """Keep an outcome until its acceptance is known."""
        waiting = self.stash.get(key)
        if waiting is None and len(self.stash) < STASH_MAX:
            self.stash[key] = [event]
        elif waiting is not None and len(waiting) < STASH_DEPTH:
            waiting.append(event)
        else:
            self.unbindable += 1

    def _accept(self, relay: str, event: SendEvent, at_s: int, oldest: int, invalid_codes: frozenset[str]) -> None:
        hour = at_s // HOUR_S
        minutes = self.minutes
        minutes.add(at_s // MINUTE_S)
        if len(minutes.buckets) > _MINUTES_KEPT:
            minutes.expire(max(minutes.buckets) - _MINUTES_SEEN)
        self.accepted.add(hour)
        if event.domain is not None:
            self._domain(event.domain).accepted.add(hour)
        recipient = event.recipient
        if recipient is None:
            return
        self.addressed.record(recipient, hour)
        if event.recipient_domain is not None:
            self.recipient_domains.record(event.recipient_domain.lower(), hour)
        if event.message_id is None:
            return
        key = f"{relay} {event.message_id} {recipient}"
        self.acceptances.record(key, hour)
        if self.stash:
            for outcome in self.stash.pop(key, ()):
                if outcome.at.timestamp() >= oldest * HOUR_S:
                    self._settle(outcome, recipient, hour, invalid_codes)

    def _settle(self, event: SendEvent, recipient: str, hour: int, invalid_codes: frozenset[str]) -> None:
        """Count a bound outcome in the hour of its acceptance."""
        kind = event.kind
        if kind == Kind.DELIVERED:
            latest = self.delivered.last.get(recipient)
            if latest is None or hour > latest + CONTACT_HOURS or hour < self.first_delivered[recipient]:
                self.first_delivered[recipient] = hour
            self.delivered.record(recipient, hour)
            self.reached.record(recipient, hour)
        elif kind == Kind.BOUNCED:
            if event.status in invalid_codes:
                self.reached.record(recipient, hour)
                self.invalid.record(recipient, hour)
                if event.domain is not None:
                    self._domain(event.domain).invalid.add(hour)
        elif kind == Kind.COMPLAINED:
            self.complained.record(recipient, hour)

    def first_contacts(self, since: int) -> int:
        """Recipients addressed in a bucket ≥ `since` that were not reached in the month before it."""
        first, latest, forgotten = self.first_delivered, self.delivered.last, since - CONTACT_HOURS
        return sum(
            first.get(recipient, since) >= since or latest[recipient] < forgotten
            for recipient in self.addressed.items(since)
        )

    def sweep(self, hour: int, horizon_hours: int) -> None:
        """Forget what no window can see any more. Changes no count; due once `hour` ≥ `swept_hour` + 24."""
        self.swept_hour = hour
        floor, oldest = hour - horizon_hours, binding_floor(hour, horizon_hours)
        self.minutes.expire((hour - 2) * (HOUR_S // MINUTE_S))
        self.acceptances.expire(oldest)
        self.delivered.expire(oldest - CONTACT_HOURS)  # a month before anything that may still be recorded or asked
        for window in self._windows():
            window.expire(floor)
        for domain in self.by_domain.values():
            domain.accepted.expire(floor)
            domain.invalid.expire(floor)
        kept = self.delivered.last
        if len(kept) < len(self.first_delivered):
            self.first_delivered = {item: first for item, first in self.first_delivered.items() if item in kept}
        if self.stash:
            self.stash = {
                key: events
                for key, events in self.stash.items()
                if any(event.at.timestamp() >= oldest * HOUR_S for event in events)
            }

    def _windows(self) -> Iterable[DistinctWindow | CountWindow]:
        return (
            self.accepted,
            self.addressed,
            self.recipient_domains,
            self.reached,
            self.invalid,
            self.complained,
        )

    def _domain(self, domain: str) -> DomainWindows:
        windows = self.by_domain.get(domain)
        if windows is None:
            windows = self.by_domain[domain] = DomainWindows()
        return windows


def binding_floor(hour: int, horizon_hours: int) -> int:
    """The oldest hour whose acceptances an outcome may still bind to, at `hour`: all a window sees, and nine days."""
    return hour - max(BINDING_HOURS, horizon_hours)
