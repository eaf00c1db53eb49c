"""How a case may end, what each end needs, and what it changes about its subject."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from labeler.errors import BadInput
from labeler.moderation.cases import Case, CaseKind
from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.definitions import MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED
from labeler.reputation.policy import Policy
from labeler.service.access import Operator, Role, require_operator

UPHOLD, LIFT, SHORTEN, OVERRIDE, DISMISS = "uphold", "lift", "shorten", "override", "dismiss"
REMOVE: Final = "remove"
MAX_CAP: Final = 1_000_000_000
_RESTRICTED: Final = (UPHOLD, LIFT, SHORTEN, OVERRIDE, DISMISS, REMOVE)

RESOLUTIONS: Final[dict[CaseKind, tuple[str, ...]]] = {
    CaseKind.SUSPENSION: _RESTRICTED,
    CaseKind.REMOVED_DOMAIN: _RESTRICTED,
    CaseKind.APPEAL: _RESTRICTED,
    CaseKind.ABUSE_REPORT: (DISMISS, UPHOLD, LIFT, SHORTEN, OVERRIDE, REMOVE),
    CaseKind.BREAKER: (DISMISS, OVERRIDE, REMOVE),
    CaseKind.INCIDENT: (DISMISS,),
    CaseKind.REMOVAL: (DISMISS,),
}
"""What each kind of case may come to. `remove` proposes a removal and leaves the case open until that is confirmed."""

_ABOUT_LABELS: Final = frozenset({CaseKind.SUSPENSION, CaseKind.REMOVED_DOMAIN, CaseKind.APPEAL})
_HOURS, _GRANTS = "durationInHours", ("exempt", "hourlyCap", "dailyCap")


class Terms(NamedTuple):
    """What a resolution takes and does. Of `one_of` at least one field must be given."""

    effect: str
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


TERMS: Final[dict[str, Terms]] = {
    UPHOLD: Terms(
        "The restriction stays, as a person's decision; with a term it is issued anew for so long.", takes=(_HOURS,)
    ),
    LIFT: Terms(
        "The restriction is taken back, what was counted before counts no more, and the rules may not apply it again "
        "before the term ends (without one: before the policy's operator_block).",
        takes=(_HOURS,),
    ),
    SHORTEN: Terms("The restriction ends so many hours from now.", needs=(_HOURS,)),
    OVERRIDE: Terms(
        "The member is judged by other terms from here on, and what stood by the old ones is taken back.",
        one_of=_GRANTS,
        takes=(_HOURS,),
    ),
    DISMISS: Terms("The case is closed, and no label changes."),
    REMOVE: Terms("The removal is proposed. The case stays open until another admin confirms or dismisses that."),
}


class Resolution(NamedTuple):
    """How an operator decides a case. `hours`: the block after a lift, the term left, or how long an override lasts."""

    name: str
    comment: str | None = None
    hours: int | None = None
    exempt: tuple[str, ...] = ()
    hourly_cap: int | None = None
    daily_cap: int | None = None


class Option(NamedTuple):
    """One end a case may come to: the role it needs, and what stands in its way now, if anything does."""

    name: str
    role: Role
    hindrance: BadInput | None

    def open_to(self, operator: Operator) -> bool:
        """Whether that operator may choose it now."""
        return self.hindrance is None and operator.role >= self.role


def options(case: Case, active: Mapping[str, ActiveLabel], proposed: bool, now: datetime) -> list[Option]:
    """Every end a case of its kind may come to; `proposed`: the removal of its member is proposed already."""
    standing = _standing(active, now)
    return [
        Option(name, _role(case, name, standing), _hindrance(case, name, standing, proposed))
        for name in RESOLUTIONS[case.kind]
    ]


def check_resolution(
    case: Case,
    resolution: Resolution,
    operator: Operator,
    active: Mapping[str, ActiveLabel],
    proposed: bool,
    now: datetime,
) -> None:
    """Whether the resolution fits its case and subject, and the operator may choose it; raises `BadInput`."""
    known = {option.name: option for option in options(case, active, proposed, now)}
    option = known.get(resolution.name)
    if option is None:
        raise BadInput(f"A case of kind {case.kind} ends by {', '.join(known)}, not {resolution.name[:40]!r}.")
    require_operator(operator, option.role)
    _check_fields(resolution)
    if option.hindrance is not None:
        raise option.hindrance


def resolved(
    case: Case, resolution: Resolution, active: Mapping[str, ActiveLabel], policy: Policy, now: datetime
) -> dict[str, Any]:
    """What a resolution that passed its check writes besides itself: labels to apply and negate, a term, a grant.

    Raises `BadInput` where its term or its rules do not fit.
    """
    standing = _standing(active, now)
    match resolution.name:
        case "uphold":
            return _upheld(case, resolution, standing)
        case "lift":
            return {"negate": standing, "duration_h": resolution.hours}
        case "shorten":
            return _shortened(resolution, active[standing[0]], standing[0], now)
        case "override":
            return _overridden(resolution, standing, policy)
        case _:
            return {}


def _standing(active: Mapping[str, ActiveLabel], now: datetime) -> tuple[str, ...]:
    """The restrictions in force, the strictest first."""
    return tuple(
        val for val in (MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED) if val in active and not _over(active[val], now)
    )


def _over(label: ActiveLabel, now: datetime) -> bool:
    return label.exp is not None and label.exp <= now


def _role(case: Case, name: str, standing: tuple[str, ...]) -> Role:
    removal = case.kind is CaseKind.REMOVAL or (name == LIFT and MAIL_REMOVED in standing)
    return Role.ADMIN if removal or name in {OVERRIDE, REMOVE} else Role.MODERATOR


def _hindrance(case: Case, name: str, standing: tuple[str, ...], proposed: bool) -> BadInput | None:
    match name:
        case "uphold" if not standing and case.kind is not CaseKind.APPEAL:
            return BadInput("No restriction stands that could be upheld.", name="NothingActive")
        case "lift" if not standing:
            return BadInput("No restriction stands that could be lifted.", name="NothingActive")
        case "shorten" if not standing or MAIL_REMOVED in standing:
            return BadInput("No throttle or suspension stands that could be shortened.", name="NothingActive")
        case "dismiss" if standing and case.kind in _ABOUT_LABELS:
            return BadInput(f"{standing[0]} stands: uphold it, or lift it.", name="StillRestricted")
        case "remove" if MAIL_REMOVED in standing:
            return BadInput("The member is removed already.", name="AlreadyRemoved")
        case "remove" if proposed:
            return BadInput("The removal of this member was proposed already; confirm it.", name="AlreadyProposed")
    return None


def _check_fields(resolution: Resolution) -> None:
    """Only what the resolution takes is given, and all that it needs."""
    given = {
        _HOURS: resolution.hours is not None,
        "exempt": bool(resolution.exempt),
        "hourlyCap": resolution.hourly_cap is not None,
        "dailyCap": resolution.daily_cap is not None,
    }
    terms = TERMS[resolution.name]
    for name in terms.needs:
        if not given[name]:
            raise BadInput(f"{resolution.name} needs {name}.")
    if terms.one_of and not any(given[name] for name in terms.one_of):
        raise BadInput(f"{resolution.name} needs at least one of {', '.join(terms.one_of)}.")
    for name, there in given.items():
        if there and name not in {*terms.needs, *terms.one_of, *terms.takes}:
            raise BadInput(f"{resolution.name} takes no {name}.")
    for name, cap in (("hourlyCap", resolution.hourly_cap), ("dailyCap", resolution.daily_cap)):
        if cap is not None and not 1 <= cap <= MAX_CAP:
            raise BadInput(f"{name} must lie between 1 and {MAX_CAP}; to stop a member, suspend it.")


def _upheld(case: Case, resolution: Resolution, standing: tuple[str, ...]) -> dict[str, Any]:
    """It stays: from here on it is a human's word. With a term it is issued anew for so long."""
    if MAIL_REMOVED in standing and resolution.hours is not None:
        raise BadInput("A removal has no end: it stands until an admin lifts it.")
    if MAIL_REMOVED in standing or (case.kind is CaseKind.APPEAL and resolution.hours is None):
        return {}
    if not standing:
        raise BadInput("No restriction stands that could be upheld.", name="NothingActive")
    return {"apply": standing[:1], "duration_h": resolution.hours}


def _shortened(resolution: Resolution, label: ActiveLabel, val: str, now: datetime) -> dict[str, Any]:
    hours = timedelta(hours=resolution.hours or 0)
    if label.exp is not None and now + hours >= label.exp:
        raise BadInput(f"{val} ends {label.exp:%Y-%m-%dT%H:%MZ} already; to make it longer, uphold it for longer.")
    return {"apply": (val,), "duration_h": resolution.hours}


def _overridden(resolution: Resolution, standing: tuple[str, ...], policy: Policy) -> dict[str, Any]:
    """The member is judged by other terms from here on, and what stood by the old ones goes."""
    unknown = sorted({*resolution.exempt} - {rule.id for rule in policy.rules})
    if unknown:
        raise BadInput(f"The policy in force has no rule {', '.join(unknown)}.")
    return {
        "negate": tuple(val for val in standing if val != MAIL_REMOVED),
        "duration_h": resolution.hours,
        "exempt": resolution.exempt,
        "hourly_cap": resolution.hourly_cap,
        "daily_cap": resolution.daily_cap,
    }
