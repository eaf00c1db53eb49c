"""What the windows say, as numbers with their evidence. A closed set of metrics, each a pure function.

A measurement is k out of n with an estimate; rates carry a Wilson score interval (E. B. Wilson, JASA 22, 1927), which
stays honest for a handful of mails: one bounce in thirteen sends is compatible with less than 5 %.
"""

import math
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

from labeler.reputation.policy import Caps, Rule
from labeler.reputation.windows import HOUR_S, MINUTE_S, DistinctWindow, SubjectWindows


class Measurement(NamedTuple):
    """`k` of `n`, and `estimate` = what the rule compares. `weight` is what `min_events` counts.

    `first_contact` is the share of recipients not reached in the month before the window (spray only).
    """

    k: int
    n: int
    estimate: float
    weight: int
    first_contact: float | None = None


class View(NamedTuple):
    """What a metric may look at: the windows, the oldest moment that counts (seconds), the caps."""

    windows: SubjectWindows
    since_s: int
    caps: Caps


@lru_cache(maxsize=64)
def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Two-sided Wilson score interval of k successes in n trials, as (lower, upper); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    z = _z(confidence)
    share = k / n
    z2n = z * z / n
    centre = share + z2n / 2
    spread = z * math.sqrt((share * (1 - share) + z2n / 4) / n)
    lower = 0.0 if k == 0 else (centre - spread) / (1 + z2n)
    upper = 1.0 if k == n else (centre + spread) / (1 + z2n)
    return lower, upper


def whole_bucket(since_s: int, length_s: int) -> int:
    """The first bucket that lies in the window beginning at `since_s` with all of its length."""
    return -(-since_s // length_s)


def _rate(k: int, n: int) -> Measurement:
    return Measurement(k, n, k / n if n else 0.0, k)


def _out_of(seen: DistinctWindow, view: View, since: int) -> int:
    """How many recipients a rate is out of: those in `seen`; or all addressed, while no delivery was ever reported.

    Some relays report failures only. Without this their honest members would fail at every recipient they know of.
    """
    return (seen if view.windows.delivered.last else view.windows.addressed).count(since)


def _invalid_recipients(view: View) -> Measurement:
    """Distinct recipients that do not exist, out of those whose existence is known."""
    since = view.since_s // HOUR_S
    k = view.windows.invalid.count(since)
    return _rate(k, max(k, _out_of(view.windows.reached, view, since)))


def _complaints(view: View) -> Measurement:
    """Distinct recipients that complained, out of those reached."""
    since = view.since_s // HOUR_S
    k = view.windows.complained.count(since)
    return _rate(k, max(k, _out_of(view.windows.delivered, view, since)))


def _hourly_volume(view: View) -> Measurement:
    """Messages accepted in the last 60 minutes or less, as a multiple of the hourly cap."""
    k = view.windows.minutes.count(whole_bucket(view.since_s, MINUTE_S))
    return Measurement(k, view.caps.hourly, k / view.caps.hourly, k)


def _daily_volume(view: View) -> Measurement:
    """Messages accepted in the window, as a multiple of the daily cap."""
    k = view.windows.accepted.count(whole_bucket(view.since_s, HOUR_S))
    return Measurement(k, view.caps.daily, k / view.caps.daily, k)


def _domain_spray(view: View) -> Measurement:
    """Distinct recipient domains per distinct recipient.

    The normalised entropy of the domains has no bar of its own: where D/N > 0.85 it cannot lie under 0.95 for 50
    recipients or 0.91 for 1 000 (the least even split puts all the surplus on one domain); it would hardly decide.
    """
    since = view.since_s // HOUR_S
    n = view.windows.addressed.count(since)
    k = view.windows.recipient_domains.count(since)
    return Measurement(k, n, k / n if n else 0.0, n)


def with_first_contact(measured: Measurement, view: View) -> Measurement:
    """Add the share of recipients not reached before. It walks every recipient: only for a spread like spray."""
    share = view.windows.first_contacts(view.since_s // HOUR_S) / measured.n if measured.n else 0.0
    return measured._replace(first_contact=share)


def _enough_invalid(rule: Rule, windows: SubjectWindows, _caps: Caps) -> bool:
    return len(windows.invalid.last) >= rule.throttle.min_events


def _enough_complaints(rule: Rule, windows: SubjectWindows, _caps: Caps) -> bool:
    return len(windows.complained.last) >= rule.throttle.min_events


def _enough_this_hour(rule: Rule, windows: SubjectWindows, caps: Caps) -> bool:
    total = windows.minutes.total
    return total >= rule.throttle.min_events and total / caps.hourly >= rule.exit_below


def _enough_today(rule: Rule, windows: SubjectWindows, caps: Caps) -> bool:
    total = windows.accepted.total
    return total >= rule.throttle.min_events and total / caps.daily >= rule.exit_below


def _enough_domains(rule: Rule, windows: SubjectWindows, _caps: Caps) -> bool:
    return len(windows.recipient_domains.last) / rule.throttle.min_events >= rule.exit_below


class Metric(NamedTuple):
    """How to measure, and whether a rule on it could fire or hold at all: a bound on everything not yet forgotten,
    cheap enough to ask after every batch. It divides as the measurement does, so that rounding never parts the two."""

    measure: Callable[[View], Measurement]
    possible: Callable[[Rule, SubjectWindows, Caps], bool]


METRICS: Final[dict[str, Metric]] = {
    "invalid-recipient-rate": Metric(_invalid_recipients, _enough_invalid),
    "complaint-rate": Metric(_complaints, _enough_complaints),
    "hourly-volume": Metric(_hourly_volume, _enough_this_hour),
    "daily-volume": Metric(_daily_volume, _enough_today),
    "domain-spray": Metric(_domain_spray, _enough_domains),
}


def epoch_seconds(moment: datetime) -> int:
    """Whole seconds since the epoch."""
    return int(moment.timestamp())
