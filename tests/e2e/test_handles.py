"""Handle resolution as the wiring builds it."""

from typing import TYPE_CHECKING

import pytest

from labeler.adapters.did_static import StaticDids
from labeler.errors import BadInput
from labeler.service.observe import Metrics
from labeler.wiring import handles
from tests.handle_host import name_server

if TYPE_CHECKING:
    from tests.conftest import Installation

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"


async def test_a_handle_of_a_trial_is_resolved_and_remembered(
    installation: "Installation", monkeypatch: pytest.MonkeyPatch
) -> None:
    dids = StaticDids({ALICE: {"id": ALICE, "alsoKnownAs": ["at://alice.test"]}})
    async with name_server() as server:
        asking = server.resolver()
        monkeypatch.setattr("dns.asyncresolver.Resolver", lambda: asking)
        server.name("alice.test", f"did={ALICE}")
        async with handles(installation.settings, dids, Metrics()) as found:
            assert await found.resolve("alice.test") == await found.resolve("Alice.test") == ALICE
            assert len(server.asked) == 1
            with pytest.raises(BadInput):
                await found.resolve("alice.local")
