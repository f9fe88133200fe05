"""One deterministic machine per process: handle(message) -> effects."""
