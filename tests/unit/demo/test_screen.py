"""The screen: what is printed is what was said, and lines stay lines."""

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from labeler.atproto.label import Label
from labeler.demo.checks import Check
from labeler.demo.clients import Exchange
from labeler.demo.members import corner_shop, list_buyer
from labeler.demo.screen import Screen, because, new_console, outlook, standing_table

SHOP, BUYER = corner_shop(), list_buyer()
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CLEARS = {"val": "mail-throttled", "text": "61 clean deliveries bring it under 3.00%", "at": "2026-03-05T05:06:07.000Z"}


def screen(*, terminal: bool = False) -> tuple[Screen, io.StringIO]:
    """Make a screen that writes into a string."""
    file = io.StringIO()
    console = Console(file=file, width=100, height=50, force_terminal=terminal, color_system=None, markup=False)
    return Screen(console, (SHOP, BUYER)), file


def standing(state: str, **more: Any) -> dict[str, Any]:
    """Answer like getStanding."""
    counts = {"accepted": 41, "bounced": 12, "invalidRecipients": 11, "recipientDomains": 7}
    return {
        "standing": state,
        "counts": counts,
        "clears": [],
        "headroom": [{"text": "3 more until it throttles"}],
        **more,
    }


def test_a_refusal_is_printed_word_for_word_on_one_line() -> None:
    """However narrow the screen is."""
    shown, file = screen()
    reply = f"550 5.7.1 Mail from this account is suspended, see http://{'x' * 200}?did=[red]a[/red]"
    shown.refusal(Exchange(0.0, 0.0, BUYER, "a@b.example", "RCPT", reply), NOW)
    assert f"< {reply}\n" in file.getvalue()
    assert "05:06:07  SMTP   list buyer to a@b.example, at RCPT" in file.getvalue()


def test_a_label_shows_value_subject_end_signature_and_why() -> None:
    """Everything that was verified."""
    shown, file = screen()
    label = Label(
        "did:web:l",
        BUYER.did,
        "mail-throttled",
        "2026-03-04T05:06:07.000Z",
        exp="2026-03-05T05:06:07.000Z",
        sig=bytes(range(64)),
    )
    shown.label(8, label, "3 of 12 recipients do not exist")
    text = " ".join(file.getvalue().split())
    assert "05:06:07 label seq 8 +mail-throttled list buyer did:web:lead-rocket.example until 2026-03-05T05:06Z" in text
    assert "sig 000102030405… because 3 of 12 recipients do not exist" in text


def test_a_negation_is_a_minus_and_needs_no_end() -> None:
    """Taken back, not given."""
    shown, file = screen()
    shown.label(
        9, Label("did:web:l", SHOP.did, "clean-sender", "2026-03-04T05:06:07.000Z", neg=True, sig=b"\1" * 64), ""
    )
    assert "−clean-sender  corner shop" in file.getvalue()
    assert "until" not in file.getvalue()
    assert "because" not in file.getvalue()


def test_without_a_terminal_only_changes_are_printed() -> None:
    """A log of a CI job stays short; what clears a label is told with it."""
    shown, file = screen()
    with shown:
        for _ in range(3):
            shown.follow({SHOP.did: standing("good"), BUYER.did: standing("warming")})
        shown.follow({SHOP.did: standing("good"), BUYER.did: standing("throttled", clears=[CLEARS])})
    assert [line.strip() for line in file.getvalue().splitlines()] == [
        "corner shop stands good",
        "list buyer stands warming",
        "list buyer stands throttled; what clears it: 61 clean deliveries bring it under 3.00% (by itself 2026-03-05)",
    ]


def test_on_a_terminal_a_table_follows() -> None:
    """It is drawn with every look, and taken away in the end."""
    shown, file = screen(terminal=True)
    with shown:
        shown.follow({BUYER.did: standing("throttled", clears=[CLEARS])})
        drawn = file.getvalue()
        shown.say("a line above it")
    assert "what clears it" in drawn
    assert "did:web:lead-rocket.example" in drawn
    assert "stands throttled" not in drawn
    assert "a line above it" in file.getvalue()


def test_the_table_has_what_get_standing_says() -> None:
    """Counts, standing, what clears it; a member nobody asked about is unknown."""
    shown, file = screen()
    shown.table({BUYER.did: standing("throttled", clears=[CLEARS])})
    text = " ".join(file.getvalue().split())
    assert "list buyer 41 12 11 7 throttled 61 clean deliveries" in text
    assert "corner shop 0 0 0 0 unknown" in text
    assert standing_table((SHOP,), {}).row_count == 1


def test_outlook_tells_the_cure_before_the_room() -> None:
    """Room is for those who have nothing to clear."""
    assert outlook(standing("good")) == "3 more until it throttles"
    assert (
        outlook(standing("suspended", clears=[{"val": "x", "text": "An operator reviews it."}]))
        == "An operator reviews it."
    )
    assert outlook({}) == ""


def test_because_prefers_numbers_to_reasons() -> None:
    """The findings where there are any."""
    assert because({"reason": "r", "findings": [{"text": "a"}, {"text": "b"}, {}]}) == "a; b"
    assert because({"reason": "enrolled", "findings": []}) == "enrolled"


def test_checks_are_ticked_or_crossed() -> None:
    """One line each."""
    shown, file = screen()
    shown.chapter("Did it happen?")
    shown.checks([Check(True, "this did"), Check(False, "this did not")])
    assert file.getvalue().splitlines()[-2:] == ["✓ this did", "✗ this did not"]
    assert "Did it happen?" in file.getvalue()


def test_a_console_without_a_terminal_is_wide_and_plain() -> None:
    """A pipe has no width of its own."""
    console = new_console()
    assert not console.is_terminal
    assert console.width == 132
