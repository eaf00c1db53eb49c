"""Recipient domains are drawn as the mixes say."""

import numpy as np
import pytest

from labeler.simulation.mixes import CONSUMERS, FRESH, PROVIDERS, SELF_HOSTERS, Mix, domain_name, draw_domains


@pytest.mark.parametrize("mix", [CONSUMERS, SELF_HOSTERS], ids=["consumers", "self-hosters"])
def test_providers_have_their_shares_and_the_tail_the_rest(mix: Mix) -> None:
    drawn = draw_domains(np.random.default_rng(1), mix, 20_000)
    for place, share in enumerate(mix.shares):
        assert np.mean(drawn == place) == pytest.approx(share, abs=0.012)
    tail = drawn[drawn >= len(PROVIDERS)]
    assert tail.max() < len(PROVIDERS) + mix.tail
    assert np.mean(tail == len(PROVIDERS)) > 5 * np.mean(tail == len(PROVIDERS) + 9) > 0


def test_an_audience_of_self_hosters_is_wider_than_one_of_consumers() -> None:
    wide, narrow = (len(set(draw_domains(np.random.default_rng(2), mix, 200))) for mix in (SELF_HOSTERS, CONSUMERS))
    assert wide > 1.5 * narrow


def test_a_fresh_domain_has_one_recipient() -> None:
    drawn = draw_domains(np.random.default_rng(1), FRESH, 500)
    assert len({domain_name(int(number)) for number in drawn}) == 500


def test_domains_have_names_and_those_of_attackers_have_others() -> None:
    assert domain_name(0) == "gmail.com"
    assert domain_name(17) == "d17.example"
    assert domain_name(-2) == "hostile2.example"
