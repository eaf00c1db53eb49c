"""The story came out as its members are introduced."""

from typing import TYPE_CHECKING

from tests.browser import story

if TYPE_CHECKING:
    from tests.browser.conftest import World


async def test_every_member_stood_as_introduced(world: "World") -> None:
    assert world.began == {
        story.MEADOW.did: "good",
        story.HARBOR.did: "throttled",
        story.QUARRY.did: "suspended",
        story.FOUNDRY.did: "suspended",
        story.EMBERS.did: "throttled",
        story.HOLLOW.did: "removed",
        story.LANTERN.did: "suspended",
        story.THICKET.did: "warming",
        story.WICKET.did: "warming",
        story.ORCHARD.did: "throttled",
        story.PASTURE.did: "suspended",
        story.CAVERN.did: "suspended",
        story.MARSH.did: "warming",
    }
