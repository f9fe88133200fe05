"""Real data beside the project; every test here is skipped where it is absent."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests, and skip them where the data is absent."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.shared)
            if not DATA.is_dir():
                item.add_marker(pytest.mark.skip(reason="../shared/data is absent"))
