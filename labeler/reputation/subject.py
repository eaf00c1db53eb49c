"""One DID in the fold, and what the fold says: labels to publish, and notices for people."""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

from labeler.atproto.label import Label
from labeler.reputation.decisions import Member
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import SubjectWindows

MILLISECOND: Final = timedelta(milliseconds=1)

NoticeKind = Literal["breaker", "incident", "removed-domain", "abuse-report", "unanswered", "appeal", "case-reminder"]
NOTICE_KINDS: Final[tuple[NoticeKind, ...]] = get_args(NoticeKind)


class Subject:
    """One DID: what was counted, what was decided, and the `cts` last used for each of its labels.

    `owed`: it was last judged in silence, and what was held back then is due when it is next heard of. `shadow`: what
    would have been decided about it, where any rule only pretends. `calm`: the hour of the last look, after which no
    rule can fire up to the hour `calm_to` and before `calm_until` messages were accepted in all, nor is it clean before
    `calm_reaches` deliveries, unless the windows are stirred; -1 where a look is due.
    """

    __slots__ = (
        "calm",
        "calm_reaches",
        "calm_to",
        "calm_until",
        "member",
        "owed",
        "shadow",
        "stamped",
        "timer",
        "windows",
    )

    def __init__(self) -> None:
        self.windows = SubjectWindows()
        self.member = Member()
        self.shadow: Member | None = None
        self.stamped: dict[str, datetime] = {}
        self.timer: datetime | None = None
        self.owed = False
        self.calm = -1
        self.calm_to = -1
        self.calm_reaches = 0
        self.calm_until = 0

    def stamp(self, val: str, now: datetime) -> datetime:
        """The `cts` of a label issued at `now`: later than any before it of the same value (label spec)."""
        last = self.stamped.get(val)
        stamp = now if last is None or now > last else last + MILLISECOND
        self.stamped[val] = stamp
        return stamp


class Emission(NamedTuple):
    """A label to sign and publish, with the evidence and the words behind it; in `shadow` it is only to be recorded."""

    label: Label
    evidence: bytes
    evidence_cid: str
    actor: str
    reason: str
    rule: str
    received: datetime
    shadow: bool = False


class Notice(NamedTuple):
    """Something people should look at that is no label. `about` is a DID or a provider, `text` a sentence.

    `case` is the number of the case that waits for a decision, where there is one; `asks` says that the member's clock
    was started by it.
    """

    kind: NoticeKind
    about: str
    at: datetime
    text: str
    case: int | None = None
    asks: bool = False


def epoch(moment: datetime) -> int:
    """Whole seconds since the epoch."""
    return int(moment.timestamp())


def slate_floor(member: Member) -> int:
    """From when on a member's mail counts (epoch seconds): the hour after a human's lift, 0 when there was none.

    Windows are made of whole hours; the rest of the lifted hour is given to the member.
    """
    if member.clean_slate is None:
        return 0
    return (epoch(member.clean_slate) // HOUR_S + 1) * HOUR_S


def whole_milliseconds(moment: datetime) -> datetime:
    """Cut off what a label cannot say, so that our state and the published `cts` and `exp` never differ."""
    return moment - timedelta(microseconds=moment.microsecond % 1000)
