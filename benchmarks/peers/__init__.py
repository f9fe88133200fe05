"""One runner for each peer; each runs in that peer's own environment and prints one line of JSON."""
