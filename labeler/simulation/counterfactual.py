"""What `getStanding` says clears a throttle, done to the letter: does the label go, and not before it is said to?"""

from datetime import datetime
from typing import Any, Final

from labeler.atproto.syntax import parse_datetime
from labeler.reputation.definitions import MAIL_THROTTLED
from labeler.reputation.standing import standing
from labeler.simulation.mail import HOUR_S, Fate, Reaction, moment
from labeler.simulation.mixes import PROVIDERS
from labeler.simulation.passage import Member, Passage, seconds
from labeler.simulation.reporting import Sent, report

_STRANGER: Final = 10**12  # recipients from here on are met for the first time


def follow(passage: Passage, member: Member, now_s: int) -> bool | None:
    """Do what was said at `now_s`; True if the label goes, None if it was not said that this would clear it."""
    clears: dict[str, Any] = next(
        record
        for record in standing(passage.judge, member.did, moment(now_s)).private["clears"]
        if record["val"] == MAIL_THROTTLED
    )
    if member.script.at_a_throttle is Reaction.KEEP_SILENT:
        return _goes_in_silence(passage, member, parse_datetime(clears["at"])) if "at" in clears else None
    if "deliveries" not in clears:
        return None
    return _goes_with(passage, member, clears["deliveries"], parse_datetime(clears["notBefore"]))


def _goes_in_silence(passage: Passage, member: Member, said: datetime) -> bool:
    at_s = seconds(said)
    passage.wait(at_s - 1)
    stood = member.ledger.state == MAIL_THROTTLED
    passage.wait(at_s)
    return stood and member.ledger.state is None


def _goes_with(passage: Passage, member: Member, deliveries: int, not_before: datetime) -> bool:
    """Send so many deliveries to strangers as fast as the throttle lets them through, from the end of the hold on."""
    hourly = passage.policy.labels[MAIL_THROTTLED].hourly_cap or 1
    begins_s = seconds(not_before)
    passage.wait(begins_s - 1)
    if member.ledger.state != MAIL_THROTTLED:
        return False
    for number in range(deliveries):
        at_s = begins_s + number * HOUR_S // hourly
        stranger = _STRANGER + number
        passage.wait(at_s)
        passage.batch(at_s, report(Sent(member.did, stranger, at_s, stranger, number % len(PROVIDERS), Fate.DELIVERED)))
        member.sent += 1
    return member.ledger.state is None
