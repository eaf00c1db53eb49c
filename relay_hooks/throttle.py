"""Token buckets, one a name: at most `cap` an hour, evened out, with the unused part of an hour saved up. PURE."""

from datetime import datetime

_HOUR_S = 3600.0
_SWEEP_AT = 10_000  # buckets; full ones carry no information and are dropped then


class HourlyBuckets:
    """Buckets that start full, hold `cap` tokens and refill at `cap` an hour. A clock going back refills nothing."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, datetime, int]] = {}  # name → tokens, as of, cap
        self._sweep_at = _SWEEP_AT

    def tokens(self, name: str, cap: int, now: datetime) -> float:
        """Count the tokens of a bucket at `now`."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return float(cap)
        tokens, since, _ = bucket
        return min(float(cap), tokens + max(0.0, (now - since).total_seconds()) * cap / _HOUR_S)

    def take(self, name: str, count: int, cap: int, now: datetime) -> bool:
        """Take `count` tokens, or none and say False."""
        tokens = self.tokens(name, cap, now)
        # A billionth of a token is lost to rounding now and then, and must not cost a second refusal.
        if tokens + 1e-9 < count:
            return False
        if len(self._buckets) >= self._sweep_at:
            self._sweep(now)
        self._set(name, tokens - count, cap, now)
        return True

    def give_back(self, name: str, count: int, cap: int, now: datetime) -> None:
        """Return tokens that were not used after all."""
        if name in self._buckets:
            self._set(name, min(float(cap), self.tokens(name, cap, now) + count), cap, now)

    def wait_s(self, name: str, count: int, cap: int, now: datetime) -> float:
        """Tell in how many seconds `count` tokens will be there (count as `cap` if it is more)."""
        missing = min(count, cap) - self.tokens(name, cap, now)
        return max(0.0, missing) * _HOUR_S / cap if cap > 0 else _HOUR_S

    def _set(self, name: str, tokens: float, cap: int, now: datetime) -> None:
        since = self._buckets[name][1] if name in self._buckets else now
        self._buckets[name] = (tokens, max(now, since), cap)

    def _sweep(self, now: datetime) -> None:
        self._buckets = {
            name: bucket for name, bucket in self._buckets.items() if self.tokens(name, bucket[2], now) < bucket[2]
        }
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._buckets))
