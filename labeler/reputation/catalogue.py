"""The closed set of metrics: what each counts, in words, and what a rule may ask of it. How to measure stands in
`metrics`.

A `RATE` is k of n and is compared by the lower end of an interval; an `EXCESS` is a rate less the pool's, compared the
same way; a `SHARE` is k of n, counted and not sampled. A `MULTIPLE` is k as a multiple of n, a `COUNT` is k itself, a
`SURPRISE` is −log10 of a probability.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Scale(StrEnum):
    """What the estimate of a metric means, and so what its bars are made of."""

    RATE = "rate"
    EXCESS = "excess"
    SHARE = "share"
    MULTIPLE = "multiple"
    COUNT = "count"
    SURPRISE = "surprise"


INTERVALS: Final = frozenset({Scale.RATE, Scale.EXCESS})


class Terms(NamedTuple):
    """One metric. `counts` is what `min_events` counts, `unit` one of them as headroom names it.

    `conditions` are the further bars of a rule that make sense for it; `may_suspend`: a rule on it may have a suspend
    bar; `asked`: a human stands behind every event counted, so that one is enough.
    """

    scale: Scale
    k: str
    n: str
    counts: str
    unit: str
    conditions: frozenset[str] = frozenset()
    may_suspend: bool = True
    asked: bool = False
    shortest_s: int = 3600
    longest_s: int = 90 * 86_400


_HOUR_S: Final = 3600
_BLAME: Final = frozenset({"min_distinct", "elsewhere"})

CATALOGUE: Final[dict[str, Terms]] = {
    "invalid-recipient-rate": Terms(
        Scale.RATE,
        "distinct recipients that do not exist",
        "distinct recipients whose existence is known by now",
        "recipients that do not exist",
        "recipients that do not exist",
        _BLAME,
    ),
    "policy-block-excess": Terms(
        Scale.EXCESS,
        "distinct recipients refused for policy at the provider where it is worst",
        "distinct recipients answered for there",
        "recipients refused for policy",
        "recipients refused for policy",
        may_suspend=False,
    ),
    "complaint-rate": Terms(
        Scale.RATE,
        "distinct recipients that complained",
        "distinct recipients reached",
        "complaints",
        "complaints",
        _BLAME,
    ),
    "hourly-volume": Terms(
        Scale.MULTIPLE,
        "messages accepted in the window",
        "the agreed hourly cap",
        "messages",
        "messages this hour",
        shortest_s=60,
        longest_s=_HOUR_S,
    ),
    "daily-volume": Terms(
        Scale.MULTIPLE,
        "messages accepted in the window",
        "the agreed daily cap",
        "messages",
        "messages in this window",
        longest_s=7 * 86_400,
    ),
    "sustained-volume": Terms(
        Scale.MULTIPLE,
        "messages attempted (accepted or refused) in the quieter of the last two hours",
        "the agreed hourly cap",
        "messages",
        "messages in each of two hours",
        may_suspend=False,
        shortest_s=2 * _HOUR_S,
        longest_s=2 * _HOUR_S,
    ),
    "velocity": Terms(
        Scale.SURPRISE,
        "messages accepted in the last hour",
        "messages usual in an hour like this one, rounded up",
        "messages",
        "messages this hour",
        frozenset({"min_baseline", "min_excess", "min_first_contact"}),
        may_suspend=False,
        longest_s=_HOUR_S,
    ),
    "domain-spray": Terms(
        Scale.SHARE,
        "distinct registrable recipient domains",
        "distinct recipients",
        "recipients",
        "first contacts at domains of their own",
        frozenset({"min_first_contact", "min_entropy", "min_excess"}),
        may_suspend=False,
    ),
    "dead-address-sends": Terms(
        Scale.COUNT,
        "messages accepted for addresses after they were reported not to exist",
        "distinct such addresses",
        "messages",
        "messages to addresses known not to exist",
        frozenset({"min_distinct"}),
    ),
    "auth-mail-first-contact": Terms(
        Scale.RATE,
        "messages tagged as login, password or code to recipients never reached before",
        "messages tagged so",
        "messages tagged so to first contacts",
        "login mails to first contacts",
        may_suspend=False,
    ),
    "auth-mail-repeats": Terms(
        Scale.COUNT,
        "authentication mails beyond the third to one recipient in one hour",
        "distinct such recipients",
        "authentication mails beyond the third",
        "authentication mails beyond the third to one recipient",
        frozenset({"min_distinct"}),
        may_suspend=False,
    ),
    "suppression-evasion": Terms(
        Scale.COUNT,
        "distinct people written to again in another way after they left, and messages without the header",
        "recipients on the suppression list",
        "evasions",
        "evasions of the suppression list",
    ),
    "unanswered-asks": Terms(
        Scale.COUNT,
        "abuse reports an operator asked about and nobody answered in time",
        "abuse reports open",
        "unanswered questions of an operator",
        "unanswered questions of an operator",
        asked=True,
        shortest_s=86_400,
    ),
    "unanswered-reports": Terms(
        Scale.COUNT,
        "abuse reports asked about automatically and not answered in time",
        "abuse reports open",
        "unanswered abuse reports",
        "unanswered abuse reports",
        may_suspend=False,
        asked=True,
        shortest_s=86_400,
    ),
    "trap-rate": Terms(
        Scale.RATE,
        "distinct spam traps hit",
        "distinct recipients addressed",
        "spam traps",
        "spam traps",
        frozenset({"min_distinct"}),
    ),
    "foreign-from": Terms(
        Scale.COUNT,
        "distinct registrable From domains that the member has not enrolled",
        "distinct registrable From domains",
        "From domains not enrolled",
        "From domains not enrolled",
    ),
    "submitting-networks": Terms(
        Scale.COUNT,
        "distinct networks that handed mail in",
        "networks new to the member among them",
        "networks",
        "networks handing mail in",
        frozenset({"min_excess"}),
        may_suspend=False,
    ),
}
