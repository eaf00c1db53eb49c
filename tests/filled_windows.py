"""Windows filled by hand, and what they are measured in."""

from collections.abc import Mapping

from labeler.reputation.counters import CountWindow, DistinctWindow
from labeler.reputation.metrics import Setting
from labeler.reputation.policy import Bar, Caps, Rule, Span
from labeler.reputation.pool import Pool
from labeler.reputation.windows import SubjectWindows

HOUR = 1_000
REST_CONFIDENCE = 0.9
NOW_S = HOUR * 3600 + 1_800  # half past


def setting(
    caps: Caps | None = None,
    enrolled: tuple[str, ...] = (),
    pool: Pool | None = None,
    incidents: Mapping[str, list[tuple[int, int]]] | None = None,
) -> Setting:
    return Setting(caps or Caps(hourly=10, daily=100), enrolled, pool or Pool(), incidents or {}, 48 * 3600)


def rule(metric: str, min_events: int = 3, exit_below: float = 0.5, window: str = "1h") -> Rule:
    bar = Bar(above=0.9, min_events=min_events)
    return Rule(
        id="r",
        family="f",
        metric=metric,
        window=Span(window),
        summary="",
        throttle=bar,
        exit_below=exit_below,
        elsewhere_confidence=REST_CONFIDENCE,
    )


def fill(window: CountWindow | DistinctWindow, buckets: list[int]) -> None:
    """Something of its own in each of the buckets."""
    for index, bucket in enumerate(buckets):
        if isinstance(window, CountWindow):
            window.add(bucket)
        else:
            window.record(f"item {index}", bucket)


def filled(**buckets: list[int]) -> SubjectWindows:
    windows = SubjectWindows()
    for name, hours in buckets.items():
        fill(getattr(windows.volume if hasattr(windows.volume, name) else windows, name), hours)
    return windows
