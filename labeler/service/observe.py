"""What an operator's monitoring sees: counters and gauges on a registry of our own, and log lines as JSON.

Every metric label comes from a closed set, of the code or of the policy, so that no caller can grow the registry.
Nothing here holds an address.
"""

import json
import logging
import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from labeler.reputation.definitions import VALUES
from labeler.reputation.subject import NOTICE_KINDS

REJECTIONS = frozenset({"TooOld", "FutureEvent", "InvalidEvent"})
ENDINGS = frozenset({"ConsumerTooSlow", "FutureCursor", "InvalidRequest", "shutdown", "silent", "left", "failed"})
NOTICES = frozenset(NOTICE_KINDS)
OTHER = "other"


class Metrics:
    """Every metric of the service; one object a process, made by the wiring."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.events = Counter(
            "labeler_events", "Telemetry events by what became of them.", ["result"], registry=registry
        )
        self.rejections = Counter(
            "labeler_event_rejections", "Refused telemetry events.", ["reason"], registry=registry
        )
        self.batches = Counter("labeler_batches", "Batches answered as durable.", registry=registry)
        self.commits = Histogram(
            "labeler_commit_records",
            "Records written to the input log in one go.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self.storage_failures = Counter(
            "labeler_storage_failures", "Calls the storage did not serve.", ["log"], registry=registry
        )
        self.labels = Counter("labeler_labels", "Labels issued.", ["val", "neg"], registry=registry)
        self.shadow = Counter(
            "labeler_shadow",
            "Label changes that were decided in shadow only.",
            ["val", "rule"],
            registry=registry,
        )
        self.notices = Counter(
            "labeler_notices", "What people should look at that is no label.", ["kind"], registry=registry
        )
        self.notifications = Counter(
            "labeler_notifications",
            "Notices on their way to people, by channel and by what became of them.",
            ["channel", "result"],
            registry=registry,
        )
        self.breaker_closed = Gauge(
            "labeler_breaker_closed",
            "1 while rules may suspend; 0 once they suspended as many members as a day may bring.",
            registry=registry,
        )
        self.incidents = Gauge(
            "labeler_incidents", "Mailbox providers to blame for failures in these hours.", registry=registry
        )
        self.open_cases = Gauge(
            "labeler_open_cases", "Cases that wait for a person's decision.", ["kind"], registry=registry
        )
        self.escalated_cases = Gauge(
            "labeler_escalated_cases", "Open cases about which a deadline has passed.", registry=registry
        )
        self.oldest_case = Gauge("labeler_oldest_case_seconds", "Age of the oldest open case.", registry=registry)
        self.automation = Gauge(
            "labeler_automation", "1 for what the rules do now: enforce, shadow or pause.", ["mode"], registry=registry
        )
        self.canary_disagreements = Gauge(
            "labeler_canary_disagreements",
            "Labels in force under one of two policies only.",
            ["val", "side"],
            registry=registry,
        )
        self.resigned = Counter(
            "labeler_resigned_labels", "Labels signed anew after the label key changed.", registry=registry
        )
        self.subscribers = Gauge("labeler_subscribers", "Open label subscriptions.", registry=registry)
        self.endings = Counter(
            "labeler_subscriptions_ended", "Label subscriptions that ended.", ["reason"], registry=registry
        )
        self.frames = Counter("labeler_frames_sent", "Label frames handed to sockets.", registry=registry)
        self.requests = Counter("labeler_requests", "HTTP requests.", ["nsid", "status"], registry=registry)
        self.service_auth = Counter(
            "labeler_service_auth", "Service-auth tokens by what became of them.", ["result"], registry=registry
        )
        self.bare_audiences = Counter(
            "labeler_bare_audience", "Service-auth tokens taken whose audience names no service.", registry=registry
        )
        self.did_lookups = Counter(
            "labeler_did_lookups", "DID documents asked for, by outcome.", ["result"], registry=registry
        )
        self.handle_lookups = Counter(
            "labeler_handle_lookups", "Handles resolved, by outcome.", ["result"], registry=registry
        )
        self.identity_checks = Counter(
            "labeler_identity_checks",
            "Comparisons with our own DID document, by outcome.",
            ["result"],
            registry=registry,
        )
        self.input_head = Gauge("labeler_input_head", "Newest position of the input log.", registry=registry)
        self.input_judged = Gauge("labeler_input_judged", "Position judged up to.", registry=registry)
        self.lag = Gauge("labeler_pipeline_lag_records", "Records waiting to be judged.", registry=registry)
        self.checkpoint = Gauge("labeler_checkpoint", "Position stored with the labels.", registry=registry)
        self.seq = Gauge("labeler_seq_head", "Newest seq of the label log.", registry=registry)
        self.policies = Counter(
            "labeler_policy_loads", "Policy files taken up or refused.", ["result"], registry=registry
        )
        self.policy_refused = Gauge(
            "labeler_policy_refused", "1 while the policy file is broken and an older policy judges.", registry=registry
        )
        self.canary_policies = Counter(
            "labeler_canary_policy_loads", "Canary policy files taken up or refused.", ["result"], registry=registry
        )
        self.canary_refused = Gauge(
            "labeler_canary_policy_refused",
            "1 while the canary policy file is broken and an older one is watched.",
            registry=registry,
        )

    def reject(self, reasons: Iterable[str]) -> None:
        """Count refused events by reason; a reason outside the closed set counts as other."""
        for reason in reasons:
            self.rejections.labels(reason if reason in REJECTIONS else OTHER).inc()

    def issued(self, val: str, neg: bool) -> None:
        """Count one label."""
        self.labels.labels(val if val in VALUES else OTHER, "true" if neg else "false").inc()

    def noticed(self, kind: str) -> None:
        """Count one notice."""
        self.notices.labels(kind if kind in NOTICES else OTHER).inc()

    def disagreed(self, val: str, side: str, *, over: bool) -> None:
        """Count a disagreement that began, or that is over."""
        self.canary_disagreements.labels(val if val in VALUES else OTHER, side).inc(-1 if over else 1)

    def ended(self, reason: str) -> None:
        """Count one subscription that ended."""
        self.endings.labels(reason if reason in ENDINGS else OTHER).inc()

    def text(self) -> bytes:
        """Render everything in the Prometheus text format."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the fields given as `extra={"fields": {…}}`."""

    converter = staticmethod(time.gmtime)  # UTC, as everywhere

    def format(self, record: logging.LogRecord) -> str:
        """Render `record` as one line of JSON."""
        line: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
