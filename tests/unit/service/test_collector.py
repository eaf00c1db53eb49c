"""What lasts is not looked through again."""

import gc

from labeler.service.collector import spare_what_lasts


def test_what_is_there_is_left_alone_for_good() -> None:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # whatever ran before
    try:
        spare_what_lasts()
        assert gc.get_freeze_count() > 1_000
        assert gc.get_threshold() > (700, 10, 10)
        assert gc.isenabled(), "what comes and goes in circles must go"
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
