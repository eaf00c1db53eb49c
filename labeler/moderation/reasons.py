"""The kinds of reports we take, by their names in full: what our declaration lists, and what each means to the policy.

The older names of the protocol (`com.atproto.moderation.defs#reason…`) stand beside the newer ones of the moderation
tools (`tools.ozone.report.defs#reason…`), each of which stands for an older one. Only what can be said about somebody's
mail is here: whoever reports content of another kind is told so, and may say `reasonOther`.
"""

from typing import Final, NamedTuple

_OLD: Final = "com.atproto.moderation.defs#"
_NEW: Final = "tools.ozone.report.defs#"
SPAM, MISLEADING, RUDE, VIOLATION, OTHER, APPEAL = (
    f"{_OLD}reason{name}" for name in ("Spam", "Misleading", "Rude", "Violation", "Other", "Appeal")
)


class Reason(NamedTuple):
    """One kind of report: the older name it stands for, and the category that the policy rates (`[abuse.urgency]`)."""

    legacy: str
    category: str


REASONS: Final[dict[str, Reason]] = {
    SPAM: Reason(SPAM, "spam"),
    MISLEADING: Reason(MISLEADING, "misleading"),
    RUDE: Reason(RUDE, "harassment"),
    VIOLATION: Reason(VIOLATION, "violation"),
    OTHER: Reason(OTHER, "other"),
    APPEAL: Reason(APPEAL, "appeal"),
    f"{_NEW}reasonAppeal": Reason(APPEAL, "appeal"),
    f"{_NEW}reasonOther": Reason(OTHER, "other"),
    f"{_NEW}reasonMisleadingSpam": Reason(SPAM, "spam"),
    f"{_NEW}reasonMisleadingScam": Reason(MISLEADING, "scam"),
    f"{_NEW}reasonMisleadingImpersonation": Reason(MISLEADING, "impersonation"),
    f"{_NEW}reasonMisleadingBot": Reason(MISLEADING, "misleading"),
    f"{_NEW}reasonMisleadingElections": Reason(MISLEADING, "misleading"),
    f"{_NEW}reasonMisleadingOther": Reason(MISLEADING, "misleading"),
    f"{_NEW}reasonHarassmentTroll": Reason(RUDE, "harassment"),
    f"{_NEW}reasonHarassmentTargeted": Reason(RUDE, "harassment"),
    f"{_NEW}reasonHarassmentHateSpeech": Reason(RUDE, "harassment"),
    f"{_NEW}reasonHarassmentDoxxing": Reason(RUDE, "harassment"),
    f"{_NEW}reasonHarassmentOther": Reason(RUDE, "harassment"),
    f"{_NEW}reasonViolenceThreats": Reason(VIOLATION, "violence"),
    f"{_NEW}reasonViolenceExtremistContent": Reason(VIOLATION, "violence"),
    f"{_NEW}reasonViolenceTrafficking": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonViolenceOther": Reason(VIOLATION, "violence"),
    f"{_NEW}reasonChildSafetyCSAM": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonChildSafetyGroom": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonChildSafetyPrivacy": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonChildSafetyHarassment": Reason(VIOLATION, "harassment"),
    f"{_NEW}reasonChildSafetyOther": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonRuleSiteSecurity": Reason(VIOLATION, "violation"),
    f"{_NEW}reasonRuleProhibitedSales": Reason(VIOLATION, "illegal"),
    f"{_NEW}reasonRuleBanEvasion": Reason(VIOLATION, "violation"),
    f"{_NEW}reasonRuleOther": Reason(VIOLATION, "violation"),
}

REASON_TYPES: Final = tuple(REASONS)
"""The names in full, as the declaration record lists them (`app.bsky.labeler.service`, `reasonTypes`)."""
