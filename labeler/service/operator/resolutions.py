"""How a case may end, and what each end changes about its subject."""

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
_RESTRICTED: Final = (UPHOLD, LIFT, SHORTEN, OVERRIDE)

RESOLUTIONS: Final[dict[CaseKind, tuple[str, ...]]] = {
    CaseKind.SUSPENSION: _RESTRICTED,
    CaseKind.REMOVED_DOMAIN: _RESTRICTED,
    CaseKind.APPEAL: _RESTRICTED,
    CaseKind.ABUSE_REPORT: (DISMISS, *_RESTRICTED),
    CaseKind.BREAKER: (DISMISS, OVERRIDE),
    CaseKind.INCIDENT: (DISMISS,),
    CaseKind.REMOVAL: (DISMISS,),
}
"""What each kind of case may come to. A removal is proposed and confirmed, never the resolution of another case."""


class Resolution(NamedTuple):
    """How an operator decides a case. `hours`: the block after a lift, the term left, or how long an override lasts."""

    name: str
    comment: str | None = None
    hours: int | None = None
    exempt: tuple[str, ...] = ()
    hourly_cap: int | None = None
    daily_cap: int | None = None


def resolved(
    case: Case,
    resolution: Resolution,
    operator: Operator,
    active: Mapping[str, ActiveLabel],
    policy: Policy,
    now: datetime,
) -> dict[str, Any]:
    """What the resolution writes besides itself: labels to apply and negate, a term, what is granted.

    Raises `BadInput` where it does not fit the case or its subject.
    """
    known = RESOLUTIONS[case.kind]
    if resolution.name not in known:
        raise BadInput(f"A case of kind {case.kind} ends by {', '.join(known)}, not {resolution.name[:40]!r}.")
    granted = bool(resolution.exempt) or resolution.hourly_cap is not None or resolution.daily_cap is not None
    if granted and resolution.name != OVERRIDE:
        raise BadInput(f"Only {OVERRIDE} grants something; {resolution.name} does not.")
    standing = tuple(
        val for val in (MAIL_REMOVED, MAIL_SUSPENDED, MAIL_THROTTLED) if val in active and not _over(active[val], now)
    )
    match resolution.name:
        case "uphold":
            return _upheld(case, resolution, standing)
        case "lift":
            return _lifted(resolution, operator, standing)
        case "shorten":
            return _shortened(resolution, active, standing, now)
        case "override":
            return _overridden(resolution, operator, standing, policy)
        case _:
            return {}


def _upheld(case: Case, resolution: Resolution, standing: tuple[str, ...]) -> dict[str, Any]:
    """It stays: from here on it is a human's word. With a term it is issued anew for so long."""
    if case.kind is CaseKind.APPEAL and resolution.hours is None:
        return {}
    if not standing:
        raise BadInput("No restriction stands that could be upheld.", name="NothingActive")
    return {"apply": standing[:1], "duration_h": resolution.hours}


def _lifted(resolution: Resolution, operator: Operator, standing: tuple[str, ...]) -> dict[str, Any]:
    if not standing:
        raise BadInput("No restriction stands that could be lifted.", name="NothingActive")
    if MAIL_REMOVED in standing:
        require_operator(operator, Role.ADMIN)
    return {"negate": standing, "duration_h": resolution.hours}


def _shortened(
    resolution: Resolution, active: Mapping[str, ActiveLabel], standing: tuple[str, ...], now: datetime
) -> dict[str, Any]:
    if not standing or MAIL_REMOVED in standing:
        raise BadInput("No throttle or suspension stands that could be shortened.", name="NothingActive")
    if resolution.hours is None:
        raise BadInput(f"{SHORTEN} needs durationInHours: how long it shall last from now on.")
    exp = active[standing[0]].exp
    if exp is not None and now + timedelta(hours=resolution.hours) >= exp:
        raise BadInput(f"{standing[0]} ends {exp:%Y-%m-%dT%H:%MZ} already; to make it longer, uphold it for longer.")
    return {"apply": standing[:1], "duration_h": resolution.hours}


def _overridden(
    resolution: Resolution, operator: Operator, standing: tuple[str, ...], policy: Policy
) -> dict[str, Any]:
    """The member is judged by other terms from here on, and what stood by the old ones goes."""
    require_operator(operator, Role.ADMIN)
    if not resolution.exempt and resolution.hourly_cap is None and resolution.daily_cap is None:
        raise BadInput(f"{OVERRIDE} needs rules to exempt from, or caps.")
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


def _over(label: ActiveLabel, now: datetime) -> bool:
    return label.exp is not None and label.exp <= now
