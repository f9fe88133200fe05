"""Worlds for the trader's machine."""

import pytest

from core.model.params import TradingParams
from tests.unit.core.harness import World


@pytest.fixture
def world() -> World:
    """Approve mode, defaults."""
    return World()


@pytest.fixture
def auto() -> World:
    """Automatic buying."""
    return World(TradingParams(mode="auto"))


@pytest.fixture
def holding(auto: World) -> World:
    """A bought position at $100 that nothing else happens to."""
    auto.bought_position()
    return auto
