"""The story came out as its members are introduced."""

from typing import TYPE_CHECKING

import pytest

from tests.browser import story

if TYPE_CHECKING:
    from tests.browser.conftest import World


@pytest.mark.parametrize(
    ("member", "standing"),
    [
        (story.MEADOW, "good"),
        (story.HARBOR, "throttled"),
        (story.QUARRY, "suspended"),
        (story.FOUNDRY, "suspended"),
        (story.EMBERS, "throttled"),
        (story.HOLLOW, "removed"),
        (story.LANTERN, "suspended"),
        (story.PASTURE, "suspended"),
        (story.ORCHARD, "throttled"),
        (story.THICKET, "warming"),
        (story.WICKET, "warming"),
    ],
    ids=lambda value: value.name if isinstance(value, story.Member) else value,
)
async def test_a_member_stands_as_introduced(world: "World", member: story.Member, standing: str) -> None:
    answer = await world.running.client.get(f"/xrpc/email.atmos.reputation.getStanding?did={member.did}")
    assert answer.json()["standing"] == standing
