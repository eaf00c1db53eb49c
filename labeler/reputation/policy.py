"""The policy as data: read from TOML, checked, hashed. Nothing here judges; `findings` and `decisions` do.

Rule 1: every number the judgement uses stands in the file. Rule 2: an unknown key is an error. Rule 3: the hash of the
text travels with every decision.
"""

import hashlib
import math
import re
import tomllib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from labeler.errors import Misconfigured
from labeler.reputation.definitions import CLEAN_SENDER, MAIL_SUSPENDED, MAIL_THROTTLED

METRICS = ("invalid-recipient-rate", "complaint-rate", "hourly-volume", "daily-volume", "domain-spray")
_MINUTE_S, _HOUR_S = 60, 3600
_UNITS = {"s": 1, "m": _MINUTE_S, "h": _HOUR_S, "d": 86_400}
_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_LONGEST_S = 3650 * 86_400  # a moment that far ahead can still be written as a date


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
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}\Z")]
Permanent = Annotated[str, Meta(pattern=r"^5\.[0-9]{1,3}\.[0-9]{1,3}\Z")]  # RFC 3463 §3: class 5


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors everywhere in the file."""


class Outcomes(_Strict, frozen=True):
    """RFC 3463 status codes by what they say about the sender."""

    invalid_recipient: frozenset[Permanent]


class Caps(_Strict, frozen=True):
    """Messages an hour and a day."""

    hourly: Annotated[int, Meta(ge=1)]
    daily: Annotated[int, Meta(ge=1)]


class Ladder(_Strict, frozen=True):
    """How findings become interventions, and how those end."""

    suspend_on_findings: Annotated[int, Meta(ge=2)]
    min_hold: Span
    exit_min_recipients: Annotated[int, Meta(ge=0)]
    strike_decay: Span
    operator_block: Span


class LabelTerms(_Strict, frozen=True):
    """How long a label lasts: `terms` by repeat, renewed after `renew_at` of the term while its cause holds."""

    terms: Annotated[list[Span], Meta(min_length=1)]
    renew_at: Share | None = None
    hourly_cap: Annotated[int, Meta(ge=1)] | None = None
    auth_mail_hourly_cap: Annotated[int, Meta(ge=0)] | None = None


class Clean(_Strict, frozen=True):
    """When `clean-sender` may be said."""

    metric: str
    window: Span
    below: Share
    confidence: Share
    min_recipients: Annotated[int, Meta(ge=1)]


class Guards(_Strict, frozen=True):
    """Limits on the automation itself."""

    breaker_count: Annotated[int, Meta(ge=1)]
    breaker_share: Share
    silence: Span


class Bar(_Strict, frozen=True):
    """A line to cross. With `confidence` the Wilson lower bound must lie above it, without it the estimate.

    `min_events` counts failures for rates, messages for volume, recipients for spray.
    """

    above: Annotated[float, Meta(gt=0)]
    min_events: Annotated[int, Meta(ge=2)]
    confidence: Share | None = None
    min_first_contact: Share | None = None


class Rule(_Strict, frozen=True):
    """One rule: a metric over a window against its bars. Rules of one `family` count as one finding."""

    id: Name
    family: Name
    metric: str
    window: Span
    summary: str
    throttle: Bar
    exit_below: Annotated[float, Meta(gt=0)]
    suspend: Bar | None = None

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The bars there are, the lower one first."""
        return (self.throttle,) if self.suspend is None else (self.throttle, self.suspend)

    @property
    def asks_first_contact(self) -> bool:
        """Whether a bar needs the share of first contacts, which is dear to measure."""
        return any(bar.min_first_contact is not None for bar in self.bars)


class Policy(_Strict, frozen=True):
    """A whole policy file."""

    name: str
    outcomes: Outcomes
    caps: Caps
    ladder: Ladder
    labels: dict[str, LabelTerms]
    clean: Clean
    guards: Guards
    rules: Annotated[list[Rule], Meta(min_length=1)]
    hash: str = ""

    @property
    def horizon_s(self) -> int:
        """The longest window any rule looks back, in seconds."""
        return max(self.clean.window.seconds, *(rule.window.seconds for rule in self.rules))


def parse_policy(text: str) -> Policy:
    """Read and check a policy; raise `Misconfigured` naming key and fix."""
    try:
        document = tomllib.loads(text)
        policy = msgspec.convert(document, Policy, dec_hook=_decode_span)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"policy: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise Misconfigured(f"policy: {error}") from error
    problems = _contradictions(policy)
    if "hash" in document:
        problems.append("hash is computed from the text; remove the key")
    if problems:
        raise Misconfigured("policy: " + "; ".join(problems))
    return msgspec.structs.replace(policy, hash=hashlib.sha256(text.encode()).hexdigest())


def _decode_span(expected: type, value: Any) -> Any:
    if expected is Span and isinstance(value, str):
        return Span(value)
    raise ValueError(f'write a duration such as "24h" here, not {value!r}')


def _contradictions(policy: Policy) -> list[str]:
    problems = [
        f"labels.{val} is missing; every label the rules issue needs its terms"
        for val in (MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER)
        if val not in policy.labels
    ]
    problems += [
        f"labels.{val} is not a label the rules issue"
        for val in policy.labels
        if val not in (MAIL_THROTTLED, MAIL_SUSPENDED, CLEAN_SENDER)
    ]
    problems += [
        f"labels.{val}.renew_at is missing; without it the label cannot be renewed while its cause holds"
        for val in (MAIL_THROTTLED, CLEAN_SENDER)
        if val in policy.labels and policy.labels[val].renew_at is None
    ]
    throttled = policy.labels.get(MAIL_THROTTLED)
    if throttled is not None and throttled.hourly_cap is None:
        problems.append(f"labels.{MAIL_THROTTLED}.hourly_cap is missing; relays enforce it")
    if policy.clean.metric != "invalid-recipient-rate":
        problems.append('clean.metric: "invalid-recipient-rate" is the one that can prove goodness')
    seen: set[str] = set()
    for index, rule in enumerate(policy.rules):
        where = f"rules[{index}] ({rule.id})"
        if rule.id in seen:
            problems.append(f"{where}: the id is used twice")
        seen.add(rule.id)
        problems += [f"{where}: {problem}" for problem in _rule_problems(rule)]
    return problems


def _rule_problems(rule: Rule) -> list[str]:
    problems = []
    if rule.metric not in METRICS:
        problems.append(f"unknown metric {rule.metric!r}; known: {', '.join(METRICS)}")
    bars = rule.bars
    if not all(math.isfinite(number) for number in (*(bar.above for bar in bars), rule.exit_below)):
        problems.append("every threshold must be a finite number")
    if rule.exit_below >= rule.throttle.above:
        problems.append("exit_below must lie under throttle.above, or the label would flap")
    problems += _out_of_order(rule)
    if rule.metric == "hourly-volume" and not _MINUTE_S <= rule.window.seconds <= _HOUR_S:
        problems.append("window of hourly-volume must lie between 1m and 1h")
    if rule.metric != "hourly-volume" and rule.window.seconds < _HOUR_S:
        problems.append("window must be at least 1h: counts are kept by the hour")
    if rule.metric.endswith("-rate") and any(bar.confidence is None for bar in bars):
        problems.append("a rate needs a confidence on every bar, or small senders are judged by chance")
    if not rule.metric.endswith("-rate") and any(bar.confidence is not None for bar in bars):
        problems.append("confidence applies to rates only")
    if rule.metric != "domain-spray" and any(bar.min_first_contact is not None for bar in bars):
        problems.append("min_first_contact applies to domain-spray only")
    return problems


def _out_of_order(rule: Rule) -> list[str]:
    """Where the suspend bar could be crossed before the throttle bar."""
    if rule.suspend is None:
        return []
    return [
        f"suspend.{name} must not lie under throttle.{name}: throttle comes first"
        for name in ("above", "min_events", "confidence", "min_first_contact")
        if (getattr(rule.suspend, name) or 0) < (getattr(rule.throttle, name) or 0)
    ]
