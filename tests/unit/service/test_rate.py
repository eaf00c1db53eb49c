"""Rate limits: whom a request counts for, what the headers say, and that the counters stay bounded."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from labeler.service import rate as module
from labeler.service.rate import Rate, RateLimits
from labeler.settings import Limits

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

QUERY = "/xrpc/com.atproto.label.queryLabels?uriPatterns=*"
SUBMIT = "/xrpc/email.atmos.telemetry.submitEvents"
EXPOSED = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "Retry-After"}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class StandingClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@pytest.fixture
async def limited(service: "Service") -> Any:
    """The same service, with room for three requests of an address and two of a relay in ten seconds."""
    running = type(service)(rate_limits=RateLimits(relay=2, address=3, seconds=10))
    await running.start()
    yield running
    await running.stop()


@pytest.mark.row(170, 186)
async def test_what_is_left_is_told_and_the_one_too_many_is_429(limited: "Service") -> None:
    for left in (2, 1, 0):
        status, _, headers = await limited.call("GET", QUERY)
        assert (status, headers["RateLimit-Remaining"]) == (200, str(left))
        assert "Retry-After" not in headers
    limited.clock.time += timedelta(seconds=3.5)
    status, body, headers = await limited.call("GET", QUERY)
    assert (status, body["error"]) == (429, "RateLimitExceeded")
    assert headers["RateLimit-Limit"] == "3"
    assert headers["RateLimit-Remaining"] == "0"
    assert headers["RateLimit-Policy"] == "3;w=10"
    assert headers["RateLimit-Reset"] == str(int(NOON.timestamp()) + 10)
    assert headers["Retry-After"] == "7", "rounded up: one who waits so long is let in"
    limited.clock.time += timedelta(seconds=7)
    status, _, headers = await limited.call("GET", QUERY)
    assert (status, headers["RateLimit-Remaining"]) == (200, "2")


@pytest.mark.row(186)
async def test_pages_of_other_origins_may_read_the_headers(limited: "Service") -> None:
    for expected in (200, 200, 200, 429):
        status, _, headers = await limited.call("GET", QUERY, headers={"Origin": "https://app.example"})
        exposed = {name.strip() for name in headers["Access-Control-Expose-Headers"].split(",")}
        assert (status, exposed >= EXPOSED) == (expected, True)


@pytest.mark.row(177, 186)
async def test_only_requests_that_are_in_order_are_counted(limited: "Service") -> None:
    """Parameters, caller and body are looked at first."""
    for path, status in ((QUERY + "&limit=0", 400), ("/xrpc/com.example.lexicon.nope", 501), ("/nowhere", 404)):
        for _ in range(5):
            found, _, headers = await limited.call("GET", path)
            assert (found, "RateLimit-Limit" in headers) == (status, False)
    for _ in range(5):
        found, _, _ = await limited.call("POST", SUBMIT, data=b"{}")
        assert found == 401
    found, _, _ = await limited.call("GET", QUERY)
    assert found == 200


@pytest.mark.row(186)
async def test_a_relay_has_a_count_of_its_own_wherever_it_calls_from(limited: "Service", event: Any) -> None:
    for _ in range(4):
        await limited.call("GET", QUERY)
    assert (await limited.submit(event(1)))[0] == 200
    assert (await limited.submit(event(2)))[0] == 200
    status, body = await limited.submit(event(3))
    assert (status, body["error"]) == (429, "RateLimitExceeded")
    assert (await limited.submit(event(4), token="other-relay"))[0] == 200
    limited.clock.time += timedelta(seconds=10)
    assert (await limited.submit(event(3)))[1]["accepted"] == 1, "what was turned away was not taken in"


@pytest.mark.row(186, 189)
async def test_addresses_are_the_ones_a_trusted_proxy_names(limited: "Service") -> None:
    def by(address: str) -> Any:
        return limited.call("GET", QUERY, headers={"X-Forwarded-For": address})

    assert [(await by("192.0.2.1"))[0] for _ in range(4)] == [200, 200, 200, 429]
    assert (await by("192.0.2.2"))[0] == 200
    assert (await by("192.0.2.2, 192.0.2.1"))[0] == 429, "what stands before the proxy's word is not believed"


@pytest.mark.parametrize(
    ("forwarded", "same"),
    [("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"), ("::ffff:192.0.2.7", "192.0.2.7")],
)
async def test_one_household_has_one_count(limited: "Service", forwarded: str, same: str) -> None:
    for address, expected in ((forwarded, 200), (same, 200), (forwarded, 200), (same, 429)):
        status, _, _ = await limited.call("GET", QUERY, headers={"X-Forwarded-For": address})
        assert status == expected
    status, _, _ = await limited.call("GET", QUERY, headers={"X-Forwarded-For": "2001:db8:1:3::1"})
    assert status == 200


def test_the_counters_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses call: those beyond the bound share one count."""
    monkeypatch.setattr(module, "MAX_ADDRESSES", 2)
    clock = StandingClock()
    rate = Rate(RateLimits(1, 2, 60), clock)
    used = [rate.count_one(None, address).used for address in ("a", "b", "c", "d", "a", "e")]
    assert used == [1, 1, 1, 2, 2, 3]
    assert rate.count_one(None, "f").spent
    assert not rate.count_one(None, "b").spent
    clock.time += timedelta(seconds=60)
    assert rate.count_one(None, "f").used == 1


@pytest.mark.row(186)
def test_the_defaults_lie_above_what_one_labeler_serves() -> None:
    """Twenty thousand requests a second are several times what was measured on one core."""
    limits = Limits()
    assert (limits.relay_requests, limits.address_requests, limits.window_seconds) == tuple(RateLimits())
    assert limits.relay_requests / limits.window_seconds >= 20_000
    assert limits.address_requests / limits.window_seconds >= 20_000


@pytest.mark.row(118, 170)
async def test_both_refusals_that_pass_say_when_to_come_again(limited: "Service", event: Any) -> None:
    limited.telemetry.broken = True
    status, body, headers = await limited.call("POST", SUBMIT, json={"events": [event(1)]}, token="relay")
    assert (status, body["error"]) == (503, "NotEnoughResources")
    assert int(headers["Retry-After"]) > 0
