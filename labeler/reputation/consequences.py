"""What a policy comes to: in plain words, for members of different size, and against another policy."""

from typing import Final, NamedTuple

from labeler.reputation.boundaries import ANY, at_least, fewest
from labeler.reputation.catalogue import INTERVALS, Scale
from labeler.reputation.policy import Mode, Policy, Rule
from labeler.reputation.statements import Statement, state, state_policy, state_rule, status_codes, tell_rule

SAME: Final = "no difference in what is decided"
VOLUMES: Final = (10, 50, 200, 1_000)  # mails a day, or messages a cap allows, for which numbers are told
_DAY_S: Final = 86_400


class Difference(NamedTuple):
    """One consequence that differs, in a sentence; `now` and `was` are None where nothing is or was said."""

    place: str
    says: str
    now: str | None
    was: str | None


class AtVolume(NamedTuple):
    """How many events throttle and suspend a member of `volume` mails a day, of `n` in the window; 0 if nothing does.

    For a multiple of a cap `volume` is that cap. `n` is 0 where the events are counted and out of nothing. Of a share
    (domains of recipients) the events are the k.
    """

    volume: int
    n: int
    throttle: int
    suspend: int


def describe(policy: Policy) -> list[Statement]:
    """Everything a policy decides, rules last."""
    rules = [statement for rule in policy.rules for statement in state_rule(rule)]
    return state_policy(policy, status_codes(policy.outcomes)) + rules


def differences(old: Policy, new: Policy) -> list[Difference]:
    """What `new` decides otherwise than `old`; empty if nothing."""
    codes = status_codes(old.outcomes) | status_codes(new.outcomes)
    kept = {rule.id for rule in old.rules} & {rule.id for rule in new.rules}
    before, after = (
        {statement.place: statement for statement in (*state_policy(policy, codes), *_rules(policy, kept))}
        for policy in (old, new)
    )
    found = []
    for place, now in after.items():
        was = before.get(place)
        if was is None:
            found.append(Difference(place, f"new: {now.sentence}", now.value, None))
        elif was != now:
            found.append(Difference(place, f"{now.sentence} (was: {_before(was, now)})", now.value, was.value))
    gone = [was for place, was in before.items() if place not in after]
    return found + [Difference(was.place, f"no longer: {was.sentence}", None, was.value) for was in gone]


def at_volumes(rule: Rule) -> list[AtVolume]:
    """What a rule means for members of different size."""
    out_of = rule.scale in INTERVALS or rule.scale is Scale.SHARE
    table = []
    for volume in VOLUMES:
        n = volume * rule.window.seconds // _DAY_S if out_of else 0
        needed = [at_least(rule.metric, bar, n) if out_of else fewest(rule.metric, bar, volume) for bar in rule.bars]
        throttle, suspend, *_ = (*(least if least < ANY else 0 for least in needed), 0)
        table.append(AtVolume(volume, n, throttle, suspend))
    return table


def _rules(policy: Policy, kept: set[str]) -> list[Statement]:
    """The rules that both policies have, by statements; one that only this one has, in one."""
    told = []
    for rule in policy.rules:
        if rule.id in kept:
            told += state_rule(rule)
        else:
            shadow = " (in shadow)" if rule.mode is Mode.SHADOW else ""
            told.append(state(f"rules.{rule.id}", f"rule {rule.id}{shadow}:", tell_rule(rule)))
    return told


def _before(was: Statement, now: Statement) -> str:
    """What is no longer so, without what is still so."""
    if was.about != now.about:
        return was.sentence
    gone = "".join(part for part in was.parts if part not in now.parts)
    return gone.removeprefix(" and ").removeprefix("; ") or "without that"
