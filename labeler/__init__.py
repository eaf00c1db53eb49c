"""A reputation labeler for e-mail on the AT Protocol.

Telemetry goes into a log; a pure fold over it yields label changes; signed, they go into a second log; every
subscriber is a cursor into that one. `docs/ARCHITECTURE.md` walks through it.
"""

__version__ = "0.1.0"
