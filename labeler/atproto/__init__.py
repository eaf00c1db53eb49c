"""The protocol as values and bytes. PURE: knows no clock, socket or file; randomness and time come in as arguments."""
