"""queryLabels over a real socket: patterns, sources, limits, cursors."""

from typing import TYPE_CHECKING, Any

import pytest

from labeler.atproto.keys import PublicKey
from labeler.atproto.label import Label, verify_label
from labeler.errors import BadInput
from labeler.service.query import read_patterns

if TYPE_CHECKING:
    from tests.unit.service.conftest import Service

DID = "did:web:labeler.example.com"
PATH = "/xrpc/com.atproto.label.queryLabels"


async def uris(service: "Service", **params: Any) -> list[str]:
    status, body = await service.query(**params)
    assert status == 200, body
    return [label["uri"] for label in body["labels"]]


@pytest.mark.row(101, 113)
async def test_a_fresh_labeler_answers_an_empty_list(service: "Service") -> None:
    """Row 113."""
    assert await service.query(uriPatterns="*", limit=1) == (200, {"labels": []})


@pytest.mark.row(90, 91, 92, 94, 95, 96, 175)
async def test_exact_and_prefix_patterns_are_or_ed(service: "Service") -> None:
    for uri in ("did:plc:a", "did:plc:ab", "did:plc:b", "at://did:plc:a/app.bsky.feed.post/1"):
        await service.publish(1, did=uri)
    assert await uris(service, uriPatterns="did:plc:a") == ["did:plc:a"]
    assert await uris(service, uriPatterns="did:plc:a*") == ["did:plc:a", "did:plc:ab"], "the prefix itself is matched"
    assert await uris(service, uriPatterns=["did:plc:b", "at://*"]) == [
        "did:plc:b",
        "at://did:plc:a/app.bsky.feed.post/1",
    ]
    assert await uris(service, uriPatterns="at://did:plc:a/*") == ["at://did:plc:a/app.bsky.feed.post/1"]
    assert await uris(service, uriPatterns="DID:plc:a") == [], "row 94: case matters"
    assert await uris(service, uriPatterns="did:plc:%") == [], "row 95: % and _ are ordinary characters"
    assert await uris(service, uriPatterns="did:plc:a,did:plc:b") == [], "row 175: a comma is no list"
    assert len(await uris(service, uriPatterns=["did:plc:a", "*"])) == 4


@pytest.mark.parametrize("pattern", ["at://*/app.bsky.feed.post", "at://**", "**", "*a"])
@pytest.mark.row(93)
async def test_a_star_may_only_stand_last(service: "Service", pattern: str) -> None:
    """Row 93: the words are the reference's."""
    status, body = await service.query(uriPatterns=pattern)
    assert (status, body) == (400, {"error": "InvalidRequest", "message": f"invalid pattern: {pattern}"})


@pytest.mark.parametrize("params", [{}, {"uriPatterns": ""}, {"uriPatterns[]": "*"}])
@pytest.mark.row(90)
async def test_patterns_are_required(service: "Service", params: dict[str, str]) -> None:
    """Row 90."""
    status, body = await service.query(**params)
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.parametrize("limit", ["0", "251", "-1", "abc", "1.5", "1e2", "0x10", " 10", ["1", "2"]])
@pytest.mark.row(98)
async def test_limits_out_of_range_are_refused(service: "Service", limit: Any) -> None:
    """Row 98."""
    status, body = await service.query(uriPatterns="*", limit=limit)
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.row(98, 176)
async def test_an_empty_limit_is_the_default(service: "Service") -> None:
    await service.publish(60)
    assert len(await uris(service, uriPatterns="*", limit="")) == 50
    assert len(await uris(service, uriPatterns="*", limit="250")) == 60


@pytest.mark.parametrize("cursor", ["abc", "2abc", "-1", "1.5", "9" * 17, "٣"])
@pytest.mark.row(99)
async def test_a_cursor_that_is_not_ours_is_refused(service: "Service", cursor: str) -> None:
    """Row 99."""
    assert await service.query(uriPatterns="*", cursor=cursor) == (
        400,
        {"error": "InvalidRequest", "message": "invalid cursor"},
    )


@pytest.mark.row(102, 104, 105)
async def test_pages_follow_each_other_and_the_last_has_no_cursor(service: "Service") -> None:
    """Rows 102 to 105."""
    await service.publish(7)
    seen: list[str] = []
    params: dict[str, Any] = {"uriPatterns": "*", "limit": 3}
    pages = 0
    while True:
        _, body = await service.query(**params)
        seen += [label["uri"] for label in body["labels"]]
        pages += 1
        if "cursor" not in body:
            break
        params["cursor"] = body["cursor"]
    assert (seen, pages) == ([f"did:plc:member{number}" for number in range(1, 8)], 3)


@pytest.mark.row(103, 104)
async def test_a_full_last_page_has_no_cursor(service: "Service") -> None:
    await service.publish(3)
    _, body = await service.query(uriPatterns="*", limit=3)
    assert (len(body["labels"]), "cursor" in body) == (3, False)


@pytest.mark.row(100)
async def test_cursor_zero_begins_at_the_beginning(service: "Service") -> None:
    """Row 100."""
    await service.publish(2)
    assert len(await uris(service, uriPatterns="*", cursor="0")) == 2


@pytest.mark.row(97, 101)
async def test_only_our_own_source_has_labels(service: "Service") -> None:
    """Row 97."""
    await service.publish(1)
    assert len(await uris(service, uriPatterns="*", sources=[DID, "did:plc:other"])) == 1
    assert await uris(service, uriPatterns="*", sources="did:plc:other") == []
    status, body = await service.query(uriPatterns="*", sources="other")
    assert (status, body["error"]) == (400, "InvalidRequest")


@pytest.mark.row(56, 63, 109)
async def test_what_is_served_verifies(service: "Service") -> None:
    """Rows 56, 60, 109: the JSON is the signed map plus unpadded `sig`, no more."""
    await service.emit()
    _, body = await service.query(uriPatterns="did:plc:alice")
    (found,) = body["labels"]
    assert "=" not in found["sig"]["$bytes"]
    assert "$type" not in found
    assert set(found) == {"ver", "src", "uri", "val", "cts", "exp", "sig"} or "exp" not in found
    signed = Label.from_json(found)
    assert verify_label(signed, PublicKey.from_did_key(service.signer_key))


@pytest.mark.row(67, 106, 108)
async def test_negations_stay_and_what_they_took_back_is_gone(service: "Service") -> None:
    """Rows 106, 108."""
    await service.emit()
    lift = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": [],
        "negateLabelVals": ["mail-throttled"],
    }
    await service.emit(event=lift)
    _, body = await service.query(uriPatterns="did:plc:alice")
    assert [(label["val"], label.get("neg")) for label in body["labels"]] == [("mail-throttled", True)]


@pytest.mark.row(108)
async def test_expired_labels_are_left_out(service: "Service") -> None:
    """Row 108."""
    event = {
        "$type": "tools.ozone.moderation.defs#modEventLabel",
        "createLabelVals": ["mail-throttled"],
        "negateLabelVals": [],
        "durationInHours": 1,
    }
    await service.emit(event=event)
    assert len(await uris(service, uriPatterns="*")) == 1
    service.advance(hours=1, seconds=1)
    assert await uris(service, uriPatterns="*") == []


@pytest.mark.row(111)
def test_at_most_a_hundred_patterns_are_answered() -> None:
    """Row 111."""
    assert len(read_patterns([f"did:plc:{number}" for number in range(100)])[0]) == 100
    with pytest.raises(BadInput):
        read_patterns([f"did:plc:{number}" for number in range(101)])
    with pytest.raises(BadInput):
        read_patterns(["did:plc:" + "x" * 8192])


@pytest.mark.row(115)
async def test_a_page_of_the_longest_labels_stays_small(service: "Service") -> None:
    """Subjects are DIDs of at most 2 048 characters and values are few: the largest page is far below a megabyte."""
    await service.publish(250, did="did:plc:{}" + "x" * 2000)
    status, body, headers = await service.call("GET", f"{PATH}?uriPatterns=*&limit=250")
    assert (status, len(body["labels"])) == (200, 250)
    assert int(headers["Content-Length"]) < 1_000_000


@pytest.mark.row(287)
@pytest.mark.parametrize("header", ["did:plc:somebody;redact", "", '"', "did:plc:a, did:plc:a;redact"])
async def test_who_else_is_asked_for_labels_is_no_matter_here(service: "Service", header: str) -> None:
    """A labeler answers with its own labels; the two headers are for services that put labels beside content."""
    await service.publish(1)
    plain, _, _ = await service.call("GET", f"{PATH}?uriPatterns=*")
    status, body, headers = await service.call(
        "GET", f"{PATH}?uriPatterns=*", headers={"atproto-accept-labelers": header}
    )
    assert (status, plain, len(body["labels"])) == (200, 200, 1)
    assert "atproto-content-labelers" not in headers
