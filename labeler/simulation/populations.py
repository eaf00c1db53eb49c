"""The populations the policy is held against: name, words, mails a day, behaviour, goal. Data; nothing is done here."""

from typing import Final, NamedTuple

from labeler.simulation.behaviours import (
    Behaviour,
    begins_badly,
    has_bad_days,
    has_campaigns,
    is_lured,
    is_slandered,
    is_taken_over,
    sends,
    spreads_over,
    writes_weekly,
)
from labeler.simulation.goals import NONE, Goal
from labeler.simulation.mail import Fate
from labeler.simulation.mixes import SELF_HOSTERS

VOLUMES: Final = (10, 50, 200, 1_000, 10_000)
AN_HOUR: Final = 24  # mails a day, of one each hour


class Population(NamedTuple):
    """Senders of one kind. `counted`: their mail may be counted by the bucket instead of event by event, because every
    recipient is another, at domains that no rule on spray looks at. `through`: about how many mails of a run get
    through, where most are stopped; with `members`, of whom a run has so many, it decides how many runs fit into a
    time, and nothing else.
    """

    name: str
    about: str
    volumes: tuple[int, ...]
    behaviour: Behaviour
    goal: Goal = NONE
    counted: bool = False
    through: int | None = None
    members: int = 1


POPULATIONS: Final = (
    Population(
        "honest",
        "2 % of the recipients do not exist",
        VOLUMES,
        sends(0.02),
        Goal(false_throttle=0.01, false_suspend=0.0002),
        counted=True,
    ),
    Population(
        "honest-bad-day",
        "2 %, and 12 % on a day after the first week, and on another ten days later",
        VOLUMES,
        has_bad_days(0.02),
        Goal(false_throttle=0.01, false_suspend=0.0002),
        counted=True,
    ),
    Population(
        "newcomer-bad-day",
        "2 %, and 12 % on a day of the first week; at a throttle, what getStanding says clears it",
        VOLUMES,
        begins_badly(0.02, warms_up_below=20),
        Goal(clears=True),
        counted=True,
    ),
    Population(
        "honest-3",
        "3 % of the recipients do not exist",
        VOLUMES,
        sends(0.03),
        Goal(false_throttle=0.04, false_suspend=0.0005),
        counted=True,
    ),
    Population(
        "honest-campaigns",
        "2 % in the mean, every day's campaign with a rate of its own (beta-binomial, correlation 0.02)",
        VOLUMES,
        has_campaigns(0.02, correlation=0.02),
        counted=True,
    ),
    Population(
        "honest-weekly",
        "a newsletter to the same subscribers every week, within two hours; 2 % dead at first, 1 % more each week",
        (10, 50, 200),
        writes_weekly(0.02, 0.01, burst_h=2),
    ),
    Population(
        "honest-self-hosters",
        "1 % do not exist, recipients mostly at domains of their own",
        (10, 50, 200),
        sends(0.01, mix=SELF_HOSTERS),
    ),
    Population(
        "few-complaints",
        "0.05 % of the recipients complain",
        VOLUMES,
        sends(0.0005, fate=Fate.COMPLAINED),
        Goal(false_throttle=0.05, false_suspend=0.001),
        counted=True,
    ),
    Population(
        "at-the-threshold",
        "5 % of the recipients do not exist: exactly where the throttle begins",
        VOLUMES,
        sends(0.05),
        Goal(transitions=1.0),
        counted=True,
        through=9_000,
    ),
    Population(
        "list-buyer-20",
        "20 % of the recipients do not exist",
        VOLUMES,
        sends(0.20),
        Goal(median_throttle=15, median_suspend=60),
        through=300,
    ),
    Population(
        "list-buyer-30",
        "30 % of the recipients do not exist",
        VOLUMES,
        sends(0.30),
        Goal(median_throttle=10, median_suspend=18),
        through=200,
    ),
    Population(
        "complained-about",
        "2 % of the recipients complain",
        VOLUMES,
        sends(0.02, fate=Fate.COMPLAINED),
        Goal(median_throttle=90, median_suspend=140),
        through=600,
    ),
    Population(
        "compromised",
        "up to five an hour to friends; then 200 an hour or more to strangers at fresh domains, 2 % of them invalid",
        (200 * AN_HOUR, 1_000 * AN_HOUR),
        is_taken_over(0.02),
        Goal(within_throttle=40, within_suspend=150),
        through=1200,
    ),
    Population(
        "snowshoe",
        "twenty members at once, 15 % of whose recipients do not exist (mails a day of each)",
        (10, 50),
        spreads_over(20, sends(0.15)),
        through=8_000,
        members=20,
    ),
    Population(
        "forged-bounces",
        "1 %, and bounces of mail nobody sent: three for every ten real mails",
        (10, 50, 200),
        is_slandered(0.01, forged=0.3),
        Goal(false_suspend=0.0),
    ),
    Population(
        "hostile-domains",
        "1 %, and from the second week on a fifth of the recipients at two domains that refuse everybody",
        (10, 50, 200),
        is_lured(0.01, 0.2, domains=2),
        Goal(false_suspend=0.0),
        through=6_000,
    ),
    Population(
        "many-hostile-domains",
        "the same at six domains",
        (10, 50, 200),
        is_lured(0.01, 0.2, domains=6),
    ),
)

NAMED: Final = {population.name: population for population in POPULATIONS}
