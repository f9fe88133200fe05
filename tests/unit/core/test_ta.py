"""TA-Lib comes without pandas, and whoever wants it with pandas still gets it."""

import subprocess
import sys

ALONE = """
import sys
from core.rules.ta import EMA
assert "pandas" not in sys.modules and "polars" not in sys.modules and "talib" not in sys.modules
import numpy as np, pandas as pd, talib
prices = np.linspace(10.0, 12.0, 60)
whole = talib.EMA(pd.Series(prices), 5)
assert isinstance(whole, pd.Series)
assert np.array_equal(whole.to_numpy(), EMA(prices, 5), equal_nan=True)
print("fine")
"""
AFTER_IT = """
import talib
from core.rules.ta import EMA
import sys
assert sys.modules["talib"] is talib
print("fine")
"""


def said(code: str) -> str:
    """What a fresh interpreter prints."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return ended.stdout.strip() or ended.stderr


def test_the_functions_come_without_pandas_and_the_package_stays_whole_for_others() -> None:
    assert said(ALONE) == "fine"


def test_a_package_that_is_there_already_is_left_alone() -> None:
    assert said(AFTER_IT) == "fine"
