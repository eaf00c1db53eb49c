"""A relay reads the enforcement state off the stream."""

from datetime import timedelta

from labeler.atproto.label import Label
from labeler.atproto.syntax import format_datetime
from labeler.simulation.ledger import Ledger
from labeler.simulation.mail import START


def label(val: str, *, hours: float | None = None, neg: bool | None = None) -> Label:
    exp = format_datetime(START + timedelta(hours=hours)) if hours is not None else None
    return Label("did:web:labeler.example", "did:plc:member", val, format_datetime(START), neg=neg, exp=exp)


def test_a_label_holds_until_it_is_taken_back() -> None:
    ledger = Ledger()
    ledger.take([label("mail-throttled", hours=24)], START)
    assert ledger.at(START) == "mail-throttled"
    ledger.take([label("mail-throttled", neg=True)], START + timedelta(hours=1))
    assert (ledger.state, ledger.transitions) == (None, 2)


def test_a_label_ends_by_itself_and_that_counts_as_a_change() -> None:
    ledger = Ledger()
    ledger.take([label("mail-throttled", hours=24)], START)
    assert ledger.at(START + timedelta(hours=23.9)) == "mail-throttled"
    assert ledger.at(START + timedelta(hours=24)) is None
    assert ledger.transitions == 2


def test_a_renewal_is_no_change() -> None:
    ledger = Ledger()
    ledger.take([label("mail-throttled", hours=24)], START)
    ledger.take([label("mail-throttled", hours=36)], START + timedelta(hours=12))
    assert ledger.at(START + timedelta(hours=30)) == "mail-throttled"
    assert ledger.transitions == 1


def test_the_stricter_label_counts_and_replacing_is_one_change() -> None:
    ledger = Ledger()
    ledger.take([label("mail-throttled", hours=24)], START)
    ledger.take([label("mail-suspended", hours=336), label("mail-throttled", neg=True)], START + timedelta(hours=1))
    assert (ledger.state, ledger.transitions) == ("mail-suspended", 2)
    assert ledger.ends == START + timedelta(hours=336)


def test_other_labels_restrict_nobody() -> None:
    ledger = Ledger()
    ledger.take([label("clean-sender", hours=72), label("relay-member")], START)
    assert (ledger.state, ledger.transitions, ledger.ends) == (None, 0, None)


def test_a_label_without_an_end_stays() -> None:
    ledger = Ledger()
    ledger.take([label("mail-suspended")], START)
    assert ledger.at(START + timedelta(days=900)) == "mail-suspended"
