"""What somebody had to pay for: the registrable part of a domain, whatever a relay writes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.reputation.domains import registrable


@pytest.mark.parametrize(
    ("domain", "paid_for"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("mail.example.co.uk", "example.co.uk"),
        ("SHOP.Example.COM", "example.com"),
        ("shop.example.com.", "example.com"),
        ("alice.github.io", "alice.github.io"),
        ("mail.alice.github.io", "alice.github.io"),
        ("xn--bcher-kva.example.de", "example.de"),
        ("mail.xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("www.ck", "www.ck"),
        ("nobody.heard.of.this-suffix", "of.this-suffix"),
    ],
)
def test_what_stands_under_a_public_suffix(domain: str, paid_for: str) -> None:
    assert registrable(domain) == paid_for


@pytest.mark.parametrize("name", ["co.uk", "github.io", "localhost", "*", "a..b", "xn--"])
def test_what_nobody_can_register_stands_for_itself(name: str) -> None:
    assert registrable(name) == name


def test_sub_domains_do_not_pass_for_many() -> None:
    assert len({registrable(f"list{n}.shop.example.com") for n in range(100)}) == 1


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=30) | st.text(st.sampled_from("ab.-_*xn\x00ßü"), max_size=20))
def test_whatever_is_written_there_is_an_answer_and_it_stays(text: str) -> None:
    answer = registrable(text)
    assert registrable(answer) == answer
    assert registrable(text.upper().lower()) == registrable(text.upper())
