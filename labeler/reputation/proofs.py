"""What a sound policy must promise, proved from its numbers before it is taken up, never sampled.

`parse_policy` refuses what could not be judged by; this refuses what should not be. The judge itself asks for no proof:
an old log must replay under the policies that were in force.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from labeler.errors import Misconfigured
from labeler.reputation.boundaries import fewest
from labeler.reputation.definitions import CLEAN_SENDER, DEFINITIONS, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.policy import Caps, Policy, Rule, Stage, located, parse_policy
from labeler.reputation.rule_proofs import SINGLE, Proof, prove_rules

__all__ = ["Proof", "check_policy", "prove", "refusal"]

EXPIRY: Final = "every throttle, suspension and clean-sender ends"
VALUES: Final = "label values are valid"
WARMUP: Final = "the warm-up climbs"
CAPS: Final = "caps bind"
OUTCOMES: Final = "a status code says one thing"
INCIDENT: Final = "who bears witness is clean"
CLEAN: Final = "nobody is clean and throttled"
SILENCE: Final = "silence is noticed before goodness is renewed"
BREAKER: Final = "the breaker keeps most of the pool"
EVASION: Final = "who unsubscribed is remembered beyond the grace"
URGENCY: Final = "categories are found"

_VALUE: Final = re.compile(r"[a-z]+(-[a-z]+)*")  # the label specification's recommended syntax
_BREAKER_SHARE_MAX: Final = 0.5
_MEASURE_OF_GOOD: Final = "invalid-recipient-rate"


def prove(policy: Policy) -> list[Proof]:
    """Prove every claim or refute it, in a fixed order."""
    return [
        *prove_rules(policy.rules, policy.abuse),
        _findings(policy),
        *_expiry(policy),
        *_values(policy),
        *_warmup(policy.warmup),
        *_caps(policy),
        *_outcomes(policy),
        *_goodness(policy),
        *_guards(policy),
        *_urgency(policy),
    ]


def check_policy(text: str) -> Policy:
    """Read a policy and prove it sound; raise `Misconfigured` with everything that fails, by line, key and fix."""
    policy = parse_policy(text)
    refused = refusal(text, prove(policy))
    if refused:
        raise Misconfigured(refused)
    return policy


def refusal(text: str, proofs: list[Proof]) -> str:
    """Why a policy is not taken up, in one line; "" if everything holds."""
    failed = (proof for proof in proofs if not proof.holds)
    problems = [f"{located(text, proof.place)}{proof.place}: {proof.why}" for proof in failed]
    return "policy: " + "; ".join(problems) if problems else ""


def _findings(policy: Policy) -> Proof:
    """Several findings suspend together: no event counts twice in one metric, so the last of the families to fire says
    how many events it takes, even if each of them counted in all."""
    least: dict[str, int] = {}
    for rule in policy.rules:
        needed = fewest(rule.metric, rule.throttle)
        least[rule.family] = min(needed, least.get(rule.family, needed))
    soonest = sorted(least.items(), key=lambda item: item[1])[: policy.ladder.suspend_on_findings]
    place, wanted = "ladder.suspend_on_findings", policy.ladder.suspend_on_findings
    if len(soonest) < wanted:
        return Proof(SINGLE, True, place, f"{wanted} findings never come together: there are {len(soonest)} families")
    told = ", ".join(f"{family} from {needed}" for family, needed in soonest)
    if soonest[-1][1] >= 2:
        return Proof(SINGLE, True, place, f"{wanted} findings suspend from {soonest[-1][1]} events on ({told})")
    why = f"{wanted} findings could suspend after a single event ({told}); set it to {_enough(least)}"
    return Proof(SINGLE, False, place, why)


def _enough(least: dict[str, int]) -> int:
    """How many findings take more than one event."""
    return sum(needed < 2 for needed in least.values()) + 1


def _expiry(policy: Policy) -> Iterator[Proof]:
    for val in (MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER):
        spans = policy.labels[val].terms if val in policy.labels else []
        place = f"labels.{val}.terms"
        told = ", then ".join(span.text for span in spans)
        if not spans or any(span.seconds <= 0 for span in spans):
            yield Proof(EXPIRY, False, place, f"{val} would never end; give it a term")
        elif any(later.seconds < sooner.seconds for sooner, later in pairwise(spans)):
            yield Proof(EXPIRY, False, place, f"{val} lasts {told}: a repeat must not be shorter; sort the terms")
        else:
            yield Proof(EXPIRY, True, place, f"{val} lasts {told}")


def _values(policy: Policy) -> Iterator[Proof]:
    """What the rules can say is valid, and nothing else has terms."""
    ours = [definition.val for definition in DEFINITIONS if definition.by_rules and _VALUE.fullmatch(definition.val)]
    bad = [val for val in policy.labels if val not in ours]
    for val in bad:
        yield Proof(VALUES, False, f"labels.{val}", f"{val!r} is no label of the rules; remove the table")
    if not bad:
        yield Proof(VALUES, True, "labels", f"the rules can say {', '.join(ours)}: small letters and hyphens, no '!'")


def _warmup(stages: list[Stage]) -> Iterator[Proof]:
    """Each stage must ask for more than the one before, and give no less."""
    found = False
    if stages[0].min_age is not None or stages[0].min_delivered:
        found = True
        why = f"{stages[0].name} comes first and must ask for nothing; remove min_age and min_delivered"
        yield Proof(WARMUP, False, "warmup[0]", why)
    for index, (lower, higher) in enumerate(pairwise(stages), 1):
        asked, before = _asked(higher), _asked(lower)
        if higher.hourly < lower.hourly or higher.daily < lower.daily:
            found = True
            why = f"{higher.name} has lower caps than {lower.name} before it; raise them"
            yield Proof(WARMUP, False, f"warmup[{index}].hourly", why)
        if asked == before or any(more < less for more, less in zip(asked, before, strict=True)):
            found = True
            why = f"{higher.name} must ask for more than {lower.name}, and nowhere for less; raise its requirements"
            yield Proof(WARMUP, False, f"warmup[{index}].min_age", why)
    if not found:
        caps = ", ".join(f"{stage.hourly}/{stage.daily}" for stage in stages)
        yield Proof(WARMUP, True, "warmup", f"caps an hour/a day never fall ({caps}), and each stage asks for more")


def _asked(stage: Stage) -> tuple[int, int]:
    return (0 if stage.min_age is None else stage.min_age.seconds, stage.min_delivered)


def _caps(policy: Policy) -> Iterator[Proof]:
    """An hourly cap above the daily one, or a throttle above either, holds nobody back."""
    named: list[tuple[str, Caps | Stage]] = [("caps", policy.caps)]
    named += [(f"warmup[{index}]", stage) for index, stage in enumerate(policy.warmup)]
    bad = [(place, caps) for place, caps in named if caps.hourly > caps.daily]
    for place, caps in bad:
        why = f"{caps.hourly} an hour are more than {caps.daily} a day; set hourly to {caps.daily} or less"
        yield Proof(CAPS, False, f"{place}.hourly", why)
    throttled = policy.labels[MAIL_THROTTLED].hourly_cap if MAIL_THROTTLED in policy.labels else None
    place = f"labels.{MAIL_THROTTLED}.hourly_cap"
    if throttled is not None and throttled >= policy.caps.hourly:
        why = f"a throttle lets {throttled} an hour through, and the usual cap {policy.caps.hourly}; set it lower"
        yield Proof(CAPS, False, place, why)
    elif not bad:
        why = f"{policy.caps.hourly} an hour, {policy.caps.daily} a day, under throttle {throttled} an hour"
        yield Proof(CAPS, True, "caps", why)


def _outcomes(policy: Policy) -> Iterator[Proof]:
    """An exact code beats a star, so only the same text in two lists leaves a question."""
    outcomes = policy.outcomes
    lists = {
        "invalid_recipient": outcomes.invalid_recipient,
        "policy_block": outcomes.policy_block,
        "configuration": outcomes.configuration,
    }
    seen: dict[str, str] = {}
    found = False
    for name, codes in lists.items():
        for code in sorted(codes):
            if code in seen:
                found = True
                why = f"{code} stands in {seen[code]} and in {name}; keep one"
                yield Proof(OUTCOMES, False, f"outcomes.{name}", why)
            seen[code] = name
    if not found:
        yield Proof(OUTCOMES, True, "outcomes", f"{len(seen)} codes, none in two lists")


def _goodness(policy: Policy) -> Iterator[Proof]:
    """Good and bad are told apart by one number: the bars of the rules on recipients that do not exist."""
    rules: list[Rule] = [rule for rule in policy.rules if rule.metric == _MEASURE_OF_GOOD]
    exits = min((rule.exit_below for rule in rules), default=1.0)
    entry = min((rule.throttle.above for rule in rules), default=1.0)
    witness, below = policy.incident.clean_below, policy.clean.below
    if witness <= exits:
        yield Proof(
            INCIDENT, True, "incident.clean_below", f"a witness is under {witness:g}, a throttle ends at {exits:g}"
        )
    else:
        why = f"a witness may be at {witness:g}, where no throttle ends (under {exits:g}); set it to {exits:g} or less"
        yield Proof(INCIDENT, False, "incident.clean_below", why)
    if below <= entry:
        why = f"clean ends at {below:g}, a throttle begins above {entry:g}: no interval of a window lies on both sides"
        yield Proof(CLEAN, True, "clean.below", why)
    else:
        why = f"a sender surely under {below:g} may be surely above {entry:g}; set it to {entry:g} or less"
        yield Proof(CLEAN, False, "clean.below", why)


def _guards(policy: Policy) -> Iterator[Proof]:
    """Limits that limit something."""
    guards, suppression = policy.guards, policy.suppression
    clean = policy.labels.get(CLEAN_SENDER)
    renewed = clean.terms[0].seconds * (clean.renew_at or 1.0) if clean is not None else 0.0
    fine = guards.silence.seconds <= renewed
    why = f"after {guards.silence.text} of silence nothing good is said, and it is renewed after {renewed / 3600:g} h"
    yield Proof(SILENCE, fine, "guards.silence", why if fine else f"{why}; set it to {int(renewed)}s or less")
    fine = guards.breaker_share < _BREAKER_SHARE_MAX
    why = f"rules suspend {guards.breaker_share:.0%} of the members active in a day at most, or {guards.breaker_count}"
    yield Proof(BREAKER, fine, "guards.breaker_share", why if fine else f"{why}; set it under {_BREAKER_SHARE_MAX:g}")
    fine = suppression.memory.seconds > suppression.grace.seconds
    why = f"an evasion counts after {suppression.grace.text}, and who left is remembered for {suppression.memory.text}"
    yield Proof(EVASION, fine, "suppression.memory", why if fine else f"{why}; set memory above grace")


def _urgency(policy: Policy) -> Iterator[Proof]:
    """A category is looked up in lower case."""
    bad = [category for category in policy.abuse.urgency if category != category.lower()]
    for category in bad:
        why = f"{category!r} would never be found; write {category.lower()!r}"
        yield Proof(URGENCY, False, f"abuse.urgency.{category}", why)
    if not bad:
        yield Proof(URGENCY, True, "abuse.urgency", f"{len(policy.abuse.urgency)} categories in lower case")
