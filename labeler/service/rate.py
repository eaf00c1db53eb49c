"""How many requests one caller may make: counted in fixed windows, told in headers.

The default limits lie above what one labeler was measured to serve, so nobody honest meets them; an operator lowers
them when somebody must be slowed down. What is counted is bounded: the relays of the configuration, and so many
addresses and accounts a window; those that come after share one count.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from aiohttp import web

from labeler.moderation.reasons import APPEAL, REASONS
from labeler.ports import Clock
from labeler.service.access import Caller, Relay
from labeler.service.address import Network, client_address

MAX_ADDRESSES: Final = 10_000  # counted one by one in a window
MAX_ACCOUNTS: Final = 100_000  # likewise; whoever likes makes DIDs, and an address has but so many reports
OTHERS: Final = "others"


class RateLimits(NamedTuple):
    """Requests that one relay and one address may make in a window of `seconds`."""

    relay: int = 1_200_000
    address: int = 1_200_000
    seconds: int = 60


class Budget(NamedTuple):
    """What is left of a limit after a request was counted; `reset` is when the window ends."""

    limit: int
    used: int
    seconds: int
    reset: datetime
    now: datetime

    @property
    def spent(self) -> bool:
        """Whether this request was one too many."""
        return self.used > self.limit

    def headers(self) -> Mapping[str, str]:
        """Say it as the reference does: `RateLimit-Reset` is a time in seconds since 1970."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(math.ceil(self.reset.timestamp())),
            "RateLimit-Policy": f"{self.limit};w={self.seconds}",
        }
        if self.spent:
            told["Retry-After"] = str(max(1, math.ceil((self.reset - self.now).total_seconds())))
        return told


class Rate:
    """Counts requests. A window begins at a whole multiple of its length, for everybody at once."""

    def __init__(self, limits: RateLimits, clock: Clock, proxies: Sequence[Network] = ()) -> None:
        """Count by `limits`; the peers in `proxies` are believed who they speak for."""
        self._limits = limits
        self._proxies = proxies
        self._clock = clock
        self._window = -1
        self._relays: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def count(self, request: web.Request, caller: Caller | None) -> Budget:
        """Count one request, for the relay behind it or else for the address it comes from."""
        if isinstance(caller, Relay):
            return self.count_one(caller.did, "")
        return self.count_one(None, client_address(request, self._proxies))

    def give_back(self, request: web.Request) -> None:
        """Take back one request that was counted for the address it came from; of a window that is over, nothing."""
        address = client_address(request, self._proxies)
        if self._addresses[address] > 0:
            self._addresses[address] -= 1

    def count_one(self, relay: str | None, address: str) -> Budget:
        """Count one request, of `relay` when it is one's, else of `address`."""
        now, seconds = self._clock.now(), self._limits.seconds
        window = int(now.timestamp()) // seconds
        if window != self._window:
            self._window = window
            self._relays.clear()
            self._addresses.clear()
        reset = datetime.fromtimestamp((window + 1) * seconds, now.tzinfo)
        if relay is not None:
            self._relays[relay] += 1
            return Budget(self._limits.relay, self._relays[relay], seconds, reset, now)
        return Budget(self._limits.address, _counted(self._addresses, address, MAX_ADDRESSES), seconds, reset, now)


class ReportLimits(NamedTuple):
    """Reports, appeals and answers of one account, and reports from one address, in a window of `seconds`."""

    account: int = 60
    address: int = 600
    seconds: int = 3_600


class ReportRate:
    """Counts what accounts say: for the DID behind it and for the address it comes from, whichever is spent first.

    Anybody with a DID may speak, and DIDs cost nothing; behind the address of an account host stand many people. So an
    account that is spent takes nothing from the address, and what accounts say of themselves (appeals, answers) counts
    for the account alone: nobody who fills the address of a host keeps its other members from being heard.
    """

    def __init__(self, limits: ReportLimits, clock: Clock, proxies: Sequence[Network] = ()) -> None:
        """Count by `limits`; the peers in `proxies` are believed who they speak for."""
        self._limits = limits
        self._proxies = proxies
        self._clock = clock
        self._window = -1
        self._accounts: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def count(self, request: web.Request, caller: Caller | None, body: Mapping[str, Any]) -> Budget:
        """Count one request with its body; return the budget with less left in it."""
        now, limits = self._clock.now(), self._limits
        window = int(now.timestamp()) // limits.seconds
        if window != self._window:
            self._window = window
            self._accounts.clear()
            self._addresses.clear()
        reset = datetime.fromtimestamp((window + 1) * limits.seconds, now.tzinfo)
        did, own = caller.did if caller is not None else "", _is_of_itself(body)
        if own and did not in self._accounts and len(self._accounts) >= MAX_ACCOUNTS:
            del self._accounts[next(iter(self._accounts))]  # no crowd shuts a member up
            self._accounts[did] = 0
        used = _counted(self._accounts, did, MAX_ACCOUNTS)
        account = Budget(limits.account, used, limits.seconds, reset, now)
        if own or account.spent:
            return account
        used = _counted(self._addresses, client_address(request, self._proxies), MAX_ADDRESSES)
        address = Budget(limits.address, used, limits.seconds, reset, now)
        return min(account, address, key=lambda budget: budget.limit - budget.used)


def _is_of_itself(body: Mapping[str, Any]) -> bool:
    """Whether an account speaks of itself: it appeals, or it answers what it was asked (which has no subject)."""
    reason = REASONS.get(body.get("reasonType", ""))
    return "subject" not in body or (reason is not None and reason.legacy == APPEAL)


def _counted(counter: Counter[str], key: str, most: int) -> int:
    """Count one more for `key`, or for all who come too late for a count of their own; return the count."""
    if key not in counter and len(counter) >= most:
        key = OTHERS
    counter[key] += 1
    return counter[key]
