"""Counts of one subject in event time, in buckets aligned to the epoch.

Rule 1: an outcome is counted in the hour its message was *accepted*: a late DSN never makes a rate above 100 %.
Rule 2: an outcome that binds to no acceptance is stashed and counted as unbound; it judges nobody.
Rule 3: recording commutes, as long as a relay reports one acceptance for a message and recipient; of several, the
latest one known so far binds. What asks for knowledge (mail to the dead, to strangers, to those who left) goes by what
was known when a message was taken in; within a record of the log events count in the order they happened.
Rule 4: memory is bounded, whatever is reported.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from labeler.reputation.auth_mail import AuthMailWindows
from labeler.reputation.counters import EXACT_MAX, QUIET, CountWindow, DistinctWindow, FirstSeen, halve
from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.domains import registrable
from labeler.reputation.events import AUTH_MAIL, OUTCOMES, Kind, SendEvent
from labeler.reputation.ledger import EventLedger
from labeler.reputation.outcomes import Classifier, Fault
from labeler.reputation.places import DomainWindows, ProviderWindows
from labeler.reputation.pool import Pool
from labeler.reputation.reports import AbuseReports
from labeler.reputation.suppression import SuppressionWindows
from labeler.reputation.volume import HOUR_S, VolumeWindows

BINDING_HOURS: Final = 9 * 24  # an outcome may be 7 days late, and asynchronous bounces take days of their own
CONTACT_HOURS: Final = QUIET  # who was reached in the month before is no first contact
BINDING_MAX: Final = 262_144  # acceptances a subject may have waiting for outcomes; the older half is let go beyond
STASH_MAX: Final = 10_000  # messages per subject whose outcomes wait for an acceptance …
STASH_DEPTH: Final = 16  # … and outcomes kept for each
DOMAINS_MAX: Final = 256  # sending domains, and providers, told apart for one subject
_KNOWN_KINDS: Final = frozenset(Kind)
_ACCEPTED, _DELIVERED = Kind.ACCEPTED.value, Kind.DELIVERED.value  # looked up once, not once an event
_BOUND: Final = OUTCOMES | {Kind.TRAP_HIT}


class Circumstances(NamedTuple):
    """What recording needs to know besides the event. Outcomes of mail before the hour `oldest` bind no more.

    `now_s` is when the record was received: a member asked by itself is asked then, however old the report is.
    `sharers` are the suppression lists of other members with the same sending domain, by domain.
    """

    relay: str
    oldest: int
    classifier: Classifier
    pool: Pool
    grace_s: int = 0
    auto_ask: bool = False
    sharers: dict[str, list[SuppressionWindows]] = {}  # noqa: RUF012 - never written to
    now_s: int = 0


class SubjectWindows:
    """Everything counted about one DID. Buckets are hours since the epoch.

    `reached` holds recipients whose existence is known by now (delivered or invalid), `invalid` those that do not
    exist, `addressed` all recipients of accepted mail, `first_delivered` the hour each recipient was first reached in,
    if it was again. `reaches` counts deliveries, `unbindable` outcomes that name no message, or for which the stash had
    no room. What most members never need is None until then; from then on they are `rare`. `stirred`: not only was mail
    taken and delivered since the reset.
    """

    __slots__ = (
        "acceptances", "addressed", "auth_mail", "blocked", "by_domain", "by_provider", "clients", "complained",
        "dead", "delivered", "domain_of", "first_delivered", "from_domains", "invalid", "kinds", "last_from", "ledger",
        "new_clients", "new_domains", "newest_hour", "rare", "reached", "reaches", "recipient_domains", "reports",
        "stash", "stirred", "suppression", "swept_hour", "traps", "unbindable", "volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.volume = VolumeWindows()
        self.acceptances: dict[str, int] = {}
        self.addressed = DistinctWindow()
        self.recipient_domains = DistinctWindow()
        self.new_domains = FirstSeen()
        self.domain_of: dict[str, str] = {}
        self.delivered = DistinctWindow()
        self.reached = DistinctWindow()
        self.invalid = DistinctWindow()
        self.complained = DistinctWindow()
        self.blocked = CountWindow()
        self.first_delivered: dict[str, int] = {}
        self.from_domains = DistinctWindow()
        self.clients = DistinctWindow()
        self.new_clients = FirstSeen()
        self.traps: DistinctWindow | None = None
        self.dead: DeadAddresses | None = None
        self.auth_mail: AuthMailWindows | None = None
        self.suppression: SuppressionWindows | None = None
        self.reports: AbuseReports | None = None
        self.ledger = EventLedger()
        self.by_domain: dict[str, DomainWindows] = {}
        self.by_provider: dict[str, ProviderWindows] = {}
        self.stash: dict[str, list[SendEvent]] = {}
        self.kinds: dict[str, int] = {}
        self.newest_hour = 0
        self.last_from: tuple[str, int] | None = None  # From domain and hour: what is seen again says nothing new
        self.rare = False
        self.reaches = 0
        self.stirred = True
        self.swept_hour = 0
        self.unbindable = 0

    @property
    def unbound(self) -> int:
        """Outcomes that no acceptance explains so far."""
        return self.unbindable + sum(len(outcomes) for outcomes in self.stash.values())

    def record(self, event: SendEvent, at_s: int, known: Circumstances) -> None:
        """Count one event that happened at `at_s` (seconds since the epoch)."""
        kind, kinds = event.kind, self.kinds
        if kind in kinds:
            kinds[kind] += 1
        else:
            counted = kind if kind in _KNOWN_KINDS else "other"  # the set is open, our memory is not
            kinds[counted] = kinds.get(counted, 0) + 1
        if kind == _ACCEPTED:
            self._accept(event, at_s, known)
        elif kind in _BOUND:
            message_id, recipient = event.message_id, event.recipient
            if message_id is None or recipient is None:
                self.unbindable += 1
                return
            key = f"{known.relay} {message_id} {recipient}"
            hour = self.acceptances.get(key)
            if hour is not None and hour >= known.oldest:
                self._bind(event, recipient, hour, known)
            else:
                self._put_aside(key, event)
        else:
            self._note(event, at_s, known)

    def _note(self, event: SendEvent, at_s: int, known: Circumstances) -> None:
        """Count what is neither an acceptance nor an outcome."""
        kind = event.kind
        self.stirred = True
        if kind == Kind.REJECTED:
            self.volume.refuse(at_s)
        elif kind == Kind.SUPPRESSED and event.recipient is not None:
            self.suppressing().tried(event.recipient, at_s, event, known.grace_s)
        elif kind == Kind.HEADER_STRIPPED and event.category not in AUTH_MAIL:
            self.suppressing().evade(f"header {event.message_id or event.id}", at_s)
        elif kind == Kind.ABUSE_REPORTED:
            asked_s = max(at_s, known.now_s) if known.auto_ask else None
            self.reported().report(event.id, at_s, event.category, asked_s)
        elif kind == Kind.ABUSE_ANSWERED:
            self.reported().answer(at_s)
        self.ledger.counted.append((at_s // HOUR_S, event.id))

    def _put_aside(self, key: str, event: SendEvent) -> None:
        """Keep an outcome until its acceptance is known."""
        waiting = self.stash.get(key)
        if waiting is None and len(self.stash) < STASH_MAX:
            self.stash[key] = [event]
        elif waiting is not None and len(waiting) < STASH_DEPTH:
            waiting.append(event)
        else:
            self.unbindable += 1

    def _accept(self, event: SendEvent, at_s: int, known: Circumstances) -> None:
        hour = at_s // HOUR_S
        self.ledger.counted.append((hour, event.id))
        self.volume.accept(at_s)
        late = hour < self.newest_hour
        if not late:
            self.newest_hour = hour
        self._origin(event, hour, late=late)
        recipient = event.recipient
        if recipient is None:
            return
        self._look_back(event, recipient, at_s, known)
        self._address(event, recipient, hour, late=late)
        if event.message_id is None:
            return
        key = f"{known.relay} {event.message_id} {recipient}"
        if self.acceptances.get(key, -1) < hour:
            self.acceptances[key] = hour
            if len(self.acceptances) > BINDING_MAX:
                self.acceptances = halve(self.acceptances)
        if self.stash:
            for outcome in self.stash.pop(key, ()):
                if outcome.at.timestamp() >= known.oldest * HOUR_S:
                    self._bind(outcome, recipient, hour, known)

    def _origin(self, event: SendEvent, hour: int, *, late: bool) -> None:
        """Count where a message came from: sending domain, From domain, submitting network."""
        if event.domain is not None:
            sending = self.by_domain.get(event.domain) or self._domain(event.domain)
            if sending is not None:
                sending.accepted.add(hour)
        name, client = event.from_domain, event.client
        if name is not None and (name, hour) != self.last_from:
            self.last_from = (name, hour)
            if self.from_domains.record(registrable(name), hour):
                self.stirred = True
        if client is not None:
            if self.clients.record(client, hour):
                self.new_clients.renew(client, hour)
                self.stirred = True
            elif late and self.clients.exact:
                self.new_clients.record(client, hour)
                self.stirred = True

    def _address(self, event: SendEvent, recipient: str, hour: int, *, late: bool) -> None:
        """Count whom a message went to. What is no news to the windows cannot have been seen first now, unless late."""
        new = self.addressed.record(recipient, hour)
        if event.recipient_domain is None:
            return
        domain = registrable(event.recipient_domain)
        if self.recipient_domains.record(domain, hour):
            self.new_domains.renew(domain, hour)
        elif late and self.recipient_domains.exact:
            self.new_domains.record(domain, hour)
        if new and len(self.domain_of) < EXACT_MAX:
            self.domain_of[recipient] = domain

    def _look_back(self, event: SendEvent, recipient: str, at_s: int, known: Circumstances) -> None:
        """Hold a message against what is known of its recipient by now: dead, a stranger, somebody who left."""
        hour = at_s // HOUR_S
        if self.dead is not None and recipient in self.dead.known and self.dead.sent(recipient, at_s):
            self.rare = self.stirred = True
        if event.category in AUTH_MAIL:
            reached = self.delivered.last.get(recipient)
            stranger = self.delivered.exact and (reached is None or reached < hour - CONTACT_HOURS)
            self.auth_mail = self.auth_mail or AuthMailWindows()
            self.rare = self.stirred = True
            self.auth_mail.accept(str(event.category), recipient, hour, stranger=stranger)
        elif self.suppression is not None and self.suppression.tried(recipient, at_s, event, known.grace_s):
            self.stirred = True
        if known.sharers and event.domain is not None:
            for other in known.sharers.get(event.domain.lower(), ()):
                if other is not self.suppression:
                    self.suppressing().tried_elsewhere(recipient, at_s, event, known.grace_s, other)

    def _bind(self, event: SendEvent, recipient: str, hour: int, known: Circumstances) -> None:
        """Count a bound outcome in the hour of its acceptance."""
        self.ledger.counted.append((hour, event.id))
        settle = self._reach if event.kind == _DELIVERED else self._settle
        settle(event, recipient, hour, known)

    def _settle(self, event: SendEvent, recipient: str, hour: int, known: Circumstances) -> None:
        """Count a bound outcome, other than a delivery, in the hour of its acceptance."""
        kind = event.kind
        self.stirred = True
        if kind == Kind.BOUNCED:
            provider = self._answered(event, hour, known)
            self._bounce(event, recipient, hour, known, provider)
        elif kind == Kind.COMPLAINED:
            self.complained.record(recipient, hour)
        elif kind == Kind.UNSUBSCRIBED:
            self.suppressing().unsubscribe(recipient, int(event.at.timestamp()), event)
        elif kind == Kind.TRAP_HIT:
            self.traps = self.traps or DistinctWindow()
            self.rare = True
            self.traps.record(recipient, hour)

    def _reach(self, event: SendEvent, recipient: str, hour: int, known: Circumstances) -> None:
        self._answered(event, hour, known)
        delivered = self.delivered
        self.reaches += 1
        latest = delivered.last.get(recipient)
        if latest is not None and latest != hour:
            self._again(recipient, hour, latest)
        if latest != hour:
            delivered.record(recipient, hour)
            if not delivered.exact and self.first_delivered:
                self.first_delivered = {}
        self.reached.record(recipient, hour)
        if self.dead is not None and recipient in self.dead.known:
            self.dead.revive(recipient, int(event.at.timestamp()))

    def _again(self, recipient: str, hour: int, latest: int) -> None:
        """Keep the hour a recipient was first reached in, where that is not the latest; anew after a month."""
        first = self.first_delivered.get(recipient, latest)
        if hour > latest + CONTACT_HOURS:
            self.first_delivered.pop(recipient, None)
        else:
            self.first_delivered[recipient] = min(first, hour)

    def _bounce(
        self, event: SendEvent, recipient: str, hour: int, known: Circumstances, provider: ProviderWindows | None
    ) -> None:
        fault = known.classifier.fault(event.status)
        name = event.provider
        if fault is Fault.INVALID_RECIPIENT:
            self.reached.record(recipient, hour)
            self.invalid.record(recipient, hour)
            self.dead = self.dead or DeadAddresses()
            self.dead.die(recipient, int(event.at.timestamp()))
            if event.domain is not None and (sending := self._domain(event.domain)) is not None:
                sending.invalid.add(hour)
            if provider is not None and name is not None:
                provider.invalid = provider.invalid or DistinctWindow()
                provider.invalid.record(recipient, hour)
                known.pool.fail(name, event.did, hour)
        elif fault is Fault.POLICY_BLOCK and provider is not None and name is not None:
            provider.blocked = provider.blocked or DistinctWindow()
            earlier = provider.blocked.last.get(recipient)
            if earlier is None or earlier < hour:  # the pool counts a recipient in the hour its members count it in
                provider.blocked.record(recipient, hour)
                self.blocked.move(hour, earlier)
                self.rare = True
                known.pool.block(name, hour, earlier)

    def _answered(self, event: SendEvent, hour: int, known: Circumstances) -> ProviderWindows | None:
        """Count a final outcome at its provider, where one is named and there is room for it."""
        name = event.provider
        if name is None:
            return None
        provider = self.by_provider.get(name)
        if provider is None:
            if len(self.by_provider) >= DOMAINS_MAX:
                return None
            provider = self.by_provider[name] = ProviderWindows()
        provider.answered.add(hour)
        known.pool.answer(name, event.did, hour)
        return provider

    def first_contacts(self, since: int) -> int:
        """Recipients addressed in a bucket ≥ `since` that were not reached in the month before it.

        Never more than there are: where the recipients are too many to be known, all that were reached count as known.
        """
        if not (self.addressed.exact and self.delivered.exact):
            return max(0, self.addressed.count(since) - self.delivered.size)
        first, delivered, forgotten = self.first_delivered, self.delivered.last, since - CONTACT_HOURS
        return sum(
            latest is None or latest < forgotten or first.get(recipient, latest) >= since
            for recipient, latest in ((item, delivered.get(item)) for item in self.addressed.items(since))
        )

    def sweep(self, hour: int, horizon_hours: int, memory_s: int) -> None:
        """Forget what no window can see any more. Changes no count; due once `hour` ≥ `swept_hour` + 24."""
        self.swept_hour, self.stirred, self.last_from = hour, True, None
        floor, oldest = hour - max(horizon_hours, CONTACT_HOURS), binding_floor(hour)
        self.volume.expire(hour, floor)
        if any(bound < oldest for bound in self.acceptances.values()):
            self.acceptances = {key: bound for key, bound in self.acceptances.items() if bound >= oldest}
        self.delivered.expire(floor - CONTACT_HOURS)  # a month before anything that may still be recorded or asked
        for new, seen in ((self.new_domains, self.recipient_domains), (self.new_clients, self.clients)):
            seen.expire(floor - BINDING_HOURS)  # a late event must find what was seen in the month before it
            new.keep(seen, floor - BINDING_HOURS)
        for window in self._windows():
            window.expire(floor)
        for rare in (self.auth_mail, self.dead, self.traps):
            if rare is not None:
                rare.expire(floor)
        if self.suppression is not None:
            self.suppression.expire(floor, hour * HOUR_S - memory_s)
        self._forget(floor, oldest)

    def _forget(self, floor: int, oldest: int) -> None:
        """Let go of what hangs on forgotten items."""
        reached, addressed = self.delivered.last, self.addressed.last
        if any(item not in reached for item in self.first_delivered):
            self.first_delivered = {item: first for item, first in self.first_delivered.items() if item in reached}
        if self.addressed.exact and len(addressed) < len(self.domain_of):
            self.domain_of = {item: domain for item, domain in self.domain_of.items() if item in addressed}
        if self.stash:
            self.stash = {
                key: events
                for key, events in self.stash.items()
                if any(event.at.timestamp() >= oldest * HOUR_S for event in events)
            }
        self.by_domain = {name: domain for name, domain in self.by_domain.items() if domain.accepted.total}
        self.by_provider = {name: provider for name, provider in self.by_provider.items() if provider.answered.total}

    def _windows(self) -> Iterable[DistinctWindow | CountWindow | EventLedger]:
        yield from (self.addressed, self.reached, self.invalid, self.complained, self.blocked, self.from_domains)
        yield self.ledger
        for domain in self.by_domain.values():
            yield from (domain.accepted, domain.invalid)
        for provider in self.by_provider.values():
            yield from (window for window in (provider.answered, provider.blocked, provider.invalid) if window)

    def suppressing(self) -> SuppressionWindows:
        """The suppression list, from now on there."""
        self.suppression = self.suppression or SuppressionWindows()
        self.rare = self.stirred = True
        return self.suppression

    def reported(self) -> AbuseReports:
        """The abuse reports, from now on there."""
        self.reports = self.reports or AbuseReports()
        self.rare = self.stirred = True
        return self.reports

    def _domain(self, name: str) -> DomainWindows | None:
        windows = self.by_domain.get(name)
        if windows is None and len(self.by_domain) < DOMAINS_MAX:
            windows = self.by_domain[name] = DomainWindows()
        return windows


def binding_floor(hour: int) -> int:
    """The oldest hour whose acceptances an outcome may still bind to, at `hour`."""
    return hour - BINDING_HOURS
