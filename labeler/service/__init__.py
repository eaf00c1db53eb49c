"""The shell: HTTP, WebSocket and loops around the judgement. Nothing is decided here."""
