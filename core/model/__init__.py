"""Frozen nouns: they refuse nonsense at birth and know nothing of the world outside."""
