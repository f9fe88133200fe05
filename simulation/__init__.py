"""Seeded simulation: the real trader and the real guardian on virtual time, against a KIS that has accidents."""
