"""askMember and setOverride alike: who may, and what happens where there is no disk or no policy."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

ASK, GRANT = "email.atmos.operator.askMember", "email.atmos.operator.setOverride"
WORDS: dict[str, dict[str, Any]] = {ASK: {}, GRANT: {"hourlyCap": 5}}


@pytest.mark.parametrize(
    ("nsid", "token", "status"),
    [
        *((nsid, token, status) for nsid in WORDS for token, status in ((None, 401), ("relay", 403), ("admin", 200))),
        *((ASK, "triage", 403), (ASK, "moderator", 200), (GRANT, "triage", 403), (GRANT, "moderator", 403)),
    ],
)
async def test_moderators_may_ask_and_only_an_admin_may_grant(
    service: "Service", nsid: str, token: str | None, status: int
) -> None:
    found, body = await service.tell(nsid, token, **WORDS[nsid])
    assert found == status, body


@pytest.mark.parametrize("nsid", WORDS)
async def test_a_failed_disk_is_503_and_changes_nothing(service: "Service", nsid: str) -> None:
    service.telemetry.broken = True
    status, body = await service.tell(nsid, "admin", **WORDS[nsid])
    assert (status, body["error"]) == (503, "NotEnoughResources")
    standing = await service.standing()
    assert (standing.get("reports", []), "override" in standing) == ([], False)


@pytest.mark.parametrize("nsid", WORDS)
async def test_before_the_first_policy_there_are_no_terms_and_no_rules(service: "Service", nsid: str) -> None:
    service.judge._verdicts.policy = None
    status, body = await service.tell(nsid, "admin", **WORDS[nsid])
    assert (status, body["error"]) == (503, "NotEnoughResources")
