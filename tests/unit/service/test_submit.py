"""submitEvents over a real socket, hostile cases first."""

import asyncio
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from labeler.errors import BadInput
from labeler.service import body as body_module
from labeler.service.submit import decode

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

PATH = "/xrpc/email.atmos.telemetry.submitEvents"
MIB = 1024 * 1024


async def post(service: "Service", data: bytes, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    status, body, _ = await service.call("POST", PATH, data=data, token="relay", headers=sent)
    return status, body


@pytest.mark.row(308)
async def test_a_batch_is_answered_with_what_became_of_its_events(service: "Service", event: Any) -> None:
    status, body = await service.submit(event(1), event(2))
    assert (status, body) == (200, {"accepted": 2, "duplicates": 0, "rejected": []})
    assert await service.telemetry.head() == 2, "the policy and the batch: a record a batch, not one an event"


@pytest.mark.row(308)
async def test_a_repeated_batch_counts_as_duplicates_and_writes_nothing(service: "Service", event: Any) -> None:
    await service.submit(event(1), event(2))
    before = list(service.telemetry.appends)
    assert await service.submit(event(1), event(2)) == (200, {"accepted": 0, "duplicates": 2, "rejected": []})
    assert service.telemetry.appends == before


async def test_ids_of_another_relay_are_no_duplicates(service: "Service", event: Any) -> None:
    await service.submit(event(1))
    _, body = await service.submit(event(1), token="other-relay")
    assert body["accepted"] == 1


@pytest.mark.row(308)
async def test_bad_events_are_refused_by_place_and_the_rest_is_kept(service: "Service", event: Any) -> None:
    status, body = await service.submit(
        event(0),
        event(1, smtpCode="550"),
        event(2, at="2026-03-01T12:00:00"),
        "no object",  # type: ignore[arg-type]
        event(4),
        event(5, at="2026-03-02T12:06:00Z"),
        event(6, at="2026-02-20T12:00:00Z"),
        event(7, did="alice.example"),
        event(8, recipient="alice@example.com"),
        {"kind": "accepted"},
        event(10),
    )
    assert (status, body["accepted"], body["duplicates"]) == (200, 3, 0)
    refused = [(item["index"], item.get("id"), item["error"]) for item in body["rejected"]]
    assert refused == [
        (1, "event-1", "InvalidEvent"),
        (2, "event-2", "InvalidEvent"),
        (3, None, "InvalidEvent"),
        (5, "event-5", "FutureEvent"),
        (6, "event-6", "TooOld"),
        (7, "event-7", "InvalidEvent"),
        (8, "event-8", "InvalidEvent"),
        (9, None, "InvalidEvent"),
    ]
    assert all(item["message"] for item in body["rejected"])
    assert "smtpCode" in body["rejected"][0]["message"]
    assert service.metric("labeler_event_rejections_total", reason="InvalidEvent") == 6
    assert service.metric("labeler_events_total", result="accepted") == 3


async def test_places_hold_when_only_the_intake_refuses(service: "Service", event: Any) -> None:
    _, body = await service.submit(event(0), event(1, at="2026-03-02T13:00:00Z"), event(2))
    assert [(item["index"], item["error"]) for item in body["rejected"]] == [(1, "FutureEvent")]


async def test_an_empty_batch_is_fine(service: "Service") -> None:
    assert await service.submit() == (200, {"accepted": 0, "duplicates": 0, "rejected": []})


@pytest.mark.parametrize(
    ("token", "status", "name"),
    [
        (None, 401, "MissingJwt"),
        ("wrong", 401, "BadJwt"),
        ("moderator", 403, "Forbidden"),
        ("admin", 403, "Forbidden"),
    ],
)
async def test_only_relays_may_submit(service: "Service", event: Any, token: str, status: int, name: str) -> None:
    found, body, headers = await service.call("POST", PATH, json={"events": [event(1)]}, token=token)
    assert (found, body["error"]) == (status, name)
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert await service.telemetry.head() == 1, "only the policy"


async def test_the_caller_is_checked_before_the_body(service: "Service") -> None:
    """Row 177: a bad body of a stranger is answered 401, not 400."""
    status, _, _ = await service.call("POST", PATH, data=b"{", token="wrong")
    assert status == 401


async def test_a_body_over_two_mebibytes_is_refused(service: "Service") -> None:
    status, body = await post(service, b'{"events":[' + b" " * (2 * MIB) + b"]}")
    assert (status, body["error"]) == (413, "PayloadTooLarge")


async def test_a_body_of_just_two_mebibytes_is_taken(service: "Service") -> None:
    head, tail = b'{"events":[', b"]}"
    status, _ = await post(service, head + b" " * (2 * MIB - len(head) - len(tail)) + tail)
    assert status == 200


async def test_an_oversized_body_without_a_length_is_cut_off(service: "Service") -> None:
    async def chunks() -> Any:
        for _ in range(64):
            yield b" " * 65536

    headers = {"Authorization": "Bearer relay", "Content-Type": "application/json"}
    async with service.session.post(PATH, data=chunks(), headers=headers) as answer:
        assert answer.status == 413


async def test_a_body_that_does_not_arrive_is_given_up(service: "Service", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "READ_SECONDS", 0.05)
    finish = asyncio.Event()

    async def chunks() -> Any:
        yield b"{"
        await finish.wait()

    headers = {"Authorization": "Bearer relay", "Content-Type": "application/json"}
    async with service.session.post(PATH, data=chunks(), headers=headers) as answer:
        assert answer.status == 408
    finish.set()


def gzip_bomb() -> bytes:
    return gzip.compress(b" " * (64 * MIB))


def zstd_bomb() -> bytes:
    return zstandard.compress(b" " * (64 * MIB))


@pytest.mark.parametrize(("encoding", "bomb"), [("gzip", gzip_bomb), ("zstd", zstd_bomb)])
async def test_a_decompression_bomb_is_refused(service: "Service", encoding: str, bomb: Any) -> None:
    status, body = await post(service, bomb(), Content_Encoding=encoding)
    assert (status, body["error"]) == (413, "PayloadTooLarge")


async def test_a_bomb_hidden_in_the_second_gzip_member_is_refused(service: "Service") -> None:
    status, _ = await post(service, gzip.compress(b"{") + gzip_bomb(), Content_Encoding="gzip")
    assert status == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "GZIP"])
async def test_compressed_batches_are_welcome(service: "Service", event: Any, encoding: str) -> None:
    raw = json.dumps({"events": [event(1), event(2)]}).encode()
    packed = zstandard.compress(raw) if encoding == "zstd" else gzip.compress(raw)
    status, body = await post(service, packed, Content_Encoding=encoding)
    assert (status, body["accepted"]) == (200, 2)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b'{"events":[]}')[:-4]),
        ("gzip", gzip.compress(b'{"events":[]}') + b"rest"),
        ("zstd", b"not zstd"),
        ("zstd", zstandard.compress(b'{"events":[]}')[:-2]),
        ("zstd", zstandard.compress(b'{"events":[]}') + b"rest"),
    ],
)
async def test_broken_compression_is_a_bad_request(service: "Service", encoding: str, data: bytes) -> None:
    status, body = await post(service, data, Content_Encoding=encoding)
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
async def test_unknown_compression_names_what_is_known(service: "Service", encoding: str) -> None:
    status, body, headers = await service.call(
        "POST", PATH, data=zlib.compress(b"{}"), token="relay", headers={"Content-Encoding": encoding}
    )
    assert (status, body["error"]) == (415, "UnsupportedMediaType")
    assert headers["Accept-Encoding"] == "gzip, zstd"


async def test_a_thousand_events_are_taken_and_one_more_is_not(service: "Service", event: Any) -> None:
    status, body = await service.submit(*(event(number) for number in range(1001)))
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert "1000" in body["message"]
    status, body = await service.submit(*(event(number) for number in range(1000)))
    assert (status, body["accepted"]) == (200, 1000)


async def test_too_many_events_are_refused_on_the_slow_path_too(service: "Service", event: Any) -> None:
    status, body = await service.submit({"id": 1}, *(event(number) for number in range(1000)))
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"events"',
        b"{}",
        b'{"events":null}',
        b'{"events":{}}',
        b'{"events":[]} {"events":[]}',
        b'{"events":[{"id":NaN}]}',
        b'{"events":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"events":[{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b"\xff\xfe",
        b'{"events":[{"id":"\\ud800',
    ],
)
async def test_what_is_no_batch_is_a_bad_request(service: "Service", data: bytes) -> None:
    status, body = await post(service, data)
    assert (status, body["error"]) == (400, "InvalidRequest")
    assert await service.telemetry.head() == 1


@pytest.mark.parametrize(
    "extra",
    [
        b'"smtpCode":550.5',
        b'"smtpCode":99999999999999999999999999',
        b'"messageId":"\\ud800"',
        b'"messageId":"\xff"',
        b'"domain":""',
        b'"recipient":"0123456789abcdef0123456789ABCDEF"',
    ],
)
def test_strange_fields_refuse_their_event_only(extra: bytes) -> None:
    good = b'{"id":"good","kind":"accepted","did":"did:plc:a","at":"2026-03-02T11:59:00Z"}'
    bad = b'{"id":"bad","kind":"accepted","did":"did:plc:a","at":"2026-03-02T11:59:00Z",' + extra + b"}"
    try:
        events, places, rejected = decode(b'{"events":[' + good + b"," + bad + b"," + good + b"]}")
    except BadInput:
        assert b"\\ud800" in extra, "only what breaks the JSON itself may cost the whole batch"
        return
    assert [event.id for event in events] == ["good", "good"]
    assert places == [0, 2]
    assert [(item.index, item.id) for item in rejected] == [(1, "bad")]


@pytest.mark.row(312)
def test_unknown_fields_are_ignored() -> None:
    """Row 183."""
    raw = b'{"x":1,"events":[{"id":"a","kind":"new","did":"did:plc:a","at":"2026-03-02T11:59:00Z","y":{"z":[]}}]}'
    events, places, rejected = decode(raw)
    assert ([event.kind for event in events], places, rejected) == (["new"], None, [])


async def test_forty_relays_at_once_are_all_answered(service: "Service", event: Any) -> None:
    """More than may be in memory at once: the others wait their turn."""
    answers = await asyncio.gather(*(service.submit(event(number)) for number in range(40)))
    assert [body["accepted"] for _, body in answers] == [1] * 40


async def test_a_failed_disk_is_a_503_and_the_retry_is_accepted(service: "Service", event: Any) -> None:
    service.telemetry.broken = True
    status, body, headers = await service.call("POST", PATH, json={"events": [event(1), event(2)]}, token="relay")
    assert (status, body["error"]) == (503, "NotEnoughResources")
    assert int(headers["Retry-After"]) > 0
    assert "space" not in body["message"], "what happened to our disk is not for the caller"
    service.telemetry.broken = False
    assert await service.submit(event(1), event(2)) == (200, {"accepted": 2, "duplicates": 0, "rejected": []})


async def test_batches_that_wait_together_are_written_together(service: "Service", event: Any) -> None:
    async with service.busy_disk(jobs=10):
        waiting = [asyncio.create_task(service.submit(event(number))) for number in range(10)]
    answers = await asyncio.gather(*waiting)
    assert [body["accepted"] for _, body in answers] == [1] * 10
    assert service.telemetry.appends == [1, 1, 10], "the policy, the tick, and all the others"


async def test_the_same_batch_sent_twice_at_once_counts_once(service: "Service", event: Any) -> None:
    async with service.busy_disk(jobs=5):
        waiting = [asyncio.create_task(service.submit(event(1))) for _ in range(5)]
    answers = await asyncio.gather(*waiting)
    assert sorted(body["accepted"] for _, body in answers) == [0, 0, 0, 0, 1]
    assert sorted(body["duplicates"] for _, body in answers) == [0, 1, 1, 1, 1]


async def test_records_are_stamped_in_strictly_rising_order(service: "Service", event: Any) -> None:
    for number in range(3):
        await service.submit(event(number))
    stamps = [record.received for _, record in await service.telemetry.read(0, 100)]
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 4
