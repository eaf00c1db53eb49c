"""One batch: how it is posted, and what each answer means."""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
import respx

from labeler.errors import Misconfigured
from labeler.reputation.events import MAX_BATCH_BYTES
from relay_hooks.submission import Away, Refusal, Submitter, Taken, TooLarge, cut, retry_after, submit_url

URL = "https://labeler.test/xrpc/email.atmos.telemetry.submitEvents"
EVENTS = [b'{"id":"e1"}', b'{"id":"e2"}']


@pytest.fixture
async def submitter() -> AsyncIterator[Submitter]:
    async with httpx.AsyncClient() as client:
        yield Submitter(URL, "s3cret", client)


async def test_events_are_posted_as_one_json_object_with_the_bearer_token(
    submitter: Submitter, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(URL).respond(json={"accepted": 2, "duplicates": 0, "rejected": []})
    assert await submitter.submit(EVENTS) == Taken(0, ())
    request = route.calls.last.request
    assert json.loads(request.content) == {"events": [{"id": "e1"}, {"id": "e2"}]}
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert request.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("count", [200, 20_000], ids=["inline", "in a thread"])
async def test_longer_bodies_are_compressed(submitter: Submitter, respx_mock: respx.MockRouter, count: int) -> None:
    route = respx_mock.post(URL).respond(json={"accepted": count})
    await submitter.submit([b'{"id":"e1"}'] * count)
    request = route.calls.last.request
    assert request.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(request.content))["events"]) == count


async def test_duplicates_and_rejections_are_told_apart(submitter: Submitter, respx_mock: respx.MockRouter) -> None:
    rejected = [{"index": 1, "error": "TooOld", "message": "8 days", "id": "e2"}]
    respx_mock.post(URL).respond(json={"accepted": 0, "duplicates": 1, "rejected": rejected, "more": "later"})
    assert await submitter.submit(EVENTS) == Taken(1, (Refusal(1, "TooOld", "8 days", "e2"),))


async def test_an_answer_that_does_not_add_up_charges_no_event_twice(
    submitter: Submitter, respx_mock: respx.MockRouter
) -> None:
    rejected = [{"index": 0}, {"index": 0}, {"index": 7}, {"index": -1}]
    respx_mock.post(URL).respond(json={"accepted": 5, "duplicates": 9, "rejected": rejected})
    answer = await submitter.submit(EVENTS)
    assert isinstance(answer, Taken)
    assert (answer.duplicates, [one.index for one in answer.rejected]) == (1, [0])


async def test_an_answer_without_end_is_not_read_as_one(submitter: Submitter, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).respond(200, content=b" " * (5 * 1024 * 1024) + b'{"accepted":2}')
    assert await submitter.submit(EVENTS) == Away("HTTP 200 with an answer too long to be one")


async def test_413_asks_for_smaller_batches(submitter: Submitter, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).respond(413)
    assert await submitter.submit(EVENTS) == TooLarge()
    assert isinstance(await submitter.submit(EVENTS[:1]), Away)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 422, 429, 500, 502, 503])
async def test_any_other_status_keeps_the_events(
    submitter: Submitter, respx_mock: respx.MockRouter, status: int
) -> None:
    route = respx_mock.post(URL).respond(
        status, json={"error": "AuthMissing", "message": "no"}, headers={"Location": "https://elsewhere.test/"}
    )
    assert await submitter.submit(EVENTS) == Away(f"HTTP {status} AuthMissing", None)
    assert route.call_count == 1


@pytest.mark.parametrize("body", [b"<html>Welcome to the hotel</html>", b"[]", b'{"accepted":"2"}', b""])
async def test_a_200_from_somebody_else_keeps_the_events(
    submitter: Submitter, respx_mock: respx.MockRouter, body: bytes
) -> None:
    respx_mock.post(URL).respond(200, content=body)
    assert isinstance(await submitter.submit(EVENTS), Away)


@pytest.mark.parametrize("body", [b"{}", b'{"error":5}', b'{"error":"b\\u0007ell"}', b"<html>"])
async def test_a_strange_error_body_is_not_quoted(
    submitter: Submitter, respx_mock: respx.MockRouter, body: bytes
) -> None:
    respx_mock.post(URL).respond(500, content=body)
    assert await submitter.submit(EVENTS) == Away("HTTP 500")


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.InvalidURL("bad"), OSError("odd")]
)
async def test_trouble_on_the_way_is_no_exception(
    submitter: Submitter, respx_mock: respx.MockRouter, error: Exception
) -> None:
    respx_mock.post(URL).mock(side_effect=error)
    answer = await submitter.submit(EVENTS)
    assert isinstance(answer, Away)
    assert answer.reason.startswith(type(error).__name__)


async def test_retry_after_is_honoured(submitter: Submitter, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).respond(429, headers={"Retry-After": "17"})
    assert await submitter.submit(EVENTS) == Away("HTTP 429", 17.0)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("-5", 0.0),
        ("999999", 900.0),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:04:15 -0000", 10.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("1e999", None),
    ],
)
def test_both_forms_of_retry_after(value: str | None, wait: float | None) -> None:
    assert retry_after(value, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == wait


def test_batches_are_cut_at_a_thousand_events() -> None:
    assert [len(batch) for batch in cut([b"{}"] * 2_001)] == [1_000, 1_000, 1]
    assert cut([]) == []


def test_batches_are_cut_below_two_mebibytes_in_order() -> None:
    events = [bytes([65 + n]) * 700_000 for n in range(7)]
    batches = cut(events)
    assert [event for batch in batches for event in batch] == events
    assert all(len(b'{"events":[]}') + sum(map(len, b)) + len(b) - 1 <= MAX_BATCH_BYTES for b in batches)
    assert [len(batch) for batch in batches] == [2, 2, 2, 1]


def test_an_event_too_long_for_any_batch_still_goes_out_alone() -> None:
    """The labeler then says so itself; it must not hold up the others."""
    events = [b"a", b"b" * (MAX_BATCH_BYTES + 1), b"c"]
    assert [len(batch) for batch in cut(events)] == [1, 1, 1]


@pytest.mark.parametrize("labeler", ["https://labeler.test", "https://labeler.test/", URL])
def test_the_origin_or_the_whole_url_will_do(labeler: str) -> None:
    assert submit_url(labeler) == URL


@pytest.mark.parametrize("labeler", ["labeler.test", "ftp://labeler.test", "https://", ""])
def test_what_is_no_url_is_refused(labeler: str) -> None:
    with pytest.raises(Misconfigured, match="give its URL"):
        submit_url(labeler)


def test_a_token_about_to_travel_in_clear_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    submit_url("http://localhost:8080")
    assert not caplog.records
    submit_url("http://labeler.test")
    assert "in clear" in caplog.text
