"""What a bar asks besides its line, so that the same number is not held against two different kinds of sender.

Each condition is measured only once the line itself was crossed: some walk every recipient of the window.
"""

import math
from collections import Counter
from collections.abc import Callable
from typing import Final

from labeler.reputation.counters import DistinctWindow
from labeler.reputation.intervals import wilson
from labeler.reputation.metrics import EXCUSABLE, Measurement, View
from labeler.reputation.policy import Rule
from labeler.reputation.volume import BASELINE_HOURS, HOUR_S

_DAY_HOURS: Final = 24
_FAILED: Final = {"invalid-recipient-rate": "invalid", "complaint-rate": "complained", "trap-rate": "traps"}

Condition = Callable[[Rule, View, Measurement, float], tuple[float, bool]]


def measure_condition(name: str, rule: Rule, view: View, measured: Measurement, least: float) -> tuple[float, bool]:
    """The value of a condition, and whether it reaches `least`."""
    return _CONDITIONS[name](rule, view, measured, least)


def _min_distinct(rule: Rule, view: View, measured: Measurement, least: float) -> tuple[float, bool]:
    """Distinct recipient domains behind the failures of a rate; distinct addresses behind a count."""
    if rule.metric in _FAILED:
        return _reaches(len(_failures(rule, view, _away(rule, view))), least)
    return _reaches(measured.n, least)


def _min_baseline(_rule: Rule, view: View, _measured: Measurement, least: float) -> tuple[float, bool]:
    return _reaches(view.windows.volume.baseline(view.hour).hours * HOUR_S, least)


def _min_excess(rule: Rule, view: View, measured: Measurement, least: float) -> tuple[float, bool]:
    """Messages, new domains or networks of the window, as a multiple of what was usual in the four weeks before it."""
    if rule.metric == "velocity":
        return _reaches(measured.k / max(view.windows.volume.baseline(view.hour).mean, 1.0), least)
    seen = view.windows.new_clients if rule.metric == "submitting-networks" else view.windows.new_domains
    width = 1 if rule.window.seconds < _DAY_HOURS * HOUR_S else _DAY_HOURS
    usual = seen.usual(view.since - BASELINE_HOURS, view.since, width)
    new = seen.count(view.since, view.hour + 1)
    return _reaches(new / max(usual, 1.0), least)


def _min_first_contact(_rule: Rule, view: View, _measured: Measurement, least: float) -> tuple[float, bool]:
    n = view.windows.addressed.count(view.since)
    return _reaches(view.windows.first_contacts(view.since) / n if n else 0.0, least)


def _min_entropy(_rule: Rule, view: View, _measured: Measurement, least: float) -> tuple[float, bool]:
    """Shannon entropy of the recipients' domains, by the logarithm of their number; 1 where nobody is known apart."""
    recipients = Counter(_domain(view, recipient) for recipient in view.windows.addressed.items(view.since))
    n = recipients.total()
    if n < 2:
        return _reaches(1.0, least)
    entropy = -sum(count / n * math.log(count / n) for count in recipients.values())
    return _reaches(entropy / math.log(n), least)


def _elsewhere(rule: Rule, view: View, measured: Measurement, least: float) -> tuple[float, bool]:
    """The lower end of the rate without the `least` recipient domains that fail most, against the throttle bar.

    Whoever owns a few domains can subscribe to anything and refuse it later; whoever bought a list fails everywhere.
    Where no other recipients are left there is nothing to compare, and the condition says nothing.
    """
    away = _away(rule, view)
    failures = _failures(rule, view, away)
    worst = {domain for domain, _ in sorted(failures.items(), key=lambda item: (-item[1], item[0]))[: int(least)]}
    windows = view.windows
    known = windows.reached if rule.metric == EXCUSABLE else windows.delivered
    if not known.exact or not windows.delivered.size:
        known = windows.addressed  # as the rate itself, while no delivery was ever reported
    if not known.exact:
        return 1.0, True  # too many recipients for one owner of a few domains
    n = sum(_domain(view, recipient) not in worst for recipient in known.items(view.since) if recipient not in away)
    if n == 0:
        return 1.0, True
    k = measured.k - sum(count for domain, count in failures.items() if domain in worst)
    lower = wilson(max(0, k), max(n, k), rule.elsewhere_confidence or 0.0)[0]
    return lower, lower > rule.throttle.above


def _failures(rule: Rule, view: View, away: set[str]) -> Counter[str]:
    """Failed recipients of the window by registrable domain, less those `away`."""
    failed: DistinctWindow | None = getattr(view.windows, _FAILED[rule.metric])
    if failed is None:
        return Counter()
    return Counter(_domain(view, recipient) for recipient in failed.items(view.since) if recipient not in away)


def _away(rule: Rule, view: View) -> set[str]:
    """Recipients that failed at a provider while it was to blame."""
    away: set[str] = set()
    if rule.metric != EXCUSABLE:
        return away
    for provider, stretches in view.setting.incidents.items():
        there = view.windows.by_provider.get(provider)
        if there is not None and there.invalid is not None:
            away.update(
                recipient
                for recipient, hour in there.invalid.last.items()
                if any(first <= hour <= last for first, last in stretches)
            )
    return away


def _domain(view: View, recipient: str) -> str:
    """The recipient's registrable domain; where the relay named none, the recipient stands for itself."""
    return view.windows.domain_of.get(recipient, recipient)


def _reaches(value: float, least: float) -> tuple[float, bool]:
    return value, value >= least


_CONDITIONS: Final[dict[str, Condition]] = {
    "min_distinct": _min_distinct,
    "min_baseline": _min_baseline,
    "min_excess": _min_excess,
    "min_first_contact": _min_first_contact,
    "min_entropy": _min_entropy,
    "elsewhere": _elsewhere,
}
