"""For every test: hypothesis tries the same cases each time, and what waits longest is begun first."""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")

# Groups that play worlds of real processes, the longest first: they mostly wait, and what computes fills the time.
WORLDS = (
    "demo",
    "journeys",
    "parity-recorded",
    "parity-invented",
    "stops-dying",
    "guardian",
    "stops-living",
    "lost-replies",
    "burst-kill",
    "replay",
    "up",
    "kill-trader",
    "canary",
    "replay-demo",
    "chat-journeys",
    "kill-unanswered",
    "chat-page",
    "chat-people",
    "kill-everyone",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Worlds first; everything else stays in its order."""

    def turn(item: pytest.Item) -> int:
        marks = [mark.args[0] for mark in item.iter_markers("xdist_group")]
        return min((WORLDS.index(name) for name in marks if name in WORLDS), default=len(WORLDS))

    items.sort(key=turn)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured, below their results."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"measured: {name} = {value}")
