"""What the windows say, as numbers with their evidence: one pure function for each metric of the catalogue."""

import math
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from labeler.reputation.auth_mail import AuthMailWindows
from labeler.reputation.counters import DistinctWindow
from labeler.reputation.dead_addresses import DeadAddresses
from labeler.reputation.domains import registrable
from labeler.reputation.intervals import surprise
from labeler.reputation.policy import Caps, Rule
from labeler.reputation.pool import Pool
from labeler.reputation.reports import AbuseReports
from labeler.reputation.suppression import SuppressionWindows
from labeler.reputation.volume import HOUR_S, MINUTE_S
from labeler.reputation.windows import SubjectWindows

_FAR: Final = 1_000_000
_Room = Callable[[Rule, SubjectWindows, "Setting", int, float, int], int]
Stretches = Mapping[str, list[tuple[int, int]]]  # provider → hours, from and to, in which it was to blame
ASKED: Final = "unanswered-asks"  # the metric an operator's question starts the clock of
EXCUSABLE: Final = "invalid-recipient-rate"  # the metric that leaves out what failed at a provider to blame


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
        if there is not None and there.invalid is not None:
            total += sum(
                there.invalid.between(max(first, view.since), last) for first, last in stretches if last >= view.since
            )
    return total


def _invalid_recipients(view: View) -> Measurement:
    k = view.windows.invalid.count(view.since)
    away = min(k, excused(view)) if view.setting.incidents else 0  # one recipient may have failed at two providers
    n = max(k, _out_of(view.windows.reached, view)) - away
    k -= away
    return Measurement(k, n, k / n if n else 0.0, k, excused=away)


def _policy_blocks(view: View) -> Measurement:
    """Where this member is refused most beyond what the rest of the pool is, among providers that refuse it at all."""
    worst = Measurement(0, 0, 0.0, 0)
    for name, there in sorted(view.windows.by_provider.items()):
        k = there.blocked.count(view.since) if there.blocked is not None else 0
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
    dead = view.windows.dead or DeadAddresses()
    return _count(dead.sends.count(view.since), dead.recipients.count(view.since))


def _auth_strangers(view: View) -> Measurement:
    """Nobody is a stranger as long as no delivery was ever reported: everybody would be one."""
    mail = view.windows.auth_mail or AuthMailWindows()
    k = mail.strangers.count(view.since) if view.windows.delivered.size else 0
    return _rate(k, mail.tagged.count(view.since))


def _auth_repeats(view: View) -> Measurement:
    mail = view.windows.auth_mail or AuthMailWindows()
    return _count(mail.repeats.count(view.since), mail.pestered.count(view.since))


def _evasion(view: View) -> Measurement:
    suppression = view.windows.suppression or SuppressionWindows()
    return _count(suppression.evaded.count(view.since), len(suppression.unsubscribed))


def _unanswered(view: View, *, by_operator: bool) -> Measurement:
    reports, within_s = view.windows.reports or AbuseReports(), view.setting.answer_within_s
    k = reports.overdue(view.since_s, view.now_s, within_s, by_operator=by_operator)
    return _count(k, len(reports.open(view.since_s)))


def _traps(view: View) -> Measurement:
    k = view.windows.traps.count(view.since) if view.windows.traps is not None else 0
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
    return _count(view.windows.clients.count(view.since), view.windows.new_clients.count(view.since, view.hour + 1))


def own_domains(enrolled: Iterable[str], windows: SubjectWindows) -> frozenset[str]:
    """The registrable domains a member may send as: those enrolled, and those the relay names as its sending domain."""
    return frozenset(registrable(domain) for domain in (*enrolled, *windows.by_domain) if domain)


_Possible = Callable[[Rule, SubjectWindows, Setting, int, float], bool]


def _enough_invalid(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, _least: float) -> bool:
    return windows.invalid.size >= rule.throttle.min_events


def _enough_blocks(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, _least: float) -> bool:
    return windows.blocked.total >= rule.throttle.min_events


def _enough_complaints(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, _least: float) -> bool:
    return windows.complained.size >= rule.throttle.min_events


def _enough_this_hour(rule: Rule, windows: SubjectWindows, setting: Setting, now_s: int, least: float) -> bool:
    total = windows.volume.minutes.count(whole_bucket(now_s - rule.window.seconds, MINUTE_S))
    return total >= rule.throttle.min_events and total / setting.caps.hourly >= least


def _enough_today(rule: Rule, windows: SubjectWindows, setting: Setting, now_s: int, least: float) -> bool:
    accepted = windows.volume.accepted
    if accepted.total < rule.throttle.min_events or accepted.total / setting.caps.daily < least:
        return False
    return accepted.count((now_s - rule.window.seconds) // HOUR_S) / setting.caps.daily >= least


def _enough_attempts(rule: Rule, windows: SubjectWindows, setting: Setting, now_s: int, least: float) -> bool:
    total = windows.volume.attempts(now_s // HOUR_S)
    return total >= rule.throttle.min_events and total / setting.caps.hourly >= least


def _enough_speed(rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, _least: float) -> bool:
    return windows.volume.minutes.count(whole_bucket(now_s - rule.window.seconds, MINUTE_S)) >= rule.throttle.min_events


def _enough_domains(rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, least: float) -> bool:
    """Measured here already where the window is whole: a bound on months says nothing about a day."""
    enough = rule.throttle.min_events
    if windows.addressed.size < enough or windows.recipient_domains.size / enough < least:
        return False
    if rule.window.seconds <= HOUR_S and windows.volume.attempts(now_s // HOUR_S) < enough:
        return False
    since = (now_s - rule.window.seconds) // HOUR_S
    n = windows.addressed.count(since)
    return n >= enough and windows.recipient_domains.size / n >= least


def _enough_dead(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, least: float) -> bool:
    return windows.dead is not None and windows.dead.sends.total >= least


def _enough_strangers(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, _least: float) -> bool:
    return windows.auth_mail is not None and windows.auth_mail.strangers.total >= rule.throttle.min_events


def _enough_repeats(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, least: float) -> bool:
    return windows.auth_mail is not None and windows.auth_mail.repeats.total >= least


def _enough_evasions(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, least: float) -> bool:
    return windows.suppression is not None and windows.suppression.evaded.size >= least


def _enough_reports(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, least: float) -> bool:
    return windows.reports is not None and len(windows.reports.reports) >= least


def _enough_traps(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, _least: float) -> bool:
    return windows.traps is not None and windows.traps.size >= rule.throttle.min_events


def _enough_from(rule: Rule, windows: SubjectWindows, _setting: Setting, _now_s: int, least: float) -> bool:
    return windows.from_domains.size >= least


def _enough_networks(rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, least: float) -> bool:
    return windows.clients.size >= least and windows.clients.count((now_s - rule.window.seconds) // HOUR_S) >= least


def _invalid_stay(rule: Rule, windows: SubjectWindows, now_s: int, least: float, hours: int) -> bool:
    """Told of those alone that are known to stay in the window; what was out of the same recipients stays so."""
    invalid, reached, since = windows.invalid, windows.reached, (now_s - rule.window.seconds) // HOUR_S
    n = reached.count(since + hours)
    return invalid.exact and reached.exact and n > 0 and invalid.count(since) / n < least


def _room_today(rule: Rule, windows: SubjectWindows, setting: Setting, now_s: int, least: float, _hours: int) -> int:
    sent = windows.volume.accepted.count((now_s - rule.window.seconds) // HOUR_S)
    return max(rule.throttle.min_events, int(least * setting.caps.daily)) - sent


def _room_at_domains(
    rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, least: float, hours: int
) -> int:
    """Each further message brings at most one recipient and one domain, or a domain to a recipient there was."""
    since, enough = (now_s - rule.window.seconds) // HOUR_S, rule.throttle.min_events
    n, k = windows.addressed.count(since), windows.recipient_domains.count(since)
    if hours and not (windows.addressed.exact and windows.recipient_domains.exact):
        return 0
    stay = n if not hours else windows.addressed.count(since + hours) if rule.window.seconds > hours * HOUR_S else 0
    return max(enough - n, int(least * max(enough, stay)) - k)


def _room_from(rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, least: float, _hours: int) -> int:
    return _until_seen_again(windows.from_domains, (now_s - rule.window.seconds) // HOUR_S, least)


def _room_networks(
    rule: Rule, windows: SubjectWindows, _setting: Setting, now_s: int, least: float, _hours: int
) -> int:
    return _until_seen_again(windows.clients, (now_s - rule.window.seconds) // HOUR_S, least)


def _until_seen_again(seen: DistinctWindow, since: int, least: float) -> int:
    """What was never seen before stirs the windows; what was seen once, and is seen again, does not."""
    return _FAR if seen.size < least else math.ceil(least) - seen.count(since)


class Occasion(IntEnum):
    """When a metric is worth asking about at all, so that a calm member costs next to nothing."""

    ALWAYS = 0
    BUSY = 1  # once as many messages as the rule needs came within the last two hours
    RARE = 2  # once anything happened to the member that most members never see


class Metric(NamedTuple):
    """How to measure, and whether a rule on it could say anything at all: a bound, cheap enough for every batch.

    `possible` takes the estimate below which nothing is said: where the rule fires, or where it ends while a label
    stands. It divides as the measurement does, so that rounding never parts the two. `room`: how many more messages may
    be accepted within some hours before that; None where it takes more than mail being accepted. `stays`: whether the
    estimate stays below it for some hours although mail leaves the window; None where nobody can say.
    """

    measure: Callable[[View], Measurement]
    possible: _Possible
    occasion: Occasion = Occasion.ALWAYS
    room: _Room | None = None
    stays: Callable[[Rule, SubjectWindows, int, float, int], bool] | None = None


METRICS: Final[dict[str, Metric]] = {
    "invalid-recipient-rate": Metric(_invalid_recipients, _enough_invalid, stays=_invalid_stay),
    "policy-block-excess": Metric(_policy_blocks, _enough_blocks, Occasion.RARE),
    "complaint-rate": Metric(_complaints, _enough_complaints),
    "hourly-volume": Metric(_hourly_volume, _enough_this_hour, Occasion.BUSY),
    "daily-volume": Metric(_daily_volume, _enough_today, room=_room_today),
    "sustained-volume": Metric(_sustained_volume, _enough_attempts, Occasion.BUSY),
    "velocity": Metric(_velocity, _enough_speed, Occasion.BUSY),
    "domain-spray": Metric(_domain_spray, _enough_domains, room=_room_at_domains),
    "dead-address-sends": Metric(_dead_addresses, _enough_dead, Occasion.RARE),
    "auth-mail-first-contact": Metric(_auth_strangers, _enough_strangers, Occasion.RARE),
    "auth-mail-repeats": Metric(_auth_repeats, _enough_repeats, Occasion.RARE),
    "suppression-evasion": Metric(_evasion, _enough_evasions, Occasion.RARE),
    ASKED: Metric(lambda view: _unanswered(view, by_operator=True), _enough_reports, Occasion.RARE),
    "unanswered-reports": Metric(lambda view: _unanswered(view, by_operator=False), _enough_reports, Occasion.RARE),
    "trap-rate": Metric(_traps, _enough_traps, Occasion.RARE),
    "foreign-from": Metric(_foreign_from, _enough_from, room=_room_from),
    "submitting-networks": Metric(_networks, _enough_networks, room=_room_networks),
}
