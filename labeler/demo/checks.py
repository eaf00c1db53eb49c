"""Did the story happen? Every claim of the demo as a question to the facts. PURE.

A fact is something that went over a wire: an SMTP reply, a label out of the stream, an answer of the labeler, a line of
`labeler replay`. Nothing here knows what the demo meant to happen, except for the questions themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label
from labeler.demo.clients import Exchange
from labeler.demo.members import Member
from labeler.reputation.definitions import ADVERSE, CLEAN_SENDER, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.events import Kind


class Seen(NamedTuple):
    """A label as the relay's subscriber verified it; `at` in seconds of the event loop's clock."""

    seq: int
    label: Label
    at: float


class Check(NamedTuple):
    """One claim, and whether it holds."""

    holds: bool
    text: str


class Telemetry(NamedTuple):
    """The way of the events: reported by the relay, acknowledged to it, not taken, counted by the labeler."""

    reported: int
    acknowledged: int
    lost: int
    counted: int


@dataclass(frozen=True)
class Facts:
    """Everything that was observed. `kinds` counts the relay's own events of today, `arrived` what the sink took."""

    members: Sequence[Member]
    exchanges: Sequence[Exchange]
    seen: Sequence[Seen]
    standings: dict[str, dict[str, Any]]
    queried: Sequence[Label]
    streamed: Sequence[tuple[int, Label]]
    replayed: Sequence[Label]
    key: PublicKey
    refused_labels: int
    telemetry: Telemetry
    kinds: dict[str, int]
    arrived: int
    throttle_cap: int

    def of(self, name: str) -> Member:
        """Find a member by name."""
        return next(member for member in self.members if member.name == name)

    def history(self, member: Member) -> list[Seen]:
        """Every label ever seen about a member."""
        return [one for one in self.seen if one.label.uri == member.did]

    def applied(self, member: Member, val: str) -> Seen | None:
        """The first time a label was put on a member."""
        return next((one for one in self.history(member) if one.label.val == val and not one.label.neg), None)

    def sent(self, member: Member) -> list[Exchange]:
        """What a member handed to the relay."""
        return [exchange for exchange in self.exchanges if exchange.member == member]

    def standing(self, member: Member) -> str:
        """How a member stands in the end."""
        return str(self.standings.get(member.did, {}).get("standing"))


def check_story(facts: Facts) -> list[Check]:
    """Answer every question, in the order of the story."""
    checks = [check for member in facts.members if member.honest for check in _honest(facts, member)]
    return [*checks, *_list_buyer(facts), *_choir(facts), *_books(facts), *_log(facts)]


def _honest(facts: Facts, member: Member) -> Iterator[Check]:
    sent, standing = facts.sent(member), facts.standing(member)
    counts = facts.standings.get(member.did, {}).get("counts", {})
    adverse = [one for one in facts.history(member) if one.label.val in ADVERSE]
    active = newest([(one.seq, one.label) for one in facts.history(member)])
    clean = any(label.val == CLEAN_SENDER and not label.neg for _, label in active)
    yield Check(
        bool(sent) and all(exchange.accepted for exchange in sent) and len(sent) == len(member.today),
        f"{member.name}: all {len(member.today)} messages of today were taken by the relay ({len(sent)} sent)",
    )
    unknown = counts.get("invalidRecipients", 0)
    yield Check(
        standing == "good" and clean and not adverse,
        f"{member.name}: stands {standing}, clean-sender holds, {len(adverse)} adverse labels ever, although {unknown} "
        f"of its {counts.get('recipients', 0)} recipients did not exist",
    )


def _list_buyer(facts: Facts) -> Iterator[Check]:
    member = facts.of("list buyer")
    throttled, suspended = facts.applied(member, MAIL_THROTTLED), facts.applied(member, MAIL_SUSPENDED)
    yield Check(
        throttled is not None and suspended is not None and throttled.seq < suspended.seq,
        f"list buyer: throttled ({_place(throttled)}), then suspended ({_place(suspended)})",
    )
    yield Check(facts.standing(member) == "suspended", f"list buyer: stands {facts.standing(member)}")
    deferred = [exchange for exchange in facts.sent(member) if exchange.reply.startswith("451 4.7.1 ")]
    rejected = [exchange for exchange in facts.sent(member) if exchange.reply.startswith("550 5.7.1 ")]
    yield Check(
        throttled is not None and bool(deferred) and deferred[0].at > throttled.at,
        f"list buyer: the relay answered 451 4.7.1 once its hour was used up, {len(deferred)} ×",
    )
    if throttled is not None:
        passed = [one for one in facts.sent(member) if one.began > throttled.at and one.accepted]
        yield Check(
            len(passed) <= facts.throttle_cap,
            f"list buyer: {len(passed)} messages passed under the throttle, {facts.throttle_cap} an hour may",
        )
    yield Check(
        suspended is not None and bool(rejected) and rejected[0].at > suspended.at,
        f"list buyer: then the relay answered 550 5.7.1, {len(rejected)} ×",
    )


def _choir(facts: Facts) -> Iterator[Check]:
    member = facts.of("choir")
    sent, suspended = facts.sent(member), facts.applied(member, MAIL_SUSPENDED)
    clean = [one.label.neg is True for one in facts.history(member) if one.label.val == CLEAN_SENDER]
    yield Check(clean == [False, True], "choir: its quiet past earned clean-sender, and the spray took it back")
    yield Check(
        suspended is not None and facts.standing(member) == "suspended",
        f"choir: suspended ({_place(suspended)}), stands {facts.standing(member)}",
    )
    rejected = [one for one in sent if one.command == "RCPT" and one.reply.startswith("550 5.7.1 ")]
    got_out = sum(one.accepted for one in sent)
    yield Check(
        bool(rejected) and got_out < len(sent) / 2,
        f"choir: {got_out} of {len(sent)} messages got out, {len(rejected)} were refused at RCPT with 550 5.7.1",
    )
    after = [one for one in sent if suspended is not None and one.began > suspended.at]
    yield Check(
        bool(after) and not any(one.accepted for one in after),
        f"choir: not one of the {len(after)} messages begun after the label arrived was taken",
    )


def _books(facts: Facts) -> Iterator[Check]:
    """The books balance: SMTP, telemetry and the labeler's own count tell the same numbers."""
    taken = sum(exchange.accepted for exchange in facts.exchanges)
    accepted, delivered = facts.kinds.get(Kind.ACCEPTED, 0), facts.kinds.get(Kind.DELIVERED, 0)
    bounced = facts.kinds.get(Kind.BOUNCED, 0)
    yield Check(
        taken == accepted == delivered + bounced,
        f"mail: {taken} messages taken over SMTP = {accepted} acceptances reported = {delivered} delivered and "
        f"{bounced} bounced, none still on its way",
    )
    yield Check(facts.arrived == delivered, f"mail: {facts.arrived} messages lie in the sink, {delivered} reported")
    way = facts.telemetry
    yield Check(
        way.reported == way.acknowledged == way.counted and way.lost == 0,
        f"telemetry: {way.reported} events reported, {way.acknowledged} acknowledged as durable, "
        f"{way.counted} counted by the labeler, {way.lost} lost or refused",
    )


def _log(facts: Facts) -> Iterator[Check]:
    """What was published is one sequence, whoever reads it and however often it is computed."""
    live = [(one.seq, one.label) for one in facts.seen]
    genuine = sum(verify_label(label, facts.key) for _, label in live)
    yield Check(
        bool(live) and genuine == len(live) and facts.refused_labels == 0,
        f"labels: {len(live)} signed and published, {genuine} verified with the key of the DID document",
    )
    seqs = [seq for seq, _ in live]
    yield Check(seqs == list(range(1, len(seqs) + 1)), f"labels: seq 1 to {len(seqs)}, none missing, none twice")
    current = newest(live)
    yield Check(
        facts.streamed == current,
        f"stream: from cursor 0 come the same labels, without the {len(live) - len(current)} that were superseded",
    )
    yield Check(
        sorted(label.to_bytes() for label in facts.queried) == sorted(label.to_bytes() for _, label in current),
        f"queryLabels: answers the same {len(current)} labels, byte for byte",
    )
    yield Check(
        bool(live) and [label.to_bytes() for label in facts.replayed] == [label.to_bytes() for _, label in live],
        f"replay: the telemetry log gives the {len(facts.replayed)} published labels back, signatures included",
    )


def newest(labels: Sequence[tuple[int, Label]]) -> list[tuple[int, Label]]:
    """Leave out labels that a later one about the same subject and value has superseded."""
    last = {(label.uri, label.val): seq for seq, label in labels}
    return [(seq, label) for seq, label in labels if last[label.uri, label.val] == seq]


def _place(seen: Seen | None) -> str:
    return "never" if seen is None else f"seq {seen.seq}"
