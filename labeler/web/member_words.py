"""What the member page says in words of its own: states, kinds of cases, how they end, what tokens are for."""

from typing import Final, NamedTuple


class State(NamedTuple):
    """A standing in words: a heading, and what it means for mail."""

    title: str
    meaning: str


STATES: Final = {
    "unknown": State("Unknown", "This labeler knows nothing about this account; no label restricts it."),
    "warming": State("No restriction", "There is not enough recent mail yet to say more; no label restricts it."),
    "good": State("Good", "Recent mail gave enough evidence to judge, and all of it is good."),
    "throttled": State("Throttled", "The relay caps how many messages this account may send each hour."),
    "suspended": State("Suspended", "The relay has stopped mail from this account until an operator has reviewed it."),
    "removed": State("Removed", "An operator has removed this account and its domains from the relay."),
}

CASES: Final = {
    "suspension": "Review of the suspension",
    "removed-domain": "Review of an enrolled domain",
    "abuse-report": "Abuse report",
    "appeal": "Your appeal",
}

RESOLUTIONS: Final = {
    "uphold": "it stays as it is",
    "lift": "the restriction was lifted",
    "lifted": "the restriction was lifted",
    "shorten": "the restriction ends sooner",
    "override": "other terms hold for this account",
    "dismiss": "nothing follows from it",
    "resolved": "decided",
    "removed": "the account was removed",
}

APPEALED: Final = "Your appeal is with the operators, as number {id}. They see the evidence and what you wrote."
ANSWERED: Final = "Your answer is with the operators, as number {id}, and the clock has stopped."

TOKEN_FOR: Final = {
    "evidence": "email.atmos.reputation.getStanding",
    "appeal": "com.atproto.moderation.createReport",
    "answer": "email.atmos.reputation.answer",
}
"""The method a token must be made for, by form."""
