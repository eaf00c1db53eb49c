"""The warm-up of new members: what they have earned so far, and what the next stage asks for.

The caps it gives are for the relay to hold. Being over them labels nobody: the volume rules compare with the caps that
were agreed.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from labeler.reputation.decisions import Member
from labeler.reputation.policy import Caps, Policy, Stage
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import CONTACT_HOURS, SubjectWindows

WARMING_TIER: Final = "new"


class Warmup(NamedTuple):
    """The stage reached, the next one if there is any, and how many recipients were reached in the last 30 days."""

    stage: Stage
    following: Stage | None
    delivered: int


def warmup(policy: Policy, member: Member, windows: SubjectWindows, now: datetime) -> Warmup | None:
    """Where a member stands in its warm-up; None for those that skip it: enrolled as anything else, or by nobody."""
    if not member.enrolled or member.tier != WARMING_TIER or member.since is None:
        return None
    hour = int(now.timestamp()) // HOUR_S
    delivered = windows.delivered.count(hour - CONTACT_HOURS)
    age = now - member.since
    earned = 0
    for index, stage in enumerate(policy.warmup):
        if stage.min_age is not None and age < timedelta(seconds=stage.min_age.seconds):
            break
        if delivered < stage.min_delivered:
            break
        earned = index
    decay = now - timedelta(seconds=policy.ladder.strike_decay.seconds)
    earned = max(0, earned - sum(strike > decay for strike in member.strikes))
    following = policy.warmup[earned + 1] if earned + 1 < len(policy.warmup) else None
    return Warmup(policy.warmup[earned], following, delivered)


def warmed_caps(agreed: Caps, reached: Warmup | None) -> Caps:
    """The caps of the day: what was agreed, but no more than the stage allows."""
    if reached is None:
        return agreed
    return Caps(hourly=min(agreed.hourly, reached.stage.hourly), daily=min(agreed.daily, reached.stage.daily))
