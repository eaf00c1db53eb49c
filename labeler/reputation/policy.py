"""The policy as data: read from TOML, checked key by key, hashed. Nothing here judges; `findings` and `decisions` do.

Rule 1: every number the judgement uses stands in the file. Rule 2: an unknown key is an error. Rule 3: the hash of the
text travels with every decision. Rule 4: what is refused here could not be judged by at all; what a sound file must
promise besides is proved in `proofs`, when a file is taken up.
"""

import hashlib
import math
import re
import tomllib
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from labeler.errors import Misconfigured
from labeler.reputation.catalogue import CATALOGUE, INTERVALS, Scale
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.line_numbers import locate

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_LONGEST_S = 3650 * 86_400  # a moment that far ahead can still be written as a date
_LARGEST = 2**53 - 1  # what JSON readers keep exactly; every whole number may show up in an answer
# Bytes, as `email.atmos.reputation.getPolicy` and the labels' evidence bound what they show of a policy.
_TEXT_BYTES = 262_144
_NAME_BYTES = 1024
_SOURCE_BYTES = 8192
_REASON_BYTES = 4096  # a suspension gives the summaries of all rules that led to it
_RULES = 100
_PLACE = re.compile(r"`\$\.?([^`]*)`")  # where msgspec says a value stands


class Span:
    """A duration as the policy writes it ("24h"), in whole seconds."""

    __slots__ = ("seconds", "text")

    def __init__(self, text: str) -> None:
        matched = _SPAN.fullmatch(text)
        if matched is None or int(matched[1]) * _UNITS[matched[2]] > _LONGEST_S:
            raise ValueError(
                f"{text!r} is not a duration up to ten years; write a number and s, m, h or d, such as 24h"
            )
        self.text = text
        self.seconds = int(matched[1]) * _UNITS[matched[2]]

    def __repr__(self) -> str:
        return f"Span({self.text!r})"


Share = Annotated[float, Meta(gt=0, lt=1)]
Whole = Annotated[int, Meta(ge=0, le=_LARGEST)]
Count = Annotated[int, Meta(ge=1, le=_LARGEST)]
Confidence = Annotated[float, Meta(gt=0, le=0.999999)]  # nearer to one, the normal quantile runs away
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}\Z")]
Permanent = Annotated[str, Meta(pattern=r"^5\.[0-9]{1,3}\.([0-9]{1,3}|\*)\Z")]  # RFC 3463 §3: class 5


class Mode(StrEnum):
    """Whether what is decided is published, or only recorded."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Urgency(StrEnum):
    """How soon a human must look at an abuse report."""

    ROUTINE = "routine"
    URGENT = "urgent"
    IMMEDIATE = "immediate"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors everywhere in the file."""


class Outcomes(_Strict, frozen=True):
    """RFC 3463 status codes by what they say about the sender. `5.7.*` means every other code of that subject.

    An exact code beats a star. A code in no list judges nobody, and neither does one in `configuration`.
    """

    invalid_recipient: frozenset[Permanent]
    policy_block: frozenset[Permanent]
    configuration: frozenset[Permanent]


class Caps(_Strict, frozen=True):
    """Messages an hour and a day."""

    hourly: Count
    daily: Count


class Stage(_Strict, frozen=True):
    """A step of the warm-up: caps, and what earns them: time since enrolment, and recipients reached."""

    name: Name
    hourly: Count
    daily: Count
    min_age: Span | None = None
    min_delivered: Whole = 0


class Ladder(_Strict, frozen=True):
    """How findings become interventions, and how those end."""

    suspend_on_findings: Annotated[int, Meta(ge=2, le=_LARGEST)]
    min_hold: Span
    exit_min_recipients: Whole
    strike_decay: Span
    operator_block: Span


class LabelTerms(_Strict, frozen=True):
    """How long a label lasts: `terms` by repeat, renewed after `renew_at` of the term while its cause holds."""

    terms: Annotated[list[Span], Meta(min_length=1)]
    renew_at: Share | None = None
    hourly_cap: Count | None = None
    auth_mail_hourly_cap: Whole | None = None


class Clean(_Strict, frozen=True):
    """When `clean-sender` may be said."""

    metric: str
    window: Span
    below: Share
    confidence: Confidence
    min_recipients: Count


class Guards(_Strict, frozen=True):
    """Limits on the automation itself."""

    breaker_count: Count
    breaker_share: Share
    silence: Span


class IncidentTerms(_Strict, frozen=True):
    """When a provider, and not its senders, is to blame.

    A member bears witness if it has been known for `min_age`, reached `min_elsewhere` recipients at other providers of
    which less than `clean_below` do not exist, and had hardly any failures at this provider before. It is struck if at
    least `min_failures` of its recipients there, and more than `rate` of them, fail in the present or the last hour. An
    incident are `min_members` struck witnesses that make up `share` of all members sending to the provider.
    """

    min_members: Annotated[int, Meta(ge=2, le=_LARGEST)]
    share: Share
    min_failures: Count
    rate: Share
    clean_below: Share
    min_elsewhere: Count
    min_age: Span


class Suppression(_Strict, frozen=True):
    """When mail to somebody who unsubscribed counts as evasion, and how long that is remembered."""

    grace: Span
    memory: Span


class Abuse(_Strict, frozen=True):
    """Abuse reports: who is asked, how long there is to answer, and how urgent a category is."""

    auto_ask: bool
    answer_within: Span
    urgency: dict[Annotated[str, Meta(min_length=1, max_length=64)], Urgency]


class Bar(_Strict, frozen=True):
    """A line to cross. With `confidence` the lower end of the interval must lie above it, without it the estimate.

    `min_events` counts what the catalogue says for the metric. The rest are conditions, each asked only where the
    metric knows it, all to be met: share of first contacts, normalised entropy of the domains, multiple of what is
    usual, distinct addresses or domains behind the events, length of the member's history; `elsewhere`: without so many
    of the worst recipient domains, what is left must lie above the throttle bar too.
    """

    above: Annotated[float, Meta(ge=0)]
    min_events: Count
    confidence: Confidence | None = None
    min_first_contact: Share | None = None
    min_entropy: Share | None = None
    min_excess: Annotated[float, Meta(gt=0)] | None = None
    min_distinct: Annotated[int, Meta(ge=2, le=_LARGEST)] | None = None
    min_baseline: Span | None = None
    elsewhere: Count | None = None

    @property
    def conditions(self) -> tuple[tuple[str, float], ...]:
        """The conditions asked, by name, each with the least it must reach."""
        asked = []
        for name in CONDITIONS:
            value = getattr(self, name)
            if value is not None:
                asked.append((name, float(value.seconds if isinstance(value, Span) else value)))
        return tuple(asked)


CONDITIONS = ("min_distinct", "min_baseline", "min_excess", "min_first_contact", "min_entropy", "elsewhere")
"""Conditions of a bar, the cheapest to measure first."""


class Rule(_Strict, frozen=True):
    """One rule: a metric over a window against its bars. Rules of one `family` count as one finding.

    `source` says where its numbers come from; `elsewhere_confidence` how surely the recipients that a bar's `elsewhere`
    leaves must tell the same story. A rule in shadow decides and is recorded, and nothing is published.
    """

    id: Name
    family: Name
    metric: str
    window: Span
    summary: str
    throttle: Bar
    exit_below: Annotated[float, Meta(gt=0)]
    elsewhere_confidence: Confidence | None = None
    suspend: Bar | None = None
    mode: Mode = Mode.ENFORCE
    source: str = ""

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The bars there are, the lower one first."""
        return (self.throttle,) if self.suspend is None else (self.throttle, self.suspend)

    @property
    def scale(self) -> Scale:
        """What the numbers of its bars mean."""
        return CATALOGUE[self.metric].scale


class Policy(_Strict, frozen=True):
    """A whole policy file."""

    name: str
    outcomes: Outcomes
    caps: Caps
    warmup: Annotated[list[Stage], Meta(min_length=1)]
    ladder: Ladder
    labels: dict[str, LabelTerms]
    clean: Clean
    guards: Guards
    incident: IncidentTerms
    suppression: Suppression
    abuse: Abuse
    rules: Annotated[list[Rule], Meta(min_length=1, max_length=_RULES)]
    mode: Mode = Mode.ENFORCE
    hash: str = ""

    @property
    def horizon_s(self) -> int:
        """The longest window any rule looks back, in seconds."""
        return max(self.clean.window.seconds, *(rule.window.seconds for rule in self.rules))

    @property
    def shadowed(self) -> bool:
        """Whether anything in it only pretends to decide."""
        return self.mode is Mode.SHADOW or any(rule.mode is Mode.SHADOW for rule in self.rules)


def parse_policy(text: str) -> Policy:
    """Read and check a policy; raise `Misconfigured` naming key, line and fix."""
    if (size := len(text.encode())) > _TEXT_BYTES:
        raise Misconfigured(f"policy: {size} bytes are too long to be shown; {_TEXT_BYTES} are the most")
    try:
        document = tomllib.loads(text)
        policy = msgspec.convert(document, Policy, dec_hook=_decode_span)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"policy: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        raise Misconfigured(f"policy: {located(text, place[1] if place else '')}{error}") from error
    problems = _contradictions(policy) + _too_long(policy)
    if "hash" in document:
        problems.append(("hash", "hash is computed from the text; remove the key"))
    if problems:
        raise Misconfigured("policy: " + "; ".join(located(text, place) + problem for place, problem in problems))
    return msgspec.structs.replace(policy, hash=hashlib.sha256(text.encode()).hexdigest())


def located(text: str, place: str) -> str:
    """ "line 17: " for a place such as `rules[2].throttle.above`, as far as it can be found."""
    line = locate(text, place)
    return f"line {line}: " if line is not None else ""


def _decode_span(expected: type, value: Any) -> Any:
    if expected is Span and isinstance(value, str):
        return Span(value)
    raise ValueError(f'write a duration such as "24h" here, not {value!r}')


def _contradictions(policy: Policy) -> list[tuple[str, str]]:
    """What cannot be judged by, each with its place in the file."""
    problems = [
        ("labels", f"labels.{val} is missing; every label the rules issue needs its terms")
        for val in (MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER)
        if val not in policy.labels
    ]
    problems += [
        (f"labels.{val}", f"labels.{val} is not a label the rules issue")
        for val in policy.labels
        if val not in (MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER)
    ]
    problems += [
        (f"labels.{val}", f"labels.{val}.renew_at is missing; without it the label cannot be renewed")
        for val in (MAIL_THROTTLED, CLEAN_SENDER)
        if val in policy.labels and policy.labels[val].renew_at is None
    ]
    throttled = policy.labels.get(MAIL_THROTTLED)
    if throttled is not None and throttled.hourly_cap is None:
        problems.append(
            (f"labels.{MAIL_THROTTLED}", f"labels.{MAIL_THROTTLED}.hourly_cap is missing; relays enforce it")
        )
    if policy.clean.metric != "invalid-recipient-rate":
        problems.append(("clean.metric", 'clean.metric: "invalid-recipient-rate" is the one that can prove goodness'))
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        where = f"rules[{index}]"
        if rule.id in seen:
            problems.append((f"{where}.id", f"{where} ({rule.id}): the id is used twice"))
        seen.add(rule.id)
        problems += [(f"{where}{place}", f"{where} ({rule.id}): {problem}") for place, problem in _rule_problems(rule)]
    return problems


def _too_long(policy: Policy) -> list[tuple[str, str]]:
    """What answers could not hold: a policy in force must be shown whole, and so must every reason it may give."""
    bounded = [("name", policy.name, _NAME_BYTES)]
    bounded += [(f"rules[{index}].source", rule.source, _SOURCE_BYTES) for index, rule in enumerate(policy.rules)]
    problems = [
        (place, f"{place}: {size} bytes are too long to be shown; {most} are the most")
        for place, text, most in bounded
        if (size := len(text.encode())) > most
    ]
    reason = "; ".join(rule.summary for rule in policy.rules)
    if (size := len(reason.encode())) > _REASON_BYTES:
        longest = max(range(len(policy.rules)), key=lambda index: len(policy.rules[index].summary.encode()))
        together = f"all summaries together are {size} bytes, and a label's reason may hold {_REASON_BYTES}"
        problems.append((f"rules[{longest}].summary", f"rules[{longest}].summary: {together}; shorten this one"))
    return problems


def _rule_problems(rule: Rule) -> list[tuple[str, str]]:
    terms = CATALOGUE.get(rule.metric)
    if terms is None:
        return [(".metric", f"unknown metric {rule.metric!r}; known: {', '.join(CATALOGUE)}")]
    problems = []
    if not all(math.isfinite(number) for number in (*(bar.above for bar in rule.bars), rule.exit_below)):
        problems.append(("", "every threshold must be a finite number"))
    if not terms.shortest_s <= rule.window.seconds <= terms.longest_s:
        shortest, longest = _spelt(terms.shortest_s), _spelt(terms.longest_s)
        problems.append((".window", f"window of {rule.metric} must lie between {shortest} and {longest}"))
    if rule.suspend is not None and not terms.may_suspend:
        problems.append((".suspend", f"{rule.metric} may throttle, never suspend by itself; remove suspend"))
    for name, bar in zip(("throttle", "suspend"), rule.bars, strict=False):
        problems += [(f".{name}", f"{name}: {problem}") for problem in _bar_problems(rule, bar)]
    return problems


def _bar_problems(rule: Rule, bar: Bar) -> list[str]:
    terms = CATALOGUE[rule.metric]
    problems = []
    interval = terms.scale in INTERVALS
    if interval and bar.confidence is None:
        problems.append("a rate needs a confidence on every bar, or small senders are judged by chance")
    if not interval and bar.confidence is not None:
        problems.append("confidence applies to rates only")
    if bar.elsewhere is not None and rule.elsewhere_confidence is None:
        problems.append("elsewhere needs the rule's elsewhere_confidence: how surely the rest must tell the same story")
    problems += [
        f"{name} does not apply to {rule.metric}" for name, _ in bar.conditions if name not in terms.conditions
    ]
    return problems


def _spelt(seconds: int) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
