"""The events path: every mail is a batch of real events, and the judge looks after every one."""

from labeler.reputation.definitions import MAIL_THROTTLED
from labeler.simulation.counterfactual import follow
from labeler.simulation.mail import Reaction
from labeler.simulation.passage import Member, Passage
from labeler.simulation.reporting import report, scripted


class EventsPath:
    """Sends one mail at a time."""

    def advance(self, passage: Passage, member: Member) -> None:
        """Send the next mail; a member that does as it is told turns to what clears its throttle."""
        sent = scripted(member.did, member.script, member.position)
        member.position += 1
        member.sent += sent.at_s >= member.script.watched_s
        passage.batch(sent.at_s, report(sent))
        if member.script.at_a_throttle is not Reaction.GO_ON and member.ledger.state == MAIL_THROTTLED:
            member.cleared = follow(passage, member, sent.at_s)
            member.position = member.script.mail.size
