"""A policy in plain words, and the difference of two in consequences.

Both come from one list of statements, each about one thing: what differs between the lists is what differs in what is
decided. A comment, the name, a source or another spelling of a duration is in no statement.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from labeler.reputation.boundaries import ANY, at_least, fewest
from labeler.reputation.catalogue import INTERVALS, Scale
from labeler.reputation.plain_words import WORDS, boundaries, duration, number, of_at_most, ordinal, over, percent, when
from labeler.reputation.policy import Mode, Outcomes, Policy, Rule, Span

VOLUMES: Final = (10, 50, 200, 1_000)  # mails a day, and messages a cap allows, for which numbers are told
SAME: Final = "no difference in what is decided"
_DAY_S: Final = 86_400
_IN_FORCE: Final = {Mode.ENFORCE: "is in force", Mode.SHADOW: "is in shadow: recorded, and nothing published"}


class Statement(NamedTuple):
    """One thing a policy says: `about` and `value` make a sentence. `place` is the same in every policy."""

    place: str
    about: str
    value: str

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.about} {self.value}"


class Difference(NamedTuple):
    """One consequence that differs, in a sentence; `now` and `was` are None where there is or was nothing."""

    place: str
    says: str
    now: str | None
    was: str | None


class AtVolume(NamedTuple):
    """The events that throttle and suspend a member of so many mails a day (or so high a cap), of `n` in the window.

    0: nothing does. `n` is 0 where the events are not out of the mail.
    """

    volume: int
    n: int
    throttle: int
    suspend: int


def describe(policy: Policy) -> list[Statement]:
    """Everything a policy decides, in the order of the file."""
    return [
        Statement("mode", "the policy", _IN_FORCE[policy.mode]),
        *_outcomes(policy.outcomes, _codes(policy.outcomes)),
        *_caps(policy),
        *_ladder(policy),
        *_labels(policy),
        *_guards(policy),
        *_abuse(policy),
        *(statement for rule in policy.rules for statement in describe_rule(rule)),
    ]


def describe_rule(rule: Rule) -> list[Statement]:
    """Everything one rule decides."""
    where, event = f"rules.{rule.id}", WORDS[rule.metric].event
    told = [
        Statement(f"{where}.mode", f"rule {rule.id}", _IN_FORCE[rule.mode]),
        Statement(f"{where}.summary", f"{rule.id} says:", rule.summary),
        Statement(f"{where}.family", f"{rule.id} is one problem", f"with every rule of the family {rule.family}"),
    ]
    for verb, bar in zip(("throttle", "suspend"), rule.bars, strict=False):
        told.append(Statement(f"{where}.{verb}", f"{rule.id} {verb}s", f"when {when(rule, bar)}"))
        told += [
            Statement(f"{where}.{verb}.{k}", f"{rule.id} {verb}s at the {ordinal(k)} {event}", of_at_most(most))
            for k, most in boundaries(rule, bar)
        ]
    if rule.suspend is None:
        told.append(Statement(f"{where}.suspend", f"{rule.id} suspends", "nobody by itself"))
    told.append(Statement(f"{where}.exit_below", f"a throttle by {rule.id} may end", f"once {over(rule)}"))
    return told


def differences(old: Policy, new: Policy) -> list[Difference]:
    """What `new` decides otherwise than `old`; empty if nothing."""
    before, after = _by_place(old, new), _by_place(new, old)
    known, kept = ({rule.id for rule in policy.rules} for policy in (old, new))
    found = []
    for place in [*after, *(place for place in before if place not in after)]:
        now, was = after.get(place), before.get(place)
        if now == was or (place.startswith("rules.") and place.split(".")[1] in known ^ kept):
            continue
        if now is None or was is None:
            told = now or was
            assert_says = told.sentence if told is not None else ""
            says = f"{'no longer' if now is None else 'new'}: {assert_says}"
        else:
            says = f"{now.sentence} (was: {was.value if was.about == now.about else was.sentence})"
        found.append(Difference(place, says, now and now.value, was and was.value))
    return found + _rules_apart(old, new)
