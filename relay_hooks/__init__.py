"""What a mail relay embeds: telemetry out, labels in, a verdict at RCPT time. Never raises into its mail path.

Names are loaded when first used: a relay that only enforces never imports an HTTP client.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labeler.reputation.events import Kind, SendEvent
    from relay_hooks.cache import LabelCache
    from relay_hooks.cache_file import CacheFile
    from relay_hooks.enforcement import Accept, Defer, Enforcer, Reject, Transaction, Verdict
    from relay_hooks.identity import Identity, IdentityResolver
    from relay_hooks.outbox import Rejected, ReporterStats
    from relay_hooks.outcomes import SmtpReply, new_event_id, outcome_event, read_reply
    from relay_hooks.recipients import RecipientHasher
    from relay_hooks.reporter import TelemetryReporter
    from relay_hooks.subscriber import LabelSubscriber, SubscriberStats

__all__ = [
    "Accept",
    "CacheFile",
    "Defer",
    "Enforcer",
    "Identity",
    "IdentityResolver",
    "Kind",
    "LabelCache",
    "LabelSubscriber",
    "RecipientHasher",
    "Reject",
    "Rejected",
    "ReporterStats",
    "SendEvent",
    "SmtpReply",
    "SubscriberStats",
    "TelemetryReporter",
    "Transaction",
    "Verdict",
    "new_event_id",
    "outcome_event",
    "read_reply",
]

_HOMES = {
    "labeler.reputation.events": ("Kind", "SendEvent"),
    "relay_hooks.cache": ("LabelCache",),
    "relay_hooks.cache_file": ("CacheFile",),
    "relay_hooks.enforcement": ("Accept", "Defer", "Enforcer", "Reject", "Transaction", "Verdict"),
    "relay_hooks.identity": ("Identity", "IdentityResolver"),
    "relay_hooks.outbox": ("Rejected", "ReporterStats"),
    "relay_hooks.outcomes": ("SmtpReply", "new_event_id", "outcome_event", "read_reply"),
    "relay_hooks.recipients": ("RecipientHasher",),
    "relay_hooks.reporter": ("TelemetryReporter",),
    "relay_hooks.subscriber": ("LabelSubscriber", "SubscriberStats"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'relay_hooks' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
