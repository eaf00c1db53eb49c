"""How members of the populations behave: functions that draw one run's mail for one or several members.

Each takes the run's generator, mails a day, days, and the policy's default caps, and answers a script for each member.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from labeler.reputation.policy import Caps
from labeler.simulation.mail import (
    DAY_S,
    HOUR_S,
    Fate,
    Generator,
    Mail,
    Rates,
    Reaction,
    Script,
    addressed,
    agreed,
    joined,
    steady,
)
from labeler.simulation.mixes import CONSUMERS, FRESH, Mix, Numbers, draw_domains

Behaviour = Callable[[Generator, int, int, Caps], list[Script]]

FIRST_WEEK: Final = 7  # days
BETWEEN_BAD_DAYS: Final = 10  # days
BAD_DAY: Final = 6  # times the usual rate
_SOMEBODY: Final = 1_000_000  # recipients numbered from here on are strangers to those below


def sends(rate: float, *, fate: Fate = Fate.INVALID, mix: Mix = CONSUMERS) -> Behaviour:
    """Send evenly to new recipients, of whom the share `rate` meet `fate`."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        at = steady(rng, volume, days)
        return [Script(addressed(rng, at, mix, rate, fate), agreed(at, caps))]

    return draw


def has_bad_days(rate: float) -> Behaviour:
    """Send at `rate`, but six times that on one day after the first week, and on another at least ten days later."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        at, rates = steady(rng, volume, days), np.full(days, rate)
        if days > FIRST_WEEK:
            first = int(rng.integers(FIRST_WEEK, max(FIRST_WEEK + 1, days - BETWEEN_BAD_DAYS)))
            rates[first] *= BAD_DAY
            if first + BETWEEN_BAD_DAYS < days:
                rates[rng.integers(first + BETWEEN_BAD_DAYS, days)] *= BAD_DAY
        return [Script(addressed(rng, at, CONSUMERS, rates), agreed(at, caps))]

    return draw


def begins_badly(rate: float, warms_up_below: int) -> Behaviour:
    """Send at `rate` for a first week that has one bad day; once throttled, every other one does what its standing says
    clears the label, and the rest keep silent.

    Members of fewer mails a day than `warms_up_below` are enrolled as `new`, the others come with a record.
    """

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        week = min(days, FIRST_WEEK)
        at, rates = steady(rng, volume, week), np.full(week, rate)
        rates[rng.integers(0, week)] *= BAD_DAY
        tier = "new" if volume < warms_up_below else "established"
        then = Reaction.DELIVER if rng.random() < 0.5 else Reaction.KEEP_SILENT
        return [Script(addressed(rng, at, CONSUMERS, rates), agreed(at, caps), tier, at_a_throttle=then)]

    return draw


def has_campaigns(rate: float, correlation: float) -> Behaviour:
    """Send one campaign a day, each with a rate of its own: beta distributed, so that failures are beta-binomial."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        at, weight = steady(rng, volume, days), 1 / correlation - 1
        rates: Rates = rng.beta(rate * weight, (1 - rate) * weight, size=days)
        return [Script(addressed(rng, at, CONSUMERS, rates), agreed(at, caps))]

    return draw


def writes_weekly(first: float, later: float, burst_h: int) -> Behaviour:
    """Write once a week to the same subscribers, within `burst_h` hours: the share `first` are dead on arrival, `later`
    die before each further issue. Who bounced is not written to again, and somebody else takes the place."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        size = 7 * volume
        readers, domains = np.arange(size, dtype=np.int64), draw_domains(rng, CONSUMERS, size)
        issues, begins, born = list[Mail](), int(rng.integers(0, DAY_S - burst_h * HOUR_S)), size
        for day in range(int(rng.integers(0, 7)), days, 7):
            at = np.sort(rng.integers(0, burst_h * HOUR_S, size)) + begins + day * DAY_S
            dead = rng.random(size) < (later if issues else first)
            issues.append(Mail(at, np.where(dead, int(Fate.INVALID), int(Fate.DELIVERED)), readers, domains))
            readers = np.where(dead, np.arange(born, born + size), readers)
            domains = np.where(dead, draw_domains(rng, CONSUMERS, size), domains)
            born += size
        mail = joined(*issues) if issues else addressed(rng, steady(rng, 0, days), CONSUMERS, first)
        return [Script(mail, agreed(mail.at, caps))]

    return draw


def is_taken_over(rate: float) -> Behaviour:
    """Write up to five mails an hour to sixty friends in the daytime; then somebody else sends evenly, `volume` a day,
    to strangers each at a domain of its own."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        calm = int(rng.integers(8, max(9, days - 3))) * DAY_S + int(rng.integers(0, DAY_S))
        hours = np.repeat(np.arange(calm // HOUR_S), rng.binomial(5, 0.5, calm // HOUR_S))
        hours = hours[(hours % 24 >= 8) & (hours % 24 < 22)]
        at = np.sort(hours * HOUR_S + rng.integers(0, HOUR_S, len(hours)))
        friends = draw_domains(rng, CONSUMERS, 60)
        who = rng.integers(0, len(friends), len(at))
        before = Mail(at, np.zeros(len(at), dtype=np.int64), who, friends[who])
        flood = addressed(rng, steady(rng, volume, 3) + calm, FRESH, rate)
        flood = flood._replace(recipient=flood.recipient + _SOMEBODY)
        return [Script(joined(before, flood), caps, watched_s=calm)]

    return draw


def is_slandered(rate: float, forged: float) -> Behaviour:
    """Send at `rate`, while somebody forges bounces of mail that was never accepted: a share `forged` of the volume."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        (script,) = sends(rate)(rng, volume, days, caps)
        fate = np.where(rng.random(script.mail.size) < forged, int(Fate.FORGED), script.mail.fate)
        return [script._replace(mail=script.mail._replace(fate=fate))]

    return draw


def is_lured(rate: float, share: float, domains: int) -> Behaviour:
    """Send at `rate`; from the second week on `share` of the recipients subscribed only to be refused, at so many
    domains whose mail servers an attacker holds."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        (script,) = sends(rate)(rng, volume, days, caps)
        mail = script.mail
        lured = (rng.random(mail.size) < share) & (mail.at >= FIRST_WEEK * DAY_S)
        held: Numbers = -1 - rng.integers(0, domains, mail.size)
        fate = np.where(lured, int(Fate.INVALID), mail.fate)
        return [script._replace(mail=mail._replace(fate=fate, domain=np.where(lured, held, mail.domain)))]

    return draw


def spreads_over(members: int, behaviour: Behaviour) -> Behaviour:
    """Do the same with so many members at once."""

    def draw(rng: Generator, volume: int, days: int, caps: Caps) -> list[Script]:
        return [script for _ in range(members) for script in behaviour(rng, volume, days, caps)]

    return draw
