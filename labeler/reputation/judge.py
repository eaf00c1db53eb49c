"""The fold: one input record at a time, label changes out. Everything published can be computed again from here.

Rule 1: `received` is the only now. Rule 2: events are counted by the time they happened, those of one record in that
order. Rule 3: subjects touched by a record are judged once, after all of it is counted, in the order of their DIDs: the
order inside a batch changes nothing. Rule 4: timers are inputs too; `due` says when the shell must write the next
`Tick`.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from labeler.atproto.syntax import format_datetime
from labeler.reputation.breaker import Breaker
from labeler.reputation.decisions import Change, Grant, Member, apply_decision, expire, membership, removed_domain
from labeler.reputation.definitions import ADVERSE, MAIL_REMOVED, MAIL_SUSPENDED
from labeler.reputation.enrolments import enrol
from labeler.reputation.events import Kind, SendEvent, in_order
from labeler.reputation.findings import checks_of
from labeler.reputation.incidents import Incidents
from labeler.reputation.inputs import (
    Answer,
    Automation,
    Batch,
    CaseAction,
    Decision,
    Input,
    Override,
    PolicyActivated,
    Question,
    Report,
    Tick,
)
from labeler.reputation.metrics import ASKED, Setting
from labeler.reputation.outcomes import Classifier
from labeler.reputation.policy import Caps, Mode, Policy, Rule, parse_policy
from labeler.reputation.pool import Pool
from labeler.reputation.reports import Report as AbuseReport
from labeler.reputation.reports import describe, name_question
from labeler.reputation.shared_domains import SharedDomains
from labeler.reputation.subject import Emission, Notice, Subject, epoch, slate_floor, whole_milliseconds
from labeler.reputation.sweeping import SWEEP_HOURS, Sweeping
from labeler.reputation.verdicts import Verdicts, is_restless
from labeler.reputation.volume import HOUR_S
from labeler.reputation.windows import Circumstances, SubjectWindows, binding_floor

DEFAULT_CAPS: Final = Caps(hourly=100, daily=1000)
DEFAULT_BLOCK_S: Final = 7 * 86_400
ENFORCE, SHADOW, PAUSE = "enforce", "shadow", "pause"  # what an operator may tell the rules to do
_ENROLMENT: Final = frozenset({Kind.ENROLLED, Kind.UNENROLLED})
_TOLD: Final = _ENROLMENT | {Kind.ABUSE_REPORTED}


class Judge:
    """State of the fold. `src` is the labeler's own DID, the source of every label it yields."""

    def __init__(self, src: str) -> None:
        self.src = src
        self.subjects: dict[str, Subject] = {}
        self.pool = Pool()
        self.incidents = Incidents()
        self._verdicts = Verdicts(src, self.subjects)
        self._classifier = Classifier(None)
        self._checks = checks_of(())
        self._domains = SharedDomains(self.subjects)
        self._sweeping = Sweeping(self.subjects, self.pool, self.incidents)
        self.automation = ENFORCE
        self.enacted: Policy | None = None  # the policy in force as it is written, whatever the automation makes of it
        self._text: PolicyActivated | None = None
        self._pardoned: set[str] = set()  # members to be looked at again, while the rules rest

    @property
    def policy(self) -> Policy | None:
        """The policy in force, None before the first activation."""
        return self._verdicts.policy

    @property
    def policy_hash(self) -> str | None:
        """Hash of the policy in force, None before the first activation."""
        return self.policy.hash if self.policy is not None else None

    @property
    def may_suspend(self) -> bool:
        """Whether the breaker has room, as of the newest telemetry; before the first there is nothing to hold back."""
        return self._verdicts.heard is None or self._verdicts.breaker.closed

    @property
    def breaker(self) -> Breaker:
        """What holds automatic suspensions back."""
        return self._verdicts.breaker

    @property
    def notices(self) -> deque[Notice]:
        """What people should look at; whoever reads them takes them out."""
        return self._verdicts.notices

    def step(self, record: Input) -> list[Emission]:
        """Take one record in; return the labels it leads to, in the order they are to be published."""
        now = whole_milliseconds(record.received)
        if isinstance(record, Batch):
            return self._batch(record, now)
        if isinstance(record, Tick):
            return self._tick(now)
        if isinstance(record, Decision):
            return self._decision(record, now)
        if isinstance(record, Question):
            return self._question(record, now)
        if isinstance(record, Override):
            return self._override(record, now)
        if isinstance(record, CaseAction):
            return self._act(record, now)
        if isinstance(record, Report | Answer):
            return self._hear(record, now)
        if isinstance(record, Automation):
            return self._automate(record, now)
        return self._activate(record)

    def touch(self, did: str, now: datetime) -> list[Emission]:
        """What a record received at `now` leads to that was about `did` and is counted already."""
        self._heard((did,), now)
        return self._judge(did, self.subjects[did], now)

    def due(self) -> datetime | None:
        """When the next timer fires, or None while nothing is pending, or the rules rest."""
        return self._verdicts.timers.due() if self.automation != PAUSE else None

    def caps(self, member: Member, now: datetime) -> Caps:
        """The caps agreed with a member: what an operator granted, else its enrolment, else the policy's."""
        default = self.policy.caps if self.policy is not None else DEFAULT_CAPS
        grant, hourly, daily = member.grant, member.hourly_cap, member.daily_cap
        if grant is not None and grant.stands(now):
            hourly, daily = grant.hourly_cap or hourly, grant.daily_cap or daily
        if hourly is None and daily is None:
            return default
        return Caps(hourly=hourly or default.hourly, daily=daily or default.daily)

    def setting(self, member: Member, policy: Policy, now: datetime) -> Setting:
        """What a member is measured in at `now`."""
        within_s = policy.abuse.answer_within.seconds
        return Setting(self.caps(member, now), member.domains, self.pool, self.incidents.stretches, within_s)

    def rules_for(self, member: Member, now: datetime) -> tuple[Rule, ...]:
        """The rules that judge a member, those in shadow included, without what an operator exempted it from."""
        rules = tuple(self.policy.rules) if self.policy is not None else ()
        grant = member.grant
        exempt = grant.exempt if grant is not None and grant.stands(now) else ()
        return tuple(rule for rule in rules if rule.id not in exempt)

    def asked(self, did: str, now: datetime) -> list[AbuseReport]:
        """What an operator asked a member and is waiting to hear; asked once more, it would be no other question."""
        subject = self.subjects.get(did)
        if subject is None or subject.windows.reports is None:
            return []
        return subject.windows.reports.asked(self._asked_since(subject.member, now))

    def _asked_since(self, member: Member, now: datetime) -> int:
        """From when on a question still counts (epoch seconds): one that no rule looks back to may be asked anew."""
        rules = self.policy.rules if self.policy is not None else ()
        looked_back_s = min((rule.window.seconds for rule in rules if rule.metric == ASKED), default=0)
        return max(epoch(now) - looked_back_s, slate_floor(member))

    def _batch(self, batch: Batch, now: datetime) -> list[Emission]:
        subjects, hour = self.subjects, epoch(now) // HOUR_S
        known = self._circumstances(batch.relay, now)
        touched: dict[str, Subject] = {}
        enrolments: list[SendEvent] = []
        for event in in_order(batch.events):
            did = event.did
            subject = touched.get(did)
            if subject is None:
                subject = touched[did] = subjects.get(did) or self._enter(did)
            subject.windows.record(event, int(event.at.timestamp()), known)
            if event.kind not in _TOLD:
                continue
            if event.kind in _ENROLMENT:
                enrolments.append(event)
            else:
                self._report(event, subject, now)
        for subject in touched.values():
            subject.windows.ledger.seal(batch.relay)
        self._heard(touched, now)
        pardoned = self._look_for_incidents(now)
        emissions, swept = self._enrol(enrolments, now), hour - SWEEP_HOURS
        restless = (did for did, subject in touched.items() if is_restless(subject, self.policy, now, hour, swept))
        for did in sorted(pardoned.union(restless)):
            emissions += self._judge(did, subjects[did], now, pardoned=did in pardoned)
        for windows in self._sweeping.next(hour):
            self._sweeping.sweep(windows, hour)
        return emissions

    def _circumstances(self, relay: str, now: datetime) -> Circumstances:
        policy, now_s = self.policy, epoch(now)
        known = Circumstances(relay, binding_floor(now_s // HOUR_S), self._classifier, self.pool, now_s=now_s)
        if policy is None:
            return known
        grace_s, auto_ask = policy.suppression.grace.seconds, policy.abuse.auto_ask
        return known._replace(grace_s=grace_s, auto_ask=auto_ask, sharers=self._domains.sharers)

    def _heard(self, dids: Iterable[str], now: datetime) -> None:
        self._verdicts.breaker.heard_of(dids, epoch(now) // HOUR_S)
        self._verdicts.heard = now
        self._refill(now)

    def _refill(self, now: datetime) -> None:
        if self.policy is not None:
            self._verdicts.breaker.refill(self.policy.guards, now)

    def _enter(self, did: str) -> Subject:
        subject = self.subjects[did] = Subject()
        self._sweeping.enter(did)
        return subject

    def _report(self, event: SendEvent, subject: Subject, now: datetime) -> None:
        """Tell people of an abuse report, and arm the clock of those that run by themselves."""
        self._tell_report(event.did, event.id, event.category or "none", now)
        self._verdicts.arm(event.did, subject, now)

    def _tell_report(self, did: str, report_id: str, category: str, now: datetime) -> None:
        """Its category says how soon people must look, and nothing else."""
        urgency = self.policy.abuse.urgency.get(category) if self.policy is not None else None
        asks = self.policy is not None and self.policy.abuse.auto_ask
        self._verdicts.note("abuse-report", did, now, describe(report_id, category, urgency or "routine"), asks=asks)

    def _look_for_incidents(self, now: datetime) -> frozenset[str]:
        """Find providers to blame; return the members that lost recipients there."""
        if not self.pool.touched:
            return frozenset()
        if self.policy is None:
            self.pool.touched.clear()
            return frozenset()
        before = {provider: list(hours) for provider, hours in self.incidents.stretches.items()}
        found = self.incidents.look(self.pool, self._windows, self.policy.incident)
        for provider, dids in found.items():
            for hours in self.incidents.new_stretches(provider, before):
                text = f"fails for {len(set(dids))} members, clean elsewhere: {hours}"
                self._verdicts.note("incident", provider, now, text)
        return frozenset(did for dids in found.values() for did in dids)

    def _windows(self, did: str) -> SubjectWindows:
        return self.subjects[did].windows

    def _enrol(self, events: Iterable[SendEvent], now: datetime) -> list[Emission]:
        emissions: list[Emission] = []
        for event in sorted(events, key=lambda event: (event.did, event.at, event.id)):
            subject = self.subjects[event.did]
            member, before = subject.member, frozenset(subject.member.domains)
            if not enrol(member, event):
                continue
            subject.calm = -1  # its caps may be others now
            for domain in sorted(before ^ member.domains.keys()):
                self._domains.share(event.did, domain)
            changes = membership(member, now)
            for domain in sorted(member.domains.keys() - before):
                changes += self._returned(event.did, domain, now)
            if changes:
                emissions += self._verdicts.say(event.did, subject, changes, now)
                self._verdicts.arm(event.did, subject, now)
        return emissions

    def _returned(self, did: str, domain: str, now: datetime) -> list[Change]:
        """What follows when `domain`, new to `did`, had been removed together with somebody else."""
        owner = self._domains.removed_owner(did, domain, now)
        if self.policy is None or owner is None:
            return []
        self._verdicts.note("removed-domain", did, now, f"enrolled {domain}, which was removed together with {owner}")
        if self.automation != ENFORCE:
            return []
        return removed_domain(self.subjects[did].member, domain, self.policy, now)

    def _tick(self, now: datetime) -> list[Emission]:
        self._refill(now)
        emissions: list[Emission] = []
        while self.automation != PAUSE and (fired := self._verdicts.timers.pop(now)) is not None:
            emissions += self._judge(*fired, now)
        return emissions

    def _decision(self, decision: Decision | CaseAction, now: datetime) -> list[Emission]:
        subject = self.subjects.get(decision.did) or self._enter(decision.did)
        emissions = self._tick(now)  # what came due before the decision happens before it
        lapsed = expire(subject.member, now)
        block_s = self.policy.ladder.operator_block.seconds if self.policy is not None else DEFAULT_BLOCK_S
        changes = apply_decision(subject.member, decision, now, block_s)
        emissions += self._verdicts.say(decision.did, subject, changes, now, by_operator=True)
        if self.automation == PAUSE and ADVERSE.isdisjoint((*decision.apply, *decision.negate)):
            subject.member.active = lapsed | subject.member.active  # for the rules to see when they go on
        if isinstance(decision, Decision) and decision.event == "acknowledge":
            subject.windows.reported().answer(epoch(now))  # as `_act`
        if MAIL_REMOVED in decision.apply:
            self._domains.removed(decision.did)
        elif MAIL_REMOVED in decision.negate:
            self._domains.restored(decision.did)
            emissions += self._verdicts.say(decision.did, subject, membership(subject.member, now), now)
        if MAIL_SUSPENDED in decision.negate:
            self._domains.accepted(decision.did)
        self._verdicts.arm(decision.did, subject, now)
        return emissions

    def _question(self, question: Question, now: datetime) -> list[Emission]:
        subject = self.subjects.get(question.did) or self._enter(question.did)
        emissions = self._tick(now)
        from_s = max(epoch(now), slate_floor(subject.member))  # a question right after a lift counts too
        reports = subject.windows.reported()
        reports.ask(name_question(question.received), epoch(now), from_s, self._asked_since(subject.member, now))
        self._verdicts.arm(question.did, subject, now)
        return emissions

    def _act(self, action: CaseAction, now: datetime) -> list[Emission]:
        """What an action on a case changes about its subject; most change nothing.

        Reports that a person has decided on wait for no answer any more: silence about them is held against nobody.
        """
        emissions: list[Emission] = []
        subject = self.subjects.get(action.did)
        if (action.act, action.kind) == ("resolve", "abuse-report") and subject is not None:
            emissions += self._tick(now)
            subject.windows.reported().answer(epoch(now))
            self._verdicts.arm(action.did, subject, now)
        if action.exempt or action.hourly_cap is not None or action.daily_cap is not None:
            emissions += self._override(action, now)
        if action.apply or action.negate:
            emissions += self._decision(action, now)
        return emissions

    def _hear(self, word: Report | Answer, now: datetime) -> list[Emission]:
        """A report is one more for people to look at; an answer stops the clock. An appeal judges nobody either way."""
        subject = self.subjects.get(word.did) or self._enter(word.did)
        emissions, reports = self._tick(now), subject.windows.reported()
        if isinstance(word, Answer):
            reports.answer(epoch(now))
        elif word.appeal:
            self._verdicts.note("appeal", word.did, now, "the account asks people to look again")
        else:
            auto_ask = self.policy is not None and self.policy.abuse.auto_ask
            report_id = f"report {format_datetime(now)}"
            reports.report(report_id, epoch(now), word.category, epoch(now) if auto_ask else None)
            self._tell_report(word.did, report_id, word.category, now)
        self._verdicts.arm(word.did, subject, now)
        return emissions

    def _automate(self, word: Automation, now: datetime) -> list[Emission]:
        """From here on the rules decide, pretend or rest. What they decided before ends as dated.

        What comes due while they rest is looked at when they go on, in one go; what was counted meanwhile, with the
        member's next mail.
        """
        emissions = self._tick(now)  # what came due before happens before
        self.automation, self._verdicts.resting = word.mode, word.mode == PAUSE
        if self._text is not None:
            self._activate(self._text)
        emissions += self._tick(now)
        if self.automation != PAUSE:
            pardoned, self._pardoned = sorted(self._pardoned), set()
            for did in pardoned:
                emissions += self._judge(did, self.subjects[did], now, pardoned=True)
        return emissions

    def _override(self, override: Override | CaseAction, now: datetime) -> list[Emission]:
        subject = self.subjects.get(override.did) or self._enter(override.did)
        emissions = self._tick(now)
        until = now + timedelta(hours=override.duration_h) if override.duration_h is not None else None
        grant = Grant(override.operator, until, override.exempt, override.hourly_cap, override.daily_cap)
        subject.calm = -1
        subject.member.grant = grant if grant.exempt or grant.hourly_cap or grant.daily_cap else None
        return emissions + self._judge(override.did, subject, now)

    def _activate(self, record: PolicyActivated) -> list[Emission]:
        """From here on another policy decides; subjects are judged by it when they are next touched."""
        self._text = record
        policy = self.enacted = parse_policy(record.text)
        if self.automation == SHADOW:
            policy = msgspec.structs.replace(policy, mode=Mode.SHADOW)
        self._verdicts.policy = policy
        self._checks = checks_of(policy.rules)
        self._sweeping.follow(policy)
        self._classifier = Classifier(policy.outcomes)
        for subject in self.subjects.values():
            subject.calm = -1
            if not policy.shadowed:
                subject.shadow = None
        return []

    def _judge(self, did: str, subject: Subject, now: datetime, *, pardoned: bool = False) -> list[Emission]:
        policy = self.policy
        if policy is not None:
            self._verdicts.tell_silence(did, subject, policy, now)
        if policy is None or self.automation == PAUSE:
            if pardoned:
                self._pardoned.add(did)
            return []
        self._sweeping.sweep(subject.windows, epoch(now) // HOUR_S)
        checks, grant = self._checks, subject.member.grant
        if grant is not None and not grant.stands(now):
            subject.member.grant, subject.calm = None, -1  # what was granted has run out
        elif grant is not None and grant.exempt:
            checks = checks_of(self.rules_for(subject.member, now))
        setting = self.setting(subject.member, policy, now)
        return self._verdicts.reach(did, subject, setting, checks, now, pardoned=pardoned)
