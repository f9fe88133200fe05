"""What the contract suites share: the story's market, a clock that the test moves, faults, and servers on sockets."""

from datetime import UTC, date, datetime

import pytest

from sandbox import scenarios
from sandbox.faults import Faults
from sandbox.market import Market
from tests.unit.sandbox.manual_clock import ManualClock

DAY = date(2026, 11, 18)
START = datetime(2026, 11, 18, 19, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def market() -> Market:
    return scenarios.build("story", DAY)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def faults() -> Faults:
    return Faults()
