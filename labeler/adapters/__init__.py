"""One technology a file, each implementing a port of `labeler.ports` completely. Only `labeler.wiring` imports them."""
