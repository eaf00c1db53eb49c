"""The labels this labeler may issue, from one place: value, meaning, who may issue it."""

from typing import Final, NamedTuple

RELAY_MEMBER: Final = "relay-member"
CLEAN_SENDER: Final = "clean-sender"
MAIL_THROTTLED: Final = "mail-throttled"
MAIL_SUSPENDED: Final = "mail-suspended"
MAIL_REMOVED: Final = "mail-removed"


class Definition(NamedTuple):
    """One label value. `adverse` values restrict sending; `severity` is what clients show."""

    val: str
    name: str
    description: str
    adverse: bool
    by_rules: bool
    severity: str


DEFINITIONS: Final = (
    Definition(RELAY_MEMBER, "Relay member", "This account is enrolled with the mail relay.", False, True, "inform"),
    Definition(
        CLEAN_SENDER,
        "Clean sender",
        "Recent mail from this account gave enough evidence to judge, and all of it is good.",
        False,
        True,
        "inform",
    ),
    Definition(
        MAIL_THROTTLED,
        "Mail throttled",
        "The relay caps how many messages this account may send each hour.",
        True,
        True,
        "alert",
    ),
    Definition(
        MAIL_SUSPENDED,
        "Mail suspended",
        "The relay has stopped mail from this account until an operator has reviewed it.",
        True,
        True,
        "alert",
    ),
    Definition(
        MAIL_REMOVED,
        "Mail removed",
        "An operator has removed this account and its domains from the relay.",
        True,
        False,
        "alert",
    ),
)

VALUES: Final = frozenset(definition.val for definition in DEFINITIONS)
ADVERSE: Final = frozenset(definition.val for definition in DEFINITIONS if definition.adverse)
