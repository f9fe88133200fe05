"""TA-Lib's own functions on arrays, without pandas.

TA-Lib's package imports pandas for the sake of its Series: 80 MB in each process that judges or draws, and a wrapper around
each function that takes longer than the function.
"""

import inspect
import sys
from types import ModuleType

from core.lean import kept_out


def _load() -> ModuleType:
    """The package; who imports it after us gets it whole."""
    if (loaded := sys.modules.get("talib")) is not None:
        return loaded
    with kept_out("pandas", "polars"):
        import talib
    library: ModuleType = sys.modules.pop("talib", talib)
    return library


_library = _load()
EMA, MACD, RSI, BBANDS = map(inspect.unwrap, (_library.EMA, _library.MACD, _library.RSI, _library.BBANDS))
