"""A black-box conformance suite for labelers of the AT Protocol.

It speaks HTTP and WebSocket to a labeler, whoever wrote it, and knows nothing of this repository's own code: frames are
decoded by dag-cbor, signatures verified by the `atproto` package.
"""
