"""The demo: a real relay, a real sink, four members, and a labeler that was told nothing but telemetry."""
