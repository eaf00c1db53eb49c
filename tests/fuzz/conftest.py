"""Fuzzing a service that really runs: a process, a port, and a bound on what all of it may cost."""

import gc
from collections.abc import Iterator

import pytest

from tests.service_process import ServiceProcess, install, serving

GROWTH_MIB = 96.0  # whatever a module's tests send, memory grows by less
WARM_UP = 300  # requests before memory is measured: caches, arenas and compiled patterns are in place then


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A running labeler; when the module is through it is alive, no bigger, and has logged no mistake of its own."""
    folder = tmp_path_factory.mktemp("fuzzed")
    install(folder)
    with serving(folder) as running:
        for _ in range(WARM_UP):
            assert running.ask("GET", "/xrpc/com.atproto.label.queryLabels?uriPatterns=*").status == 200
        gc.collect()
        rss, descriptors = running.rss_mib, running.descriptors
        yield running
        assert running.alive
        assert running.ask("GET", "/livez").status == 200
        assert running.rss_mib - rss < GROWTH_MIB, "memory is bounded"
        assert running.descriptors < descriptors + 50, "connections are let go"
        mistakes = [line for line in running.log().splitlines() if '"ERROR"' in line or "Traceback" in line]
        assert not mistakes, mistakes[:3]
