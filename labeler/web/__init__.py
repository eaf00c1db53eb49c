"""Pages for people: rendered here, on the server, from what `service` knows. Nothing is decided here."""
