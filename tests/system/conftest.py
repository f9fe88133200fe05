"""Marks of the system tests, and the one demo run that several files look at."""

from pathlib import Path

import demo_run
import pytest

HERE = Path(__file__).parent
# the longest world takes a minute and a half; pyproject.toml has the limit of all other tests
LIMIT_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> demo_run.Told:
    """The whole story of `python -m cli demo`, with strangers and listeners around it."""
    return demo_run.tell(tmp_path_factory.mktemp("demo"))
