"""The string formats: what passes, what does not, and that nothing is ever changed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from labeler.atproto import syntax
from labeler.errors import BadInput

CID = "bafyreifxykqhed72s26cr4i64rxvrtofeqrly3j4vjzbkvo3ckkjbxjqtq"
RAW_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


@pytest.mark.parametrize(
    "text",
    ["did:plc:ewvi7nxzyoun6zhxrhs64oiz", "did:web:example.com", "did:web:localhost%3A2583", "did:m:_", "did:a:b:c.d-e"],
)
@pytest.mark.row(5)
def test_a_did_passes(text: str) -> None:
    """Row 5: the grammar of the DID specification."""
    assert syntax.is_did(text)
    assert syntax.check_did(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:",
        "did:plc:",
        "DID:plc:abc",
        "did:PLC:abc",
        "did:plc:abc:",
        "did:plc:abc%",
        "did:plc:abc#key",
        "did:plc:abc?x",
        "did:plc:abc ",
        "did:plc:abc\n",
        "did:plc:äbc",
        "did:plc:" + "a" * 2041,
        "alice.example.com",
    ],
)
@pytest.mark.row(3, 5)
def test_what_is_no_did_is_refused(text: str) -> None:
    """Rows 3 and 5: no fragment, query, handle, white space or upper-case method, at most 2048 characters."""
    assert not syntax.is_did(text)
    with pytest.raises(BadInput, match="not a DID"):
        syntax.check_did(text)


@pytest.mark.row(5)
def test_the_longest_did_passes() -> None:
    assert syntax.is_did("did:plc:" + "a" * 2040)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("alice.example.com", True),
        ("a.b", True),
        ("xn--ls8h.test", True),
        ("a.b-c.de", True),
        ("example", False),
        ("example.1", False),
        ("-a.example", False),
        ("a-.example", False),
        ("a..b", False),
        ("a.b.", False),
        ("a_b.c", False),
        ("alice.example.com\n", False),
        ("a." * 127 + "b", False),
        ("a" * 64 + ".com", False),
    ],
)
def test_handles(text: str, good: bool) -> None:
    assert syntax.is_handle(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("com.atproto.label.defs", True),
        ("email.atmos.telemetry.submitEvents", True),
        ("a.b.c", True),
        ("a-1.b-2.c", True),
        ("com.example", False),
        ("com.example.3", False),
        ("com.example.foo-bar", False),
        ("com.example.foo\n", False),
        ("com..example.foo", False),
        ("1com.example.foo", False),
        ("com.example.foo*", False),
        ("a." * 157 + "aaaa", False),
    ],
)
@pytest.mark.row(168)
def test_nsids(text: str, good: bool) -> None:
    assert syntax.is_nsid(text) is good


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("self", True),
        ("a~b:c_d.e-f", True),
        ("...", True),
        ("a" * 512, True),
        ("", False),
        (".", False),
        ("..", False),
        ("a" * 513, False),
        ("a/b", False),
        ("a b", False),
        ("é", False),
    ],
)
@pytest.mark.row(11)
def test_record_keys(text: str, good: bool) -> None:
    """Row 11: the alphabet, 1 to 512 characters, and neither dot nor dot-dot."""
    assert syntax.is_record_key(text) is good


@pytest.mark.parametrize(
    "text",
    [
        "did:plc:44ybard66vv44zksje25o7dz",
        "at://did:plc:44ybard66vv44zksje25o7dz/app.bsky.feed.post/3k5nobkf2w72g",
        "at://alice.example.com/app.bsky.feed.post/3k5nobkf2w72g",
        "https://example.com/article/1?q=a&b#c",
        "dns:example.com",
        "go://?Mercedes%20Benz",
        "microsoft.windows.camera:thing",
        "https://example.com/" + "x" * 8172,
    ],
)
@pytest.mark.row(6, 7, 8)
def test_a_uri_passes(text: str) -> None:
    """Rows 6 to 8: any URI with a scheme, up to 8 KiB, in the letters every implementation takes."""
    assert syntax.is_uri(text)
    assert syntax.check_uri(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "://example.com",
        "//example.com",
        "http:",
        "http://",
        "a:///b",
        ".http://example.com",
        "-http://example.com",
        "12345",
        "https://example.com/a b",
        "https://example.com/a\n",
        " https://example.com/",
        "https://example.com/é",
        "https://example.com/\x7f",
        "a" * 82 + ":b",
        "https://example.com/" + "x" * 8173,
    ],
)
@pytest.mark.row(7, 8)
def test_what_is_no_uri_is_refused(text: str) -> None:
    """Rows 7 and 8: no white space, a scheme, ASCII only, at most 8192 bytes."""
    assert not syntax.is_uri(text)
    with pytest.raises(BadInput, match="not a URI"):
        syntax.check_uri(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("at://did:plc:asdf123", True),
        ("at://user.example.com", True),
        ("at://did:plc:asdf123/com.atproto.feed.post", True),
        ("at://user.example.com/com.atproto.feed.post/record", True),
        ("at:/did:plc:asdf123", False),
        ("at://", False),
        ("at://did:plc:asdf123/", False),
        ("at://did:plc:asdf123/feed", False),
        ("at://did:plc:asdf123/com.atproto.feed.post/", False),
        ("at://did:plc:asdf123/com.atproto.feed.post/..", False),
        ("at://did:plc:asdf123/com.atproto.feed.post/a/b", False),
        ("at://did:plc:asdf123#frag", False),
        ("at://name", False),
        ("at://did:plc:" + "a" * 9000, False),
    ],
)
def test_at_uris_as_lexicons_have_them(text: str, good: bool) -> None:
    assert syntax.is_at_uri(text) is good


@pytest.mark.row(10)
def test_the_at_uri_of_a_record_passes() -> None:
    uri = "at://did:plc:asdf123/com.example.thing/a~b:c_d.e-f"
    assert syntax.check_at_uri(uri) == uri


@pytest.mark.parametrize(
    "text",
    [
        "at://did:plc:asdf123",
        "at://did:plc:asdf123/com.atproto.feed.post",
        "at://alice.example.com/com.atproto.feed.post/record",
        "at://did:plc:asdf123/com.atproto.feed.post/record/",
        "at://did:plc:asdf123/com.atproto.feed.post/record?x",
        "https://example.com/a/b",
    ],
)
@pytest.mark.row(10)
def test_a_record_subject_names_did_collection_and_key(text: str) -> None:
    """Row 10: handles are refused (not durable), and so is anything short of one record."""
    with pytest.raises(BadInput, match="at-uri of a record"):
        syntax.check_at_uri(text)


@pytest.mark.parametrize("text", [CID, RAW_CID])
@pytest.mark.row(13)
def test_a_blessed_cid_passes(text: str) -> None:
    """Row 13: version 1, base32, DRISL or raw, SHA-256."""
    assert syntax.is_cid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bafyrei",
        "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR",
        "zdj7WWeQ43G6JJvLWQWZpyHuAMq6uYWRjkBXFad11vE2LHhQ7",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",  # dag-pb
        CID.upper(),
        CID[:-1] + "1",  # no letter of base32
        CID[:-1] + "é",
        CID[:-1] + "r",  # stray bits at the end
        CID + " ",
        "c" + CID[1:],
    ],
)
@pytest.mark.row(12, 13, 14)
def test_other_cids_are_refused(text: str) -> None:
    """Rows 12 to 14: strict where others only look at the alphabet."""
    assert not syntax.is_cid(text)


def test_a_cid_is_written_as_it_is_read() -> None:
    assert syntax.cid_text(bytes.fromhex("01711220") + bytes(32)) == "bafyrei" + "a" * 52
    assert syntax.is_cid("bafyrei" + "a" * 52)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("a", True),
        ("a" * 128, True),
        ("é" * 64, True),
        ("!hide", True),
        ("two words", True),
        ("", False),
        ("a" * 129, False),
        ("é" * 65, False),
        ("\ud800", False),
    ],
)
@pytest.mark.row(16, 17)
def test_label_values_are_counted_in_bytes(text: str, good: bool) -> None:
    """Rows 16 and 17: 1 to 128 bytes of UTF-8, whatever they say."""
    assert syntax.is_label_value(text) is good


@pytest.mark.parametrize("text", ["a", "clean-sender", "a-b--c", "a" * 100])
@pytest.mark.row(19, 23)
def test_a_value_of_ours_passes(text: str) -> None:
    assert syntax.check_own_value(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a1", "a_b", "!hide", "a b", "a\n", "é", "a" * 101])
@pytest.mark.row(20, 21, 22, 23, 77)
def test_a_value_clients_would_not_look_up_is_never_ours(text: str) -> None:
    """Rows 21 to 23: digits and underscores make a custom label invisible; `!` values act by themselves."""
    with pytest.raises(BadInput, match="not a label value"):
        syntax.check_own_value(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-15T12:00:00Z", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15T12:00:00.1Z", datetime(2026, 1, 15, 12, 0, 0, 100_000, tzinfo=UTC)),
        ("2026-01-15T12:00:00.123456789Z", datetime(2026, 1, 15, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-15T12:00:00.00000000000000000001Z", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15T12:00:00+00:00", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15T05:00:00-07:00", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15T13:45:00+01:45", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2024-02-29T23:59:59.999Z", datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:30:00+01:00", datetime(1, 1, 1, tzinfo=UTC)),  # lies in year 0
        ("0000-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0000-02-29T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),  # year 0 was a leap year
        ("0000-12-31T23:30:00-01:00", datetime(1, 1, 1, 0, 30, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("9999-12-31T23:30:00-01:00", datetime.max.replace(tzinfo=UTC)),
    ],
)
@pytest.mark.row(31)
def test_a_datetime_names_its_instant(text: str, moment: datetime) -> None:
    """Row 31: fraction and offset as specified; what Python cannot hold becomes its neighbour."""
    assert syntax.is_datetime(text)
    assert syntax.parse_datetime(text) == moment
    assert syntax.parse_datetime(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1768478400",
        "2026-01-15",
        "2026-01-15T12:00Z",
        "2026-01-15T12:00:00",
        "2026-01-15t12:00:00Z",
        "2026-01-15T12:00:00z",
        "2026-01-15 12:00:00Z",
        "2026-01-15T12:00:00.Z",
        "2026-01-15T12:00:00,5Z",
        "2026-01-15T12:00:00-00:00",
        "2026-01-15T12:00:00+0000",
        "2026-01-15T12:00:00+00",
        "2026-01-15T12:00:00+24:00",
        "2026-01-15T12:00:00+01:60",
        "2026-1-15T12:00:00Z",
        "+002026-01-15T12:00:00Z",
        "-0001-01-15T12:00:00Z",
        "2026-00-15T12:00:00Z",
        "2026-13-15T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2026-01-15T24:00:00Z",
        "2026-01-15T12:60:00Z",
        "2026-01-15T12:00:60Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00+01:00",
        "2026-01-15T12:00:00Z\n",
        " 2026-01-15T12:00:00Z",
        "٢٠٢٦-01-15T12:00:00Z",
        "2026-01-15T12:00:00." + "0" * 21 + "Z",
        "2026-01-15T12:00:00." + "0" * 60 + "Z",
    ],
)
@pytest.mark.row(31, 32)
def test_what_is_no_datetime_is_refused(text: str) -> None:
    """Rows 31 and 32: one grammar, real dates, not before year 0, at most 64 characters and 20 digits of fraction."""
    assert not syntax.is_datetime(text)
    with pytest.raises(BadInput, match="not a datetime"):
        syntax.parse_datetime(text)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 5, 3, 4, 5, 6_999, tzinfo=UTC), "2026-01-05T03:04:05.006Z"),
        (datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T23:00:00.000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
@pytest.mark.row(33)
def test_we_write_datetimes_in_one_form(moment: datetime, text: str) -> None:
    """Row 33: UTC, milliseconds, zeros padded."""
    assert syntax.format_datetime(moment) == text


def test_an_error_quotes_foreign_text_in_ascii_and_not_all_of_it() -> None:
    with pytest.raises(BadInput) as caught:
        syntax.check_did("é\n" + "x" * 5000)
    assert caught.value.message.isascii()
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 120
