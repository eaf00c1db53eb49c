"""A rule in plain words: what happened how often, how sure we are, where the boundary lies, and when it may end.

Numbers are written as they are, never rounded: two rules that read alike decide alike.
"""

import math
from decimal import Decimal
from typing import Final, NamedTuple

from labeler.reputation.boundaries import ANY, at_most
from labeler.reputation.catalogue import INTERVALS, Scale
from labeler.reputation.policy import Bar, Rule

_BOUNDARIES: Final = (1, 2, 3, 4, 5, 10, 20)  # events for which the boundary is told
_ORDINALS: Final = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_TELLABLE: Final = 12.0  # a chance smaller than one in a thousand billions says nothing to anybody


class Words(NamedTuple):
    """How to speak of one metric: one event, so many of them in a window, the line besides, and when it is over.

    A count has no line but that number, and is over when few enough are left.
    """

    event: str
    happened: str
    line: str = ""
    over: str = ""


def _against_cap(cap: str, happened: str) -> Words:
    """Messages held against the hourly or the daily cap."""
    return Words(
        "message",
        happened,
        f"that is more than {{above}} times its {cap} cap",
        f"it is under {{below}} times its {cap} cap",
    )


WORDS: Final[dict[str, Words]] = {
    "invalid-recipient-rate": Words(
        "missing recipient",
        "at least {n} recipients in {window} do not exist",
        "more than {above} of its recipients do not",
        "under {below} of its recipients do not exist",
    ),
    "policy-block-excess": Words(
        "recipient refused for policy",
        "one provider refuses at least {n} of its recipients for policy in {window}",
        "the share is more than {above} above that of the rest of the pool there",
        "the share is under {below} above that of the rest of the pool",
    ),
    "complaint-rate": Words(
        "complaint",
        "at least {n} recipients complain in {window}",
        "more than {above} of those it reaches do",
        "under {below} of those it reaches complain",
    ),
    "hourly-volume": _against_cap("hourly", "at least {n} messages go out in {window}"),
    "daily-volume": _against_cap("daily", "at least {n} messages go out in {window}"),
    "sustained-volume": _against_cap("hourly", "at least {n} messages are tried in each hour of the last {window}"),
    "velocity": Words(
        "message",
        "at least {n} messages go out in {window}",
        "an hour like that is a surprise of more than {above} by its own history{chance}",
        "the surprise is under {below}",
    ),
    "domain-spray": Words(
        "recipient",
        "at least {n} recipients are written to in {window}",
        "they lie at more than {above} as many domains",
        "they lie at under {below} as many domains",
    ),
    "dead-address-sends": Words(
        "message to a dead address",
        "at least {n} messages in {window} go to addresses that were reported not to exist",
    ),
    "auth-mail-first-contact": Words(
        "login mail to a stranger",
        "at least {n} login mails in {window} go to people never reached before",
        "more than {above} of its login mails do",
        "under {below} of its login mails do",
    ),
    "auth-mail-repeats": Words(
        "login mail beyond the third",
        "at least {n} login mails in {window} are beyond the third to one recipient in an hour",
    ),
    "suppression-evasion": Words(
        "evasion",
        "at least {n} people who unsubscribed are written to by another way in {window}",
    ),
    "unanswered-asks": Words(
        "unanswered question",
        "at least {n} of an operator's questions in {window} got no answer in time",
    ),
    "unanswered-reports": Words(
        "unanswered report",
        "at least {n} of the abuse reports passed on in {window} got no answer in time",
    ),
    "trap-rate": Words(
        "spam trap",
        "at least {n} spam traps are hit in {window}",
        "more than {above} of its recipients are traps",
        "under {below} of its recipients are traps",
    ),
    "foreign-from": Words(
        "foreign domain",
        "mail of {window} is from at least {n} domains that are not enrolled",
    ),
    "submitting-networks": Words(
        "network",
        "at least {n} networks hand mail in within {window}",
    ),
}


def number(value: float) -> str:
    """A number without an exponent or a trailing nought, thousands apart: 1 000, 0.0005."""
    whole, dot, rest = format(Decimal(repr(value)).normalize(), "f").partition(".")
    return f"{int(whole):,}".replace(",", " ") + dot + rest


def percent(share: float) -> str:
    """A share in per cent, to the last digit: 0.07 is 7 %."""
    return f"{format((Decimal(repr(share)) * 100).normalize(), 'f')} %"


def duration(seconds: int) -> str:
    """A duration in its largest whole unit: 7 days, 90 minutes."""
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}{'' if seconds == size else 's'}"


def ordinal(count: int) -> str:
    """The third, the twelfth, the 21st."""
    if count < len(_ORDINALS):
        return _ORDINALS[count]
    ending = "th" if count // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{number(count)}{ending}"


def when(rule: Rule, bar: Bar) -> tuple[str, ...]:
    """When `bar` is crossed, in parts that make one sentence: "when at least 3 recipients …", " and we can be …"."""
    words, least = WORDS[rule.metric], bar.min_events
    if rule.scale is Scale.COUNT:
        least = max(least, math.floor(bar.above) + 1)
    parts = [f"when {words.happened.format(n=number(least), window=duration(rule.window.seconds))}"]
    if words.line:
        chance = f" (a chance below 1 in {number(round(10**bar.above))})" if bar.above <= _TELLABLE else ""
        line = words.line.format(above=_level(rule, bar.above), chance=chance)
        sure = "" if bar.confidence is None else f"we can be {percent(bar.confidence)} sure that "
        parts.append(f" and {sure}{line}")
    return (*parts, *(f"; {_condition(rule, name, least)}" for name, least in bar.conditions))


def over(rule: Rule) -> str:
    """When the cause of a throttle counts as gone: "under 3 % of its recipients do not exist"."""
    window, words = duration(rule.window.seconds), WORDS[rule.metric]
    if rule.scale is Scale.COUNT:
        left = math.ceil(rule.exit_below)
        return f"none is left in {window}" if left == 1 else f"fewer than {number(left)} are left in {window}"
    return words.over.format(below=_level(rule, rule.exit_below), window=window)


def boundaries(rule: Rule, bar: Bar) -> list[tuple[int, int]]:
    """For a few numbers of events the largest n of which so many still cross `bar`; empty where n is no mail."""
    if rule.scale not in INTERVALS:
        return []
    told = [(k, at_most(rule.metric, bar, k)) for k in _BOUNDARIES]
    return [(k, most) for k, most in told if most]


def of_at_most(most: int) -> str:
    """ "of at most 14"."""
    return "of however many" if most >= ANY else f"of at most {number(most)}"


def _level(rule: Rule, value: float) -> str:
    if rule.scale is Scale.EXCESS:
        return percent(value).replace(" %", " points")
    return percent(value) if rule.scale in (Scale.RATE, Scale.SHARE) else number(value)


def _condition(rule: Rule, name: str, least: float) -> str:
    count, rate = number(least), rule.scale in INTERVALS
    excess = "it is" if rule.scale is Scale.SURPRISE else "what is new among them is"
    worst = "domain that fails" if least == 1 else f"{count} domains that fail"
    surely = percent(rule.elsewhere_confidence or 0.0)
    return {
        "min_distinct": f"they lie at {count} domains or more" if rate else f"{count} addresses or more are concerned",
        "min_baseline": f"it is known for {duration(int(least))} or longer",
        "min_excess": f"{excess} at least {count} times what is usual for it",
        "min_first_contact": f"at least {percent(least)} of the recipients were never reached before",
        "min_entropy": f"the recipients spread with a normalised entropy of {count} or more",
        "elsewhere": f"without the {worst} most, the rest lies above the throttle bar too, with {surely} confidence",
    }[name]
