"""Dialogues of several steps."""
