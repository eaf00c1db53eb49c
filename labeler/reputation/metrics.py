"""What the windows say, as numbers with their evidence: one pure function for each metric of the catalogue."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from labeler.reputation.counters import DistinctWindow
from labeler.reputation.domains import registrable
from labeler.reputation.intervals import surprise
from labeler.reputation.policy import Caps, Rule
from labeler.reputation.pool import Pool
from labeler.reputation.volume import HOUR_S, MINUTE_S
from labeler.reputation.windows import SubjectWindows

Stretches = Mapping[str, list[tuple[int, int]]]  # provider → hours, from and to, in which it was to blame


class Measurement(NamedTuple):
    """`k` of `n`, and `estimate` = what the rule compares. `weight` is what `min_events` counts.

    `against`: what it was compared with besides the bar: refused and answered of the rest of the pool, or mean and
    variance of a usual hour. `at` names the provider measured, `excused` how many failures an incident took away.
    """

    k: int
    n: int
    estimate: float
    weight: int
    against: tuple[float, float] | None = None
    at: str | None = None
    excused: int = 0


class Setting(NamedTuple):
    """What a subject is measured in: agreed caps, enrolled domains, the pool, incidents, how long answers may take."""

    caps: Caps
    enrolled: Iterable[str]
    pool: Pool
    incidents: Stretches
    answer_within_s: int


class View(NamedTuple):
    """What a metric may look at: the windows, from which moment on (seconds), the present, the setting."""

    windows: SubjectWindows
    since_s: int
    now_s: int
    setting: Setting

    @property
    def since(self) -> int:
        """The first hour that counts."""
        return self.since_s // HOUR_S

    @property
    def hour(self) -> int:
        """The present hour."""
        return self.now_s // HOUR_S


def whole_bucket(since_s: int, length_s: int) -> int:
    """The first bucket that lies in the window beginning at `since_s` with all of its length."""
    return -(-since_s // length_s)


def _rate(k: int, n: int) -> Measurement:
    return Measurement(k, n, k / n if n else 0.0, k)


def _count(k: int, n: int) -> Measurement:
    return Measurement(k, n, float(k), k)


def _out_of(seen: DistinctWindow, view: View) -> int:
    """How many recipients a rate is out of: those in `seen`; or all addressed, while no delivery was ever reported.

    Some relays report failures only. Without this their honest members would fail at every recipient they know of.
    """
    return (seen if view.windows.delivered.size else view.windows.addressed).count(view.since)


def excused(view: View) -> int:
    """Recipients that failed at a provider while it was to blame; they count neither as failed nor as known."""
    total = 0
    for provider, stretches in view.setting.incidents.items():
        there = view.windows.by_provider.get(provider)
        if there is not None:
            total += sum(
                there.invalid.between(max(first, view.since), last)
                for first, last in stretches
                if last >= view.since
            )
    return total


def _invalid_recipients(view: View) -> Measurement:
    k = view.windows.invalid.count(view.since)
    away = excused(view) if view.setting.incidents else 0
    n = max(k, _out_of(view.windows.reached, view)) - away
    k -= away
    return Measurement(k, n, k / n if n else 0.0, k, excused=away)


def _policy_blocks(view: View) -> Measurement:
    """Where this member is refused most beyond what the rest of the pool is, among providers that refuse it at all."""
    worst = Measurement(0, 0, 0.0, 0)
    for name, there in sorted(view.windows.by_provider.items()):
        k = there.blocked.count(view.since)
        if k == 0:
            continue
        n = max(k, there.answered.count(view.since))
        pool_k, pool_n = view.setting.pool.rest(name, view.since, k, n)
        over = k / n - pool_k / pool_n if pool_n else 0.0
        if over > worst.estimate:
            worst = Measurement(k, n, over, k, (pool_k, pool_n), name)
    return worst


def _complaints(view: View) -> Measurement:
    k = view.windows.complained.count(view.since)
    return _rate(k, max(k, _out_of(view.windows.delivered, view)))


def _hourly_volume(view: View) -> Measurement:
    k, cap = view.windows.volume.minutes.count(whole_bucket(view.since_s, MINUTE_S)), view.setting.caps.hourly
    return Measurement(k, cap, k / cap, k)


def _daily_volume(view: View) -> Measurement:
    k, cap = view.windows.volume.accepted.count(whole_bucket(view.since_s, HOUR_S)), view.setting.caps.daily
    return Measurement(k, cap, k / cap, k)


def _sustained_volume(view: View) -> Measurement:
    """The quieter of the last two hours, attempts and all; half a window counts for nothing."""
    volume = view.windows.volume
    start = whole_bucket(view.since_s, MINUTE_S)
    middle = whole_bucket(max(view.since_s, view.now_s - HOUR_S), MINUTE_S)
    late = volume.minutes.count(middle) + volume.refused.count(middle)
    early = volume.minutes.count(start) + volume.refused.count(start) - late
    k, cap = min(early, late), view.setting.caps.hourly
    return Measurement(k, cap, k / cap, k)


def _velocity(view: View) -> Measurement:
    k = view.windows.volume.minutes.count(whole_bucket(view.since_s, MINUTE_S))
    usual = view.windows.volume.baseline(view.hour)
    return Measurement(
        k, math.ceil(usual.mean), surprise(k, usual.mean, usual.variance), k, (usual.mean, usual.variance)
    )


def _domain_spray(view: View) -> Measurement:
    n = view.windows.addressed.count(view.since)
    k = view.windows.recipient_domains.count(view.since)
    return Measurement(k, n, k / n if n else 0.0, n)


def _dead_addresses(view: View) -> Measurement:
    return _count(view.windows.dead_sends.count(view.since), view.windows.dead_recipients.count(view.since))


def _auth_strangers(view: View) -> Measurement:
    return _rate(view.windows.auth_mail.strangers.count(view.since), view.windows.auth_mail.tagged.count(view.since))


def _auth_repeats(view: View) -> Measurement:
    return _count(view.windows.auth_mail.repeats.count(view.since), view.windows.auth_mail.pestered.count(view.since))


def _evasion(view: View) -> Measurement:
    return _count(view.windows.suppression.evaded.count(view.since), len(view.windows.suppression.unsubscribed))


def _unanswered(view: View, *, by_operator: bool) -> Measurement:
    reports, within_s = view.windows.reports, view.setting.answer_within_s
    k = reports.overdue(view.since_s, view.now_s, within_s, by_operator=by_operator)
    return _count(k, len(reports.open(view.since_s)))


def _traps(view: View) -> Measurement:
    k = view.windows.traps.count(view.since)
    return _rate(k, max(k, view.windows.addressed.count(view.since)))


def _foreign_from(view: View) -> Measurement:
    """Distinct From domains that are not the member's own; none where we know of no own ones."""
    seen, own = view.windows.from_domains, own_domains(view.setting.enrolled, view.windows)
    n = seen.count(view.since)
    if not own:
        return _count(0, n)
    if not seen.exact:
        return _count(max(0, n - len(own)), n)
    return _count(sum(domain not in own for domain in seen.items(view.since)), n)


def _networks(view: View) -> Measurement:
    return _count(
        view.windows.clients.count(view.since), view.windows.new_clients.count(view.since, view.hour + 1)
    )


def own_domains(enrolled: Iterable[str], windows: SubjectWindows) -> frozenset[str]:
    """The registrable domains a member may send as: those enrolled, and those the relay names as its sending domain."""
    return frozenset(registrable(domain) for domain in (*enrolled, *windows.by_domain))


_Possible = Callable[[Rule, SubjectWindows, Setting], bool]


def _at_least(size: Callable[[SubjectWindows], int]) -> _Possible:
    """A bound on the weight: everything not yet forgotten."""
    return lambda rule, windows, _: size(windows) >= rule.throttle.min_events


def _any(size: Callable[[SubjectWindows], int]) -> _Possible:
    """The same for a count, which may hold with fewer events than it takes to fire."""
    return lambda rule, windows, _: size(windows) >= rule.exit_below


def _enough_this_hour(rule: Rule, windows: SubjectWindows, setting: Setting) -> bool:
    total = windows.volume.minutes.total
    return total >= rule.throttle.min_events and total / setting.caps.hourly >= rule.exit_below


def _enough_today(rule: Rule, windows: SubjectWindows, setting: Setting) -> bool:
    total = windows.volume.accepted.total
    return total >= rule.throttle.min_events and total / setting.caps.daily >= rule.exit_below


def _enough_attempts(rule: Rule, windows: SubjectWindows, setting: Setting) -> bool:
    total = windows.volume.minutes.total + windows.volume.refused.total
    return total >= rule.throttle.min_events and total / setting.caps.hourly >= rule.exit_below


def _enough_domains(rule: Rule, windows: SubjectWindows, _: Setting) -> bool:
    return windows.recipient_domains.size / rule.throttle.min_events >= rule.exit_below


class Metric(NamedTuple):
    """How to measure, and whether a rule on it could fire or hold at all: a bound on everything not yet forgotten,
    cheap enough to ask after every batch. It divides as the measurement does, so that rounding never parts the two."""

    measure: Callable[[View], Measurement]
    possible: _Possible


METRICS: Final[dict[str, Metric]] = {
    "invalid-recipient-rate": Metric(_invalid_recipients, _at_least(lambda windows: windows.invalid.size)),
    "policy-block-excess": Metric(
        _policy_blocks,
        _at_least(lambda windows: max((there.blocked.size for there in windows.by_provider.values()), default=0)),
    ),
    "complaint-rate": Metric(_complaints, _at_least(lambda windows: windows.complained.size)),
    "hourly-volume": Metric(_hourly_volume, _enough_this_hour),
    "daily-volume": Metric(_daily_volume, _enough_today),
    "sustained-volume": Metric(_sustained_volume, _enough_attempts),
    "velocity": Metric(_velocity, _at_least(lambda windows: windows.volume.minutes.total)),
    "domain-spray": Metric(_domain_spray, _enough_domains),
    "dead-address-sends": Metric(_dead_addresses, _any(lambda windows: windows.dead_sends.total)),
    "auth-mail-first-contact": Metric(_auth_strangers, _at_least(lambda windows: windows.auth_mail.strangers.total)),
    "auth-mail-repeats": Metric(_auth_repeats, _any(lambda windows: windows.auth_mail.repeats.total)),
    "suppression-evasion": Metric(_evasion, _any(lambda windows: windows.suppression.evaded.size)),
    "unanswered-asks": Metric(
        lambda view: _unanswered(view, by_operator=True), _any(lambda windows: len(windows.reports.reports))
    ),
    "unanswered-reports": Metric(
        lambda view: _unanswered(view, by_operator=False), _any(lambda windows: len(windows.reports.reports))
    ),
    "trap-rate": Metric(_traps, _at_least(lambda windows: windows.traps.size)),
    "foreign-from": Metric(_foreign_from, _any(lambda windows: windows.from_domains.size)),
    "submitting-networks": Metric(_networks, _any(lambda windows: windows.clients.size)),
}
