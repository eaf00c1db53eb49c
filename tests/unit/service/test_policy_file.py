"""The policy file: taken up when it changes, left alone while it is broken."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from labeler.errors import Misconfigured, Unavailable
from labeler.service import policy_file
from labeler.service.observe import Metrics
from labeler.service.policy_file import PolicyFile, read_policy

POLICY = Path("labeler/policy.toml").read_text(encoding="utf-8")


class Watched:
    """A policy file under watch, and every text it led to."""

    def __init__(self, path: Path, *, canary: bool = False) -> None:
        self.path, self.canary = path, canary
        self.path.write_text(POLICY)
        self.activated: list[str] = []
        self.away = False
        self.metrics = Metrics()
        self.file = PolicyFile(path, self._activate, self.metrics, canary=canary)
        self._news = asyncio.Event()

    async def _activate(self, text: str) -> int:
        if self.away:
            raise Unavailable("the input log is away")
        self.activated.append(text)
        self._news.set()
        return len(self.activated)

    async def news(self) -> None:
        await asyncio.wait_for(self._news.wait(), 5)
        self._news.clear()

    @property
    def alarm(self) -> float | None:
        """Whether monitoring is told that the file is not the policy in force."""
        name = "labeler_canary_policy_refused" if self.canary else "labeler_policy_refused"
        return self.metrics.registry.get_sample_value(name)

    async def refused(self) -> None:
        """Wait until a text was looked at and refused."""
        async with asyncio.timeout(5):
            name = "labeler_canary_policy_loads_total" if self.canary else "labeler_policy_loads_total"
            labels = {"result": "refused"}
            while not self.metrics.registry.get_sample_value(name, labels):  # noqa: ASYNC110 - a counter
                await asyncio.sleep(0.005)


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(policy_file, "POLL_SECONDS", 0.01)
    watched = Watched(tmp_path / "policy.toml")
    watching = asyncio.create_task(watched.file.watch(POLICY))
    yield watched
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_changed_text_is_activated_once(watched: Watched) -> None:
    watched.path.write_text(POLICY + "\n# stricter\n")
    await watched.news()
    await asyncio.sleep(0.05)
    assert watched.activated == [POLICY + "\n# stricter\n"]


async def test_a_touched_file_with_the_same_text_is_nothing_new(watched: Watched) -> None:
    os.utime(watched.path, (0, 0))
    await asyncio.sleep(0.1)
    assert watched.activated == []


async def test_a_broken_file_keeps_the_old_policy_and_is_logged_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.path.write_text("name = ")
    await watched.refused()
    await asyncio.sleep(0.05)
    assert watched.activated == []
    assert caplog.text.count("the policy stays as it was") == 1
    assert str(watched.path) in caplog.text
    watched.path.write_text(POLICY + "# mended\n")
    await watched.news()
    assert watched.activated == [POLICY + "# mended\n"]


async def test_an_unsound_file_keeps_the_old_policy_and_raises_an_alarm_until_it_is_mended(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """It could be judged by; it promises too little, and the log says which line promises what."""
    assert watched.alarm == 0
    watched.path.write_text(POLICY.replace("exit_below = 0.03", "exit_below = 0.3"))
    await watched.refused()
    assert watched.alarm == 1
    assert "rules[0].exit_below: invalid-recipients begins above 0.05 and could end under 0.3" in caplog.text
    watched.path.write_text(POLICY + "# mended\n")
    await watched.news()
    assert watched.activated == [POLICY + "# mended\n"]
    assert watched.alarm == 0


async def test_going_back_to_the_policy_in_force_ends_the_alarm_too(watched: Watched) -> None:
    watched.path.write_text("name = ")
    await watched.refused()
    assert watched.alarm == 1
    watched.path.write_text(POLICY)
    async with asyncio.timeout(5):
        while watched.alarm:  # noqa: ASYNC110 - a gauge
            await asyncio.sleep(0.005)
    assert watched.activated == []


async def test_the_file_of_a_canary_is_followed_alike_with_an_alarm_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(policy_file, "POLL_SECONDS", 0.01)
    watched = Watched(tmp_path / "canary.toml", canary=True)
    watching = asyncio.create_task(watched.file.watch(POLICY))
    watched.path.write_text("name = ")
    await watched.refused()
    assert (watched.alarm, watched.activated) == (1, [])
    assert watched.metrics.registry.get_sample_value("labeler_policy_refused") == 0
    assert "the canary policy stays as it was: " in caplog.text
    watched.path.write_text(POLICY + "# mended\n")
    await watched.news()
    watching.cancel()
    assert watched.activated == [POLICY + "# mended\n"]


async def test_a_deleted_file_keeps_the_old_policy(watched: Watched) -> None:
    watched.path.unlink()
    await watched.refused()
    watched.path.write_text(POLICY + "# back\n")
    await watched.news()
    assert watched.activated == [POLICY + "# back\n"]


async def test_a_policy_that_cannot_be_written_down_is_tried_again(watched: Watched) -> None:
    watched.away = True
    watched.path.write_text(POLICY + "# later\n")
    await asyncio.sleep(0.1)
    watched.away = False
    await watched.news()
    assert watched.activated == [POLICY + "# later\n"]


async def test_a_hangup_reads_the_file_at_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "policy.toml")
    watching = asyncio.create_task(watched.file.watch(POLICY))
    await asyncio.sleep(0)
    watched.path.write_text(POLICY + "# now\n")
    watched.file.reload()
    await asyncio.wait_for(watched.news(), policy_file.POLL_SECONDS / 2)
    watching.cancel()
    assert watched.activated == [POLICY + "# now\n"]


async def test_the_text_in_force_is_not_activated_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "policy.toml")
    assert await watched.file.take_up(POLICY, POLICY) == POLICY
    assert watched.activated == []
    await watched.file.take_up(POLICY, None)
    assert watched.activated == [POLICY]


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b""])
def test_a_bad_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=str(path)):
        read_policy(path)


def test_an_unsound_file_is_named_with_line_key_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.replace('terms = ["24h", "72h"', 'terms = ["24h", "12h"'))
    with pytest.raises(Misconfigured, match=r"policy\.toml: policy: line \d+: labels\.mail-throttled\.terms: .*sort"):
        read_policy(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"policy\.toml"):
        read_policy(tmp_path / "policy.toml")
