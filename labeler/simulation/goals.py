"""What a population is held to, and whether it was met: always a share of runs with its exact interval."""

from typing import Final, NamedTuple

ALL: Final = 0.99  # "within" means in at least this share of the runs


class Goal(NamedTuple):
    """What is promised of a population; None where nothing is.

    `false_*` are the largest shares of members stopped in 30 days, `median_*` the sends half of them have made at most
    by then, `within_*` those (nearly) all have, `transitions` the mean changes of state in 30 days. `clears`: labels
    end as their standing said.
    """

    false_throttle: float | None = None
    false_suspend: float | None = None
    median_throttle: int | None = None
    median_suspend: int | None = None
    within_throttle: int | None = None
    within_suspend: int | None = None
    transitions: float | None = None
    clears: bool = False

    @property
    def text(self) -> str:
        """The goal in a few words; empty where nothing is promised."""
        parts = [
            _pair("{} %", _percent(self.false_throttle), _percent(self.false_suspend)),
            _pair("half by {} sends", self.median_throttle, self.median_suspend),
            _pair("all by {} sends", self.within_throttle, self.within_suspend),
            f"≤ {self.transitions:g} changes" if self.transitions is not None else "",
            "clears as said" if self.clears else "",
        ]
        return "; ".join(part for part in parts if part)


NONE: Final = Goal()


def _percent(share: float | None) -> str | None:
    if share is None:
        return None
    return f"≤ {share * 100:g}" if share else "0"


def _pair(form: str, *values: float | str | None) -> str:
    given = ["–" if value is None else str(value) for value in values]
    return form.format(" / ".join(given)) if any(value is not None for value in values) else ""
