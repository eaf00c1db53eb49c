"""From labels to an SMTP reply. PURE: the time is an argument, and nothing is ever raised into the mail path.

Rule 1: removed and suspended are refused for good, even while the labels are stale. Rule 2: throttled is deferred
when its hour is used up; mail somebody is waiting for (login links and the like) has a small hour of its own. Rule 3:
everything else flows: unknown labels, stale labels, our own errors, and whoever the relay's operator put on the
allow-list.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from labeler.reputation.events import AUTH_MAIL
from relay_hooks.cache import LabelCache
from relay_hooks.throttle import HourlyBuckets

THROTTLED: Final = "mail-throttled"
SUSPENDED: Final = "mail-suspended"
REMOVED: Final = "mail-removed"

DEFAULT_HOURLY_CAP: Final = 20
DEFAULT_AUTH_HOURLY_CAP: Final = 20

_MEMBER_PAGE: Final = "/member/{did}"
_LONGEST_REPLY: Final = 510  # RFC 5321 §4.5.3.1.5: 512 octets with CRLF


@dataclass(frozen=True, slots=True)
class Accept:
    """Let it pass. `reason` is for logs and counters."""

    reason: str = field(default="unrestricted", compare=False)


@dataclass(frozen=True, slots=True)
class Defer:
    """Answer with `reply`, a 451: the same mail may pass later."""

    reply: str
    reason: str = field(default="throttled", compare=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """Answer with `reply`, a 550: this mail will not pass."""

    reply: str
    reason: str = field(default="suspended", compare=False)


Verdict = Accept | Defer | Reject


@dataclass(slots=True)
class Transaction:
    """One SMTP mail transaction of `did`: how many recipients were charged to which hour, so far."""

    did: str
    domain: str | None = None
    ordinary: int = 0
    auth: int = 0


class Enforcer:
    """What the labels mean for a sender.

    `standing_url` is the labeler's origin, or a URL of your own with `{did}` in it; it ends every refusal.
    `hourly_cap`: recipients an hour for a throttled DID, `auth_hourly_cap` the same for its authentication mail.
    `allow`: DIDs and sending domains the relay's operator lets pass whatever the labels say. `stale`: tells whether
    the labels may be out of date (`LabelSubscriber.is_stale`). `domain_owners`: all DIDs that ever enrolled a domain,
    so that a removed member does not come back with the same domain under another DID.
    """

    def __init__(
        self,
        cache: LabelCache,
        *,
        standing_url: str,
        hourly_cap: int = DEFAULT_HOURLY_CAP,
        auth_hourly_cap: int = DEFAULT_AUTH_HOURLY_CAP,
        allow: Iterable[str] = (),
        stale: Callable[[], bool] = lambda: False,
        domain_owners: Callable[[str], Iterable[str]] = lambda _: (),
    ) -> None:
        self._cache = cache
        self._standing_url = standing_url if "{did}" in standing_url else standing_url.rstrip("/") + _MEMBER_PAGE
        self.hourly_cap = hourly_cap
        self.auth_hourly_cap = auth_hourly_cap
        self.allow = frozenset(allow)
        self._stale = stale
        self._domain_owners = domain_owners
        self._buckets = HourlyBuckets()
        self.decisions: Counter[str] = Counter()
        """How often each verdict was given, by kind and reason, such as `defer throttled`."""

    def check(
        self, did: str, recipients: Sequence[str], category: str, now: datetime, *, domain: str | None = None
    ) -> Verdict:
        """Judge a message of `did` to all of `recipients` at `now` (aware) and, if it passes, count them.

        Never raises: an error of ours is `Accept` and a counter.
        """
        return self._counted(lambda: self._check(did, len(recipients), category, now, domain))

    def check_recipient(self, transaction: Transaction, now: datetime) -> Verdict:
        """Judge one more recipient at RCPT, where the category is not known yet; never raises.

        It is charged to the ordinary hour. When that is used up, the transaction may begin on the authentication
        hour; should the message turn out to be ordinary mail, `check_message` defers it as a whole.
        """
        return self._counted(lambda: self._check_recipient(transaction, now))

    def check_message(self, transaction: Transaction, category: str, now: datetime) -> Verdict:
        """Judge the message whose recipients were accepted, and end the transaction; never raises."""
        return self._counted(lambda: self._check_message(transaction, category, now))

    def cancel(self, transaction: Transaction, now: datetime) -> None:
        """Give back what was charged: the message never came."""
        self._give_back(transaction.did, transaction.ordinary, now, auth=False)
        self._give_back(transaction.did, transaction.auth, now, auth=True)
        transaction.ordinary = transaction.auth = 0

    def _check(self, did: str, count: int, category: str, now: datetime, domain: str | None) -> Verdict:
        verdict = self._without_throttle(did, domain, now)
        if verdict is not None:
            return verdict
        auth = category in AUTH_MAIL
        if self._take(did, count, now, auth=auth):
            return Accept("auth mail" if auth else "within cap")
        return self._deferral(did, count, now, auth=auth)

    def _check_recipient(self, transaction: Transaction, now: datetime) -> Verdict:
        did = transaction.did
        verdict = self._without_throttle(did, transaction.domain, now)
        if verdict is not None:
            return verdict
        if not transaction.auth and self._take(did, 1, now, auth=False):
            transaction.ordinary += 1
            return Accept("within cap")
        # Not after ordinary recipients: one message cannot be accepted for some of them and deferred for the others.
        if not transaction.ordinary and self._take(did, 1, now, auth=True):
            transaction.auth += 1
            return Accept("may be auth mail")
        return self._deferral(did, 1, now, auth=False)

    def _check_message(self, transaction: Transaction, category: str, now: datetime) -> Verdict:
        did, auth = transaction.did, category in AUTH_MAIL
        verdict = self._without_throttle(did, transaction.domain, now)
        if isinstance(verdict, Defer | Reject):  # labelled between RCPT and DATA
            self.cancel(transaction, now)
            return verdict
        if not auth and transaction.auth and verdict is None:
            count = transaction.auth
            self.cancel(transaction, now)
            return self._deferral(did, count, now, auth=False)
        if auth and transaction.ordinary and self._take(did, transaction.ordinary, now, auth=True):
            self._give_back(did, transaction.ordinary, now, auth=False)
        transaction.ordinary = transaction.auth = 0
        return verdict or Accept("auth mail" if auth else "within cap")

    def _without_throttle(self, did: str, domain: str | None, now: datetime) -> Verdict | None:
        """Judge all but the throttle; None when the throttle decides."""
        if did in self.allow or (domain is not None and domain in self.allow):
            return Accept("allowed")
        active = self._cache.active(did, now)
        if REMOVED in active:
            return Reject(self._reply("550 5.7.1 This account was removed from this relay", did), "removed")
        if domain is not None:
            for owner in self._domain_owners(domain):
                if REMOVED in self._cache.active(owner, now):
                    text = "550 5.7.1 This sending domain was removed from this relay"
                    return Reject(self._reply(text, owner), "domain removed")
        if SUSPENDED in active:
            return Reject(self._reply("550 5.7.1 Mail from this account is suspended", did), "suspended")
        if THROTTLED not in active:
            return Accept()
        return Accept("stale") if self._stale() else None

    def _take(self, did: str, count: int, now: datetime, *, auth: bool) -> bool:
        return self._buckets.take(_bucket(did, auth=auth), count, self._cap(auth=auth), now)

    def _give_back(self, did: str, count: int, now: datetime, *, auth: bool) -> None:
        self._buckets.give_back(_bucket(did, auth=auth), count, self._cap(auth=auth), now)

    def _cap(self, *, auth: bool) -> int:
        return self.auth_hourly_cap if auth else self.hourly_cap

    def _deferral(self, did: str, count: int, now: datetime, *, auth: bool) -> Defer:
        cap = self._cap(auth=auth)
        minutes = int(self._buckets.wait_s(_bucket(did, auth=auth), count, cap, now) // 60) + 1
        text = f"451 4.7.1 Mail from this account is limited to {cap} recipients an hour, try again in {minutes} min"
        return Defer(self._reply(text, did), "auth cap" if auth else "throttled")

    def _reply(self, text: str, did: str) -> str:
        # The one letter of a DID that means something else in a URL; more than a DID never gets here unlabelled.
        url = self._standing_url.replace("{did}", did.replace("%", "%25"))
        reply = f"{text}, see {url}"
        if len(reply) > _LONGEST_REPLY:  # DIDs may have 2 048 characters
            reply = f"{text}, see {self._standing_url.partition('{did}')[0]}"
        return reply[:_LONGEST_REPLY]

    def _counted(self, judge: Callable[[], Verdict]) -> Verdict:
        try:
            verdict = judge()
        except Exception:  # noqa: BLE001 - invariant: an error of ours never stops mail
            verdict = Accept("error")
        self.decisions[f"{type(verdict).__name__.lower()} {verdict.reason}"] += 1
        return verdict


def _bucket(did: str, *, auth: bool) -> str:
    return f"auth {did}" if auth else did
