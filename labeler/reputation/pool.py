"""What the whole pool sees, by provider and hour: the measure of what is a provider's doing and what a sender's."""

from typing import Final

from labeler.reputation.counters import CountWindow, DistinctWindow

PROVIDERS_MAX: Final = 4_096  # providers told apart; outcomes at further ones are compared with nothing


class ProviderPool:
    """One provider: recipients answered for, those refused for policy, who sends there, and who failed there when."""

    __slots__ = ("answered", "blocked", "failing", "senders")

    def __init__(self) -> None:
        self.answered = CountWindow()
        self.blocked = CountWindow()
        self.senders = DistinctWindow()
        self.failing: dict[int, dict[str, None]] = {}  # hour → DIDs that lost a recipient, a set in order


class Pool:
    """All providers. `touched` collects (provider, hour) with new failures until an incident was looked for."""

    __slots__ = ("providers", "touched")

    def __init__(self) -> None:
        self.providers: dict[str, ProviderPool] = {}
        self.touched: dict[tuple[str, int], None] = {}

    def answer(self, provider: str, did: str, hour: int) -> None:
        """Count one final outcome."""
        pool = self.providers.get(provider)
        if pool is None:
            if len(self.providers) >= PROVIDERS_MAX:
                return
            pool = self.providers[provider] = ProviderPool()
        pool.answered.add(hour)
        if pool.senders.last.get(did) != hour:
            pool.senders.record(did, hour)

    def block(self, provider: str, hour: int, earlier: int | None = None) -> None:
        """Count one recipient refused for policy, after `answer`; no longer in the hour `earlier`, if it was there."""
        pool = self.providers.get(provider)
        if pool is not None:
            pool.blocked.move(hour, earlier)

    def fail(self, provider: str, did: str, hour: int) -> None:
        """Note that `did` lost a recipient there, after `answer`."""
        pool = self.providers.get(provider)
        if pool is not None:
            pool.failing.setdefault(hour, {})[did] = None
            self.touched[provider, hour] = None

    def rest(self, provider: str, since: int, own_blocked: int, own_answered: int) -> tuple[int, int]:
        """Refused and answered in hours ≥ `since` by everybody but one member, whose own are given."""
        pool = self.providers.get(provider)
        if pool is None:
            return 0, 0
        answered = max(0, pool.answered.count(since) - own_answered)
        return min(answered, max(0, pool.blocked.count(since) - own_blocked)), answered

    def expire(self, floor: int) -> None:
        """Forget hours < `floor`, and providers nobody sends to any more."""
        for pool in self.providers.values():
            for window in (pool.answered, pool.blocked, pool.senders):
                window.expire(floor)
            pool.failing = {hour: dids for hour, dids in pool.failing.items() if hour >= floor}
        self.providers = {name: pool for name, pool in self.providers.items() if pool.answered.total}
