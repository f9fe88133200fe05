"""Polygon.io (Massive) as `ports.market_data`: the minute bar stream and the reference look-ups (facts: polygon.md)."""
