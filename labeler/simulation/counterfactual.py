"""What `getStanding` says clears a throttle, done to the letter: does the label go, and not before?"""

import re
from datetime import timedelta
from typing import Any, Final

from labeler.reputation.definitions import MAIL_THROTTLED
from labeler.reputation.standing import standing
from labeler.simulation.mail import HOUR_S, Fate, moment
from labeler.simulation.passage import Member, Passage
from labeler.simulation.reporting import Sent, report

_DELIVERIES: Final = re.compile(r"([0-9]+) clean deliver")
_STRANGER: Final = 10**12  # recipients from here on are met for the first time


def follow(passage: Passage, member: Member, now_s: int) -> bool:
    """Wait for the hold, then send what was said at `now_s`, as fast as the throttle lets it; True if the label ends
    with the last of it and not before."""
    clears = next(
        record
        for record in standing(passage.judge, member.did, moment(now_s)).private["clears"]
        if record["val"] == MAIL_THROTTLED
    )
    policy = passage.policy
    needed = max(deliveries(clears), policy.ladder.exit_min_recipients)
    hourly = policy.labels[MAIL_THROTTLED].hourly_cap or 1
    begins_s = now_s + int(timedelta(seconds=policy.ladder.min_hold.seconds).total_seconds())
    for number in range(needed):
        at_s = begins_s + number * HOUR_S // hourly
        passage.wait(at_s)
        if member.ledger.state != MAIL_THROTTLED:
            return False
        stranger = _STRANGER + number
        passage.batch(at_s, report(Sent(member.did, stranger, at_s, stranger, number % 50, Fate.DELIVERED)))
        member.sent += 1
    return member.ledger.state is None


def deliveries(clears: dict[str, Any]) -> int:
    """How many clean deliveries a `clears` record asks for; 0 where it asks for none."""
    return max((int(number) for number in _DELIVERIES.findall(clears["text"])), default=0)
