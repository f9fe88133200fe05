"""For every test: hypothesis tries the same cases each time, so that a run says something about the change."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")
