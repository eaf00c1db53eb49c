"""The reasons we take: real names, each with an older one behind it and a category."""

import pytest

from labeler.moderation.reasons import APPEAL, OTHER, REASON_TYPES, REASONS, RUDE, SPAM
from labeler.reputation.policy import parse_policy
from labeler.service.schema import load_documents

OLD, NEW = "com.atproto.moderation.defs", "tools.ozone.report.defs"
KNOWN = {
    f"{document['id']}#{name}"
    for document in load_documents()
    if document["id"] in (OLD, NEW)
    for name, schema in document["defs"].items()
    if schema["type"] == "token"
}


@pytest.mark.row(259)
def test_every_name_is_a_token_of_the_protocol() -> None:
    assert set(REASON_TYPES) <= KNOWN
    assert len(set(REASON_TYPES)) == len(REASON_TYPES)


@pytest.mark.row(259)
def test_each_stands_for_an_older_one_that_is_taken_and_stands_for_itself() -> None:
    for name, reason in REASONS.items():
        assert reason.legacy.startswith(f"{OLD}#")
        assert REASONS[reason.legacy].legacy == reason.legacy
        assert name.startswith(f"{NEW}#") or name == reason.legacy


@pytest.mark.parametrize(
    ("name", "legacy", "category"),
    [
        (f"{NEW}#reasonAppeal", APPEAL, "appeal"),
        (f"{NEW}#reasonOther", OTHER, "other"),
        (f"{NEW}#reasonMisleadingSpam", SPAM, "spam"),
        (f"{NEW}#reasonHarassmentDoxxing", RUDE, "harassment"),
        (SPAM, SPAM, "spam"),
    ],
)
@pytest.mark.row(259, 260)
def test_a_few_in_full(name: str, legacy: str, category: str) -> None:
    assert REASONS[name] == (legacy, category)


def test_what_must_be_looked_at_soon_is_rated_so_by_the_policy_we_ship(shipped: str) -> None:
    urgency = parse_policy(shipped).abuse.urgency
    rated = {reason.category for reason in REASONS.values() if reason.category in urgency}
    assert rated == {"harassment", "scam", "impersonation", "violence", "illegal"}
