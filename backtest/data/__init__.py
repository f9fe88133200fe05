"""Minute bars on disk: import, checks, and a store that a replay reads day by day."""
