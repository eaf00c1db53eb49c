"""The operators' desk: every decision a human makes, checked and written to the input log.

Rule 1: a door translates, the desk decides who may do what. Rule 2: whoever decides on a case says which revision of it
was looked at; of two who decide at once one is told so. Rule 3: an answer is given once the fold has taken the word in
and its labels are published. Rule 4: words that decide about a member take turns, so that each is checked against what
the one before it left behind; while that is not in effect, the next one is refused.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from labeler.errors import BadInput, Unavailable
from labeler.moderation.cases import Case, CaseBook, CaseKind
from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.definitions import MAIL_REMOVED, VALUES
from labeler.reputation.inputs import Automation, CaseAction, Decision, Override, Question
from labeler.reputation.intake import REPEATED, changed
from labeler.reputation.judge import ENFORCE, PAUSE, SHADOW, Judge
from labeler.reputation.policy import Policy
from labeler.reputation.reports import name_question
from labeler.service.access import Operator, Role, require_operator
from labeler.service.ingest import Ingest
from labeler.service.operator.resolutions import REMOVE, Resolution, check_resolution, resolved
from labeler.service.pipeline import Pipeline

MAX_COMMENT_BYTES: Final = 4_000  # it becomes the reason in an evidence record
MAX_TAGS: Final = 20
MAX_TAG_BYTES: Final = 64
PUBLISH_SECONDS: Final = 30.0  # how long an answer waits for the labels

NEEDED: Final = {
    "label": Role.MODERATOR,
    "comment": Role.TRIAGE,
    "acknowledge": Role.TRIAGE,
    "escalate": Role.TRIAGE,
    "tag": Role.TRIAGE,
    "mute": Role.TRIAGE,
    "unmute": Role.TRIAGE,
    "resolve-appeal": Role.MODERATOR,
}
"""Events about a member, and the role each needs."""

ACTS: Final = {
    "claim": Role.TRIAGE,
    "release": Role.TRIAGE,
    "comment": Role.TRIAGE,
    "resolve": Role.MODERATOR,
    "reopen": Role.MODERATOR,
}
"""Actions on a case, and the role each needs."""

_IN_TURN: Final = frozenset({"label", "acknowledge", "resolve-appeal"})  # events that decide: those of a removal do too


class Event(NamedTuple):
    """What an operator says about a member. `hours` None: until further notice."""

    kind: str
    did: str
    apply: tuple[str, ...] = ()
    negate: tuple[str, ...] = ()
    hours: int | None = None
    comment: str | None = None
    external_id: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    sticky: bool = False
    tool: str | None = None


class Desk:
    """Takes operators' words. `removal_delay`: after it the admin who proposed a removal may confirm it alone."""

    def __init__(
        self, judge: Judge, cases: CaseBook, ingest: Ingest, pipeline: Pipeline, removal_delay: timedelta
    ) -> None:
        self._judge = judge
        self._cases = cases
        self._ingest = ingest
        self._pipeline = pipeline
        self._removal_delay = removal_delay
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._waiting: dict[str, int] = {}  # DID → where the newest decision about it stands that is not in effect

    async def decide(self, operator: Operator, event: Event) -> tuple[Decision, int]:
        """Write an event about a member. A removal takes two: the first proposes, the second confirms.

        Raises `BadInput`, `Unavailable`.
        """
        removal = MAIL_REMOVED in (*event.apply, *event.negate)
        require_operator(operator, Role.ADMIN if removal else NEEDED[event.kind])
        _check_words(event.comment, (*event.add_tags, *event.remove_tags))
        if event.external_id is not None:  # sent again it is the same word, whatever may be said now
            self._ingest.check_external_id(event.external_id, event.did, event.kind)
        if MAIL_REMOVED in event.apply:
            if event.apply != (MAIL_REMOVED,) or event.negate or event.hours is not None:
                raise BadInput(f"{MAIL_REMOVED} stands alone and has no end: what else there is, it takes back itself.")
            proposed = self._cases.find_open(CaseKind.REMOVAL, event.did)
            if proposed is None:
                return await self.propose_removal(operator, event.did, event.comment, event.external_id)
            return await self.confirm_removal(operator, event.did, event.comment, event.external_id)

        def draft(received: datetime) -> Decision:
            return Decision(
                received,
                operator.did,
                event.did,
                event.kind,
                event.apply,
                event.negate,
                event.hours,
                event.comment,
                event.external_id,
                event.add_tags,
                event.remove_tags,
                event.sticky,
                event.tool,
            )

        if event.kind in _IN_TURN:
            async with self._turn(event.did):
                return await self._decided(draft, self._check_active)
        return await self._decided(draft, self._check_active)

    async def propose_removal(
        self, operator: Operator, did: str, comment: str | None = None, external_id: str | None = None
    ) -> tuple[Decision, int]:
        """Propose that a member be removed: a case opens, and nothing else happens.

        Raises `BadInput` (AlreadyProposed, AlreadyRemoved), `Unavailable`.
        """
        require_operator(operator, Role.ADMIN)
        _check_words(comment)

        def draft(received: datetime) -> Decision:
            if self._cases.find_open(CaseKind.REMOVAL, did) is not None:
                raise BadInput("The removal of this member was proposed already; confirm it.", name="AlreadyProposed")
            removal = self._active(did).get(MAIL_REMOVED)
            if removal is not None and (removal.exp is None or removal.exp > received):
                raise BadInput("The member is removed already.", name="AlreadyRemoved")
            return Decision(received, operator.did, did, "propose-removal", comment=comment, external_id=external_id)

        async with self._turn(did):
            return await self._decided(draft)

    async def confirm_removal(
        self, operator: Operator, did: str, comment: str | None = None, external_id: str | None = None
    ) -> tuple[Decision, int]:
        """Remove a member whose removal another admin proposed, or the same one long enough ago.

        Raises `BadInput` (NotProposed, NeedsAnother), `Unavailable`.
        """
        require_operator(operator, Role.ADMIN)
        _check_words(comment)

        def draft(received: datetime) -> Decision:
            proposal = Decision(received, operator.did, did, "propose-removal", external_id=external_id)
            if self._ingest.repeats(proposal):  # a proposal sent again confirms nothing
                raise BadInput(REPEATED, name="DuplicateExternalId")
            case = self._cases.find_open(CaseKind.REMOVAL, did)
            if case is None:
                raise BadInput("Nobody proposed to remove this member; propose it first.", name="NotProposed")
            alone_from = case.opened + self._removal_delay
            if case.entries[0].actor == operator.did and received < alone_from:
                message = (
                    f"Another admin must confirm a removal; you may yourself from {alone_from:%Y-%m-%dT%H:%MZ} on."
                )
                raise BadInput(message, name="NeedsAnother", status=403)
            return Decision(
                received,
                operator.did,
                did,
                "confirm-removal",
                (MAIL_REMOVED,),
                comment=comment,
                external_id=external_id,
            )

        async with self._turn(did):
            return await self._decided(draft)

    def alone_from(self, did: str) -> datetime | None:
        """From when on the admin who proposed to remove a member may confirm it alone; None when nobody proposed it."""
        case = self._cases.find_open(CaseKind.REMOVAL, did)
        return case.opened + self._removal_delay if case is not None else None

    async def act(
        self, operator: Operator, number: int, act: str, *, comment: str | None = None, revision: int | None = None
    ) -> tuple[CaseAction, int]:
        """Claim, release, comment on or reopen a case; `revision` None: whatever it is now.

        Raises `BadInput` (CaseNotFound, CaseChanged, CaseClosed, CaseClaimed, CaseOpen), `Unavailable`.
        """
        require_operator(operator, ACTS[act])
        _check_words(comment)
        if act == "comment" and not comment:
            raise BadInput("A comment says something.")

        def draft(received: datetime) -> CaseAction:
            case = self.case(number)
            self._check_act(operator, case, act)
            seen = case.revision if revision is None else revision
            return CaseAction(
                received, operator.did, number, act, case.kind, _member(case), comment=comment, revision=seen
            )

        return await self._acted(draft)

    def _check_act(self, operator: Operator, case: Case, act: str) -> None:
        if act in {"claim", "release"}:
            if case.closed is not None:
                raise _closed(case)
            if case.assignee not in {None, operator.did}:
                if act == "claim":
                    message = f"Case {case.number} is {case.assignee}'s; a moderator may release it."
                    raise BadInput(message, name="CaseClaimed")
                require_operator(operator, Role.MODERATOR)
        elif act == "reopen":
            if case.closed is None:
                raise BadInput(f"Case {case.number} is open.", name="CaseOpen")
            other = self._cases.find_open(case.kind, case.about)
            if other is not None:
                raise BadInput(f"Case {other.number} about the same is open already.", name="CaseOpen")
            if case.kind is CaseKind.REMOVAL:
                raise BadInput("A removal is proposed anew: its case does not open again.")

    async def resolve(
        self, operator: Operator, number: int, resolution: Resolution, *, revision: int | None = None
    ) -> tuple[CaseAction | Decision, int]:
        """Decide a case, with all that follows for its subject; `remove` proposes that, and the case stays open.

        Raises `BadInput` as `act` does (and NothingActive, StillRestricted, AlreadyProposed, AlreadyRemoved),
        `Unavailable`.
        """
        require_operator(operator, ACTS["resolve"])
        _check_words(resolution.comment)
        policy = self.policy()

        def checked(received: datetime) -> tuple[Case, dict[str, Any]]:
            case = self.case(number)
            if case.closed is not None:
                raise _closed(case)
            active, proposed = self.situation(case)
            check_resolution(case, resolution, operator, active, proposed, received)
            return case, resolved(case, resolution, active, policy, received)

        def draft(received: datetime) -> CaseAction:
            case, effects = checked(received)
            return CaseAction(
                received,
                operator.did,
                number,
                "resolve",
                case.kind,
                _member(case),
                resolution=resolution.name,
                comment=resolution.comment,
                revision=case.revision if revision is None else revision,
                **effects,
            )

        def proposal(received: datetime) -> Decision:
            case, _ = checked(received)
            if revision is not None and revision != case.revision:
                raise changed(number, case.revision)
            return Decision(received, operator.did, case.about, "propose-removal", comment=resolution.comment)

        async with self._turn(self.case(number).about):
            return await (self._decided(proposal) if resolution.name == REMOVE else self._acted(draft))

    def situation(self, case: Case) -> tuple[Mapping[str, ActiveLabel], bool]:
        """What stands between a case and its resolutions: its subject's labels, and whether a removal is proposed."""
        return self._active(case.about), self._cases.find_open(CaseKind.REMOVAL, case.about) is not None

    async def ask(self, operator: Operator, did: str, comment: str | None = None) -> tuple[Question, int]:
        """Ask a member to explain: the clock of the acceptable-use page runs. Raises `BadInput`, `Unavailable`."""
        require_operator(operator, Role.MODERATOR)
        _check_words(comment)
        question, position = await self._ingest.ask(lambda received: Question(received, operator.did, did, comment))
        await self._taken_in(position)
        return question, position

    def answer_by(self, question: Question) -> tuple[datetime, bool]:
        """When the member's time is up, and whether its clock ran before this question already."""
        within, asked = self.policy().abuse.answer_within.seconds, self._judge.asked(question.did, question.received)
        if not asked:  # it waits to be judged, or was answered in the same breath
            return question.received + timedelta(seconds=within), False
        began_s = max(report.asked_s or 0 for report in asked)
        again = all(report.asked_by != name_question(question.received) for report in asked)
        return datetime.fromtimestamp(began_s + within, UTC), again

    async def override(self, operator: Operator, draft: Callable[[datetime], Override]) -> tuple[Override, int]:
        """Grant one member other terms than the policy's, or take that back. Raises `BadInput`, `Unavailable`."""
        require_operator(operator, Role.ADMIN)
        override, position = await self._ingest.override(draft, [rule.id for rule in self.policy().rules])
        await self._taken_in(position)
        return override, position

    async def automate(self, operator: Operator, mode: str, comment: str | None = None) -> tuple[Automation, int]:
        """Let the rules decide, only pretend, or rest. Raises `BadInput`, `Unavailable`."""
        require_operator(operator, Role.ADMIN)
        _check_words(comment)
        if mode not in {ENFORCE, SHADOW, PAUSE}:
            raise BadInput(f"mode must be {ENFORCE}, {SHADOW} or {PAUSE}, not {mode[:40]!r}.")
        word, position = await self._ingest.automate(lambda received: Automation(received, operator.did, mode, comment))
        await self._taken_in(position)
        return word, position

    def case(self, number: int) -> Case:
        """The case of that number; raises `BadInput` (CaseNotFound)."""
        case = self._cases.cases.get(number)
        if case is None:
            raise BadInput(f"There is no case {number}.", name="CaseNotFound")
        return case

    def policy(self) -> Policy:
        """The policy in force; raises `Unavailable` before the first."""
        if self._judge.policy is None:
            raise Unavailable("no policy is in force yet; try again in a moment")
        return self._judge.policy

    def taken(self, position: int) -> bool:
        """Whether a word is judged, and what it leads to published; if not yet, it will be without anybody's doing."""
        return self._pipeline.position >= position

    def _active(self, did: str) -> Mapping[str, ActiveLabel]:
        subject = self._judge.subjects.get(did)
        return dict(subject.member.active) if subject is not None else {}

    def _check_active(self, decision: Decision) -> None:
        """Refuse to take back what does not stand; a value that is none is left to the intake to name."""
        active = self._active(decision.did)
        standing = {val for val, label in active.items() if label.exp is None or decision.received < label.exp}
        missing = sorted({*decision.negate} & VALUES - standing - {*decision.apply})
        if missing:
            raise BadInput(f"Not active on this account, so that it cannot be negated: {', '.join(missing)}.")

    @contextlib.asynccontextmanager
    async def _turn(self, about: str) -> AsyncIterator[None]:
        """One decision at a time about a member, and none while the one before it is not in effect.

        Raises `BadInput` (NotEnoughResources): what would be decided now, nobody could check.
        """
        lock = self._turns.setdefault(about, asyncio.Lock())
        async with lock:
            before = self._waiting.get(about, 0)
            await self._taken_in(before)
            if not self.taken(before):
                message = "A decision about this member is not yet in effect; look again in a moment."
                raise BadInput(message, name="NotEnoughResources", status=503)  # in words: nothing is broken
            yield

    def _decides(self, did: str, position: int) -> None:
        """Note a decision about a member, until it is in effect."""
        self._waiting = {about: at for about, at in self._waiting.items() if not self.taken(at)} | {did: position}

    async def _decided(
        self, draft: Callable[[datetime], Decision], check: Callable[[Decision], None] = lambda _: None
    ) -> tuple[Decision, int]:
        decision, position = await self._ingest.decide(draft, check)
        if decision.event in _IN_TURN or decision.event.endswith("-removal"):
            self._decides(decision.did, position)
        await self._taken_in(position)
        return decision, position

    async def _acted(self, draft: Callable[[datetime], CaseAction]) -> tuple[CaseAction, int]:
        action, position = await self._ingest.act(draft)
        if action.act == "resolve":
            self._decides(action.did, position)
        await self._taken_in(position)
        return action, position

    async def _taken_in(self, position: int) -> None:
        """Wait, for a while, until what an operator said is judged and what it leads to is published.

        It is durable already, and takes effect as soon as the pipeline gets there: an error would be a lie.
        """
        with contextlib.suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._pipeline.reached(position)


def _closed(case: Case) -> BadInput:
    return BadInput(f"Case {case.number} was closed by {case.closed_by}: {case.resolution}.", name="CaseClosed")


def _member(case: Case) -> str:
    return "" if case.kind is CaseKind.INCIDENT else case.about


def _check_words(comment: str | None, tags: Sequence[str] = ()) -> None:
    if comment is not None and len(comment.encode()) > MAX_COMMENT_BYTES:
        raise BadInput(f"comment is longer than {MAX_COMMENT_BYTES} bytes.")
    if len(tags) > MAX_TAGS or any(not tag or len(tag.encode()) > MAX_TAG_BYTES for tag in tags):
        raise BadInput(f"At most {MAX_TAGS} tags of 1 to {MAX_TAG_BYTES} bytes.")
