"""Whether we are alive, whether we are fit to be used, and the numbers behind both."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

import labeler
from labeler.errors import Unavailable
from labeler.ports import Clock, LabelLog, TelemetryLog
from labeler.service.http import Plain, json_response
from labeler.service.ingest import Ingest
from labeler.service.observe import Metrics
from labeler.service.pipeline import Pipeline
from labeler.service.self_check import SelfCheck

CHECK_SECONDS: Final = 5.0  # a log that takes longer to say where it ends is not serving
LAG_SECONDS: Final = 60.0  # records waiting, and none judged for so long
STALE: Final = timedelta(hours=1)  # without telemetry, after there once was some

Check = dict[str, Any]


class Health:
    """The pages monitoring looks at."""

    def __init__(
        self,
        telemetry: TelemetryLog,
        labels: LabelLog,
        ingest: Ingest,
        pipeline: Pipeline,
        clock: Clock,
        metrics: Metrics,
        self_check: SelfCheck | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._labels = labels
        self._ingest = ingest
        self._pipeline = pipeline
        self._clock = clock
        self._metrics = metrics
        self._self_check = self_check
        self.closing = False

    def pages(self) -> dict[str, Plain]:
        """Path → handler."""
        return {
            "/xrpc/_health": self.health,
            "/livez": self.live,
            "/readyz": self.ready,
            "/metrics": self.numbers,
        }

    async def health(self, _: web.Request) -> web.StreamResponse:
        """Answer the version; 503 when the label log does not answer (as the reference has it)."""
        check = await _asked(self._labels.bounds)
        if check["ok"]:
            return json_response({"version": labeler.__version__})
        return json_response({"version": labeler.__version__, "error": "Service Unavailable"}, 503)

    async def live(self, _: web.Request) -> web.StreamResponse:
        """Answer at all."""
        return json_response({"live": True})

    async def ready(self, _: web.Request) -> web.StreamResponse:
        """Answer every check by name; 503 when one fails."""
        checks = {
            "telemetryLog": await _asked(self._telemetry.head, failed=self._ingest.failed),
            "labelLog": await _asked(self._labels.bounds, failed=self._pipeline.failed),
            "pipeline": self._check_pipeline(),
            "telemetry": self._check_telemetry(),
            "serving": {"ok": not self.closing},
        }
        if self._self_check is not None:
            checks["identity"] = self._self_check.check()
        ready = all(check["ok"] for check in checks.values())
        return json_response({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def numbers(self, _: web.Request) -> web.StreamResponse:
        """Answer the metrics in the Prometheus text format."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _check_pipeline(self) -> Check:
        waiting = self._ingest.position - self._pipeline.position
        still = asyncio.get_running_loop().time() - self._pipeline.moved_at
        return {"ok": waiting <= 0 or still < LAG_SECONDS, "waiting": max(0, waiting)}

    def _check_telemetry(self) -> Check:
        heard = self._ingest.heard
        if heard is None:
            return {"ok": True, "message": "no telemetry yet"}
        age = self._clock.now() - heard
        return {"ok": age <= STALE, "ageSeconds": int(age.total_seconds())}


async def _asked(question: Callable[[], Awaitable[object]], *, failed: bool = False) -> Check:
    """Ask a log something cheap; its last write counts as well."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await question()
    except (Unavailable, TimeoutError) as error:
        return {"ok": False, "message": str(error) or "no answer"}
    return {"ok": False, "message": "the last write failed"} if failed else {"ok": True}
