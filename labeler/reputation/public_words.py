"""What the public is told about a label: the kind of reason, and what generally clears it. No number, no name.

Rule 1: words go by the label and by the families of the rules behind it, never by what was measured. Rule 2: what an
operator wrote, and what another member did, is nobody else's business.
"""

from collections.abc import Iterator
from typing import Final

from labeler.reputation.decisions import ActiveLabel
from labeler.reputation.definitions import (
    CLEAN_SENDER,
    MAIL_REMOVED,
    MAIL_SUSPENDED,
    MAIL_THROTTLED,
    RELAY_MEMBER,
)
from labeler.reputation.policy import Policy

BY_OPERATOR: Final = "an operator of the relay decided this"
BY_RULES: Final = "rules of the relay's policy were crossed"

FAMILIES: Final[dict[str, str]] = {
    "recipients": "too many recipients do not exist",
    "traps": "mail reaches addresses that exist only to catch senders without permission",
    "blocks": "a mailbox provider refuses this mail far more often than that of other members",
    "complaints": "too many recipients reported this mail as unwanted",
    "volume": "far more mail than agreed, or than is usual for this account",
    "spray": "almost every recipient is new and at a domain of its own",
    "auth-mail": "login links or codes go to people who did not ask for them",
    "evasion": "people who unsubscribed are written to by another way",
    "abuse": "a question about abuse was not answered in time",
    "third-party": "mail seems to be sent for others",
}
"""The families of the shipped policy; a family that an operator invents is told as `BY_RULES`."""

OTHERS: Final[dict[str, str]] = {
    "unreviewed": "a suspension ended before it was reviewed; what led to it still counts",
    "removed-domain": "the account was enrolled with a domain that cannot be used here until an operator has looked",
    "enrolled": "the account is enrolled with the relay",
    "clean": "there is enough recent mail to judge, and all of it is good",
}
"""Reasons that are no rule of the policy."""

CLEARED_BY: Final[dict[str, str]] = {
    MAIL_THROTTLED: "It ends by itself once the cause is gone and good mail has followed; while the cause stays it is "
    "renewed. An operator can lift it.",
    MAIL_SUSPENDED: "An operator reviews it and can lift it; an appeal puts the member's side before them.",
    MAIL_REMOVED: "Only an operator can take it back; an appeal puts the member's side before them.",
}
"""What generally clears a restriction; what clears this one is told to the member."""

UNTIL: Final[dict[str, str]] = {
    CLEAN_SENDER: "It is renewed while recent mail stays good.",
    RELAY_MEMBER: "It stays until the account leaves the relay.",
}
"""How long a label that restricts nothing stays."""


def reason_class(label: ActiveLabel, policy: Policy | None) -> str:
    """The kinds of reason a label was issued for, each once; `policy` says to which family a rule belongs."""
    if label.by_operator:
        return BY_OPERATOR
    families = {rule.id: rule.family for rule in policy.rules} if policy is not None else {}
    return "; ".join(dict.fromkeys(_classes(label, families)))


def _classes(label: ActiveLabel, families: dict[str, str]) -> Iterator[str]:
    for cause in (label.actor, *label.causes):
        yield OTHERS.get(cause) or FAMILIES.get(families.get(cause, ""), BY_RULES)
