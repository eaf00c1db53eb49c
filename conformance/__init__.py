"""A black-box conformance suite for labelers of the AT Protocol: it speaks HTTP and WebSocket to any of them."""
