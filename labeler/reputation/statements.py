"""A policy as statements, each about one thing: what differs between two lists of them is what differs in decisions.

A comment, the name of the policy, a source or another spelling of a duration is in no statement.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from labeler.reputation.catalogue import Scale
from labeler.reputation.outcomes import Classifier, Fault
from labeler.reputation.plain_words import WORDS, boundaries, duration, number, of_at_most, ordinal, over, percent, when
from labeler.reputation.policy import LabelTerms, Mode, Outcomes, Policy, Rule, Stage

_MODES: Final = {Mode.ENFORCE: "is in force", Mode.SHADOW: "is in shadow: recorded, and nothing published"}
_ALONE: Final = " where nobody else is refused"
_FAULTS: Final = {
    Fault.INVALID_RECIPIENT: "says that a recipient does not exist",
    Fault.POLICY_BLOCK: "is a refusal for policy",
    Fault.CONFIGURATION: "is something to mend and judges nobody",
    Fault.NOBODYS: "judges nobody",
}


class Statement(NamedTuple):
    """One thing a policy says: `about` and `parts` make a sentence. `place` is the same in every policy."""

    place: str
    about: str
    parts: tuple[str, ...]

    @property
    def value(self) -> str:
        """What is said of it."""
        return "".join(self.parts)

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.about} {self.value}"


def state(place: str, about: str, *parts: str) -> Statement:
    """Make a statement of its parts."""
    return Statement(place, about, parts)


def status_codes(outcomes: Outcomes) -> set[str]:
    """Every status code and star a policy names."""
    return {*outcomes.invalid_recipient, *outcomes.policy_block, *outcomes.configuration}


def state_policy(policy: Policy, codes: Iterable[str]) -> list[Statement]:
    """Everything decided but by the rules, with what is said of these status codes, named here or not."""
    classifier = Classifier(policy.outcomes)
    return [
        state("mode", "the policy", _MODES[policy.mode]),
        *(
            state(f"outcomes.{code}", f"a bounce with {code}", _FAULTS[classifier.fault(code)])
            for code in sorted(codes, key=lambda code: [int(part) if part != "*" else -1 for part in code.split(".")])
        ),
        state("caps", "who agreed on no caps may send", _an_hour(policy.caps.hourly, policy.caps.daily)),
        *(statement for index, stage in enumerate(policy.warmup) for statement in _stage(index, stage)),
        *_ladder(policy),
        *(statement for val, terms in policy.labels.items() for statement in _label(val, terms)),
        *_goodness(policy),
        *_guards(policy),
        *_incident(policy),
        *_people(policy),
    ]


def state_rule(rule: Rule) -> list[Statement]:
    """Everything one rule decides."""
    where, event, alone = f"rules.{rule.id}", WORDS[rule.metric].event, _ALONE if rule.scale is Scale.EXCESS else ""
    told = [
        state(f"{where}.mode", f"rule {rule.id}", _MODES[rule.mode]),
        state(f"{where}.summary", f"{rule.id} says:", rule.summary),
        state(f"{where}.family", f"{rule.id} is one problem", f"with every rule of the family {rule.family}"),
    ]
    for verb, bar in zip(("throttle", "suspend"), rule.bars, strict=False):
        told.append(state(f"{where}.{verb}", f"{rule.id} {verb}s", *when(rule, bar)))
        told += [
            state(f"{where}.{verb}.{k}", f"{rule.id} {verb}s at the {ordinal(k)} {event}", f"{of_at_most(most)}{alone}")
            for k, most in boundaries(rule, bar)
        ]
    if rule.suspend is None:
        told.append(state(f"{where}.suspend", f"{rule.id} suspends", "nobody by itself"))
    told.append(state(f"{where}.exit_below", f"a throttle by {rule.id} may end", f"once {over(rule)}"))
    return told


def tell_rule(rule: Rule) -> str:
    """One rule as a few sentences for people."""
    told = []
    for verb, bar in zip(("throttled", "suspended"), rule.bars, strict=False):
        lines = [f"the {ordinal(k)} {of_at_most(most)}" for k, most in boundaries(rule, bar)]
        so = f"; that is {', '.join(lines)}{_ALONE if rule.scale is Scale.EXCESS else ''}" if lines else ""
        told.append(f"A member is {verb} {''.join(when(rule, bar))}{so}.")
    if rule.suspend is None:
        told.append("It suspends nobody by itself.")
    return " ".join([*told, f"The throttle may end once {over(rule)}."])


def _an_hour(hourly: int, daily: int) -> str:
    return f"{number(hourly)} messages an hour and {number(daily)} a day"


def _stage(index: int, stage: Stage) -> list[Statement]:
    """A step of the warm-up is told by its number: that is what members climb."""
    asked = [] if stage.min_age is None else [f"{duration(stage.min_age.seconds)} after the enrolment"]
    asked += [f"with {number(stage.min_delivered)} recipients reached in 30 days"] if stage.min_delivered else []
    about = f"stage {index + 1} of the warm-up"
    return [
        state(f"warmup.{index}.name", about, f"is called {stage.name}"),
        state(f"warmup.{index}.caps", f"{about} allows", _an_hour(stage.hourly, stage.daily)),
        state(f"warmup.{index}.asks", f"{about} begins", " ".join(asked) or "at once"),
    ]


def _ladder(policy: Policy) -> list[Statement]:
    ladder = policy.ladder
    return [
        state(
            "ladder.suspend_on_findings",
            "a member is suspended without a strong finding when",
            f"rules of {ladder.suspend_on_findings} families fire at once",
        ),
        state("ladder.min_hold", "a throttle is lifted early after", f"{duration(ladder.min_hold.seconds)} or more"),
        state(
            "ladder.exit_min_recipients",
            "a throttle is lifted early once the outcome is known of",
            f"{number(ladder.exit_min_recipients)} recipients since it began",
        ),
        state(
            "ladder.strike_decay",
            "a throttle counts as a repeat within",
            f"{duration(ladder.strike_decay.seconds)} of one before",
        ),
        state(
            "ladder.operator_block",
            "after a human lifts a label the rules leave it alone for",
            duration(ladder.operator_block.seconds),
        ),
    ]


def _label(val: str, terms: LabelTerms) -> list[Statement]:
    where = f"labels.{val}"
    told = [state(f"{where}.terms", f"{val} lasts", ", then ".join(duration(span.seconds) for span in terms.terms))]
    if terms.renew_at is not None:
        value = f"after {percent(terms.renew_at)} of its term while the cause holds"
        told.append(state(f"{where}.renew_at", f"{val} is renewed", value))
    if terms.hourly_cap is not None:
        told.append(state(f"{where}.hourly_cap", f"under {val} relays let through", f"{terms.hourly_cap} an hour"))
    if terms.auth_mail_hourly_cap is not None:
        value = f"{terms.auth_mail_hourly_cap} an hour"
        told.append(state(f"{where}.auth_mail_hourly_cap", f"of login mail under {val} they let through", value))
    return told


def _goodness(policy: Policy) -> list[Statement]:
    clean = policy.clean
    value = (
        f"once at least {number(clean.min_recipients)} recipients of {duration(clean.window.seconds)} exist and we "
        f"can be {percent(clean.confidence)} sure that under {percent(clean.below)} do not"
    )
    return [state("clean", "clean-sender is said", value)]


def _guards(policy: Policy) -> list[Statement]:
    guards = policy.guards
    return [
        state(
            "guards.breaker",
            "the rules suspend in 24 hours at most",
            f"{guards.breaker_count}, or {percent(guards.breaker_share)} of the members active then if that is more",
        ),
        state(
            "guards.silence",
            "nothing good is said and nobody newly suspended after",
            f"{duration(guards.silence.seconds)} without telemetry",
        ),
    ]


def _incident(policy: Policy) -> list[Statement]:
    terms = policy.incident
    return [
        state(
            "incident.blame",
            "a provider is to blame when",
            f"{terms.min_members} struck witnesses or more are at least {percent(terms.share)} of all who send there",
        ),
        state(
            "incident.struck",
            "a member is struck when",
            f"it loses {number(terms.min_failures)} recipients or more there in two hours, "
            f"over {percent(terms.rate)} of those known",
        ),
        state(
            "incident.witness",
            "a member bears witness when",
            f"it is known for {duration(terms.min_age.seconds)} and reached {number(terms.min_elsewhere)} recipients "
            f"or more elsewhere, of which under {percent(terms.clean_below)} do not exist",
        ),
    ]


def _people(policy: Policy) -> list[Statement]:
    """What people said: those who unsubscribed, and those who reported abuse."""
    suppression, abuse = policy.suppression, policy.abuse
    asks = "at once, by itself" if abuse.auto_ask else "when an operator asks"
    return [
        state(
            "suppression.grace",
            "mail to somebody who unsubscribed is an evasion after",
            f"{duration(suppression.grace.seconds)}, by a variant of the address or from another domain",
        ),
        state("suppression.memory", "who unsubscribed is remembered for", duration(suppression.memory.seconds)),
        state("abuse.auto_ask", "the clock of an abuse report starts", asks),
        state(
            "abuse.answer_within", "an abuse report is answered in time within", duration(abuse.answer_within.seconds)
        ),
        *(
            state(f"abuse.urgency.{category}", f"a report of {category}", f"is {urgency.value}")
            for category, urgency in abuse.urgency.items()
        ),
    ]
