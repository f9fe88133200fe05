"""TA-Lib's own functions on arrays, without pandas.

TA-Lib's package imports pandas for the sake of its Series: 80 MB in each process that judges or draws, and a wrapper around
each function that takes longer than the function.
"""

import inspect
import sys
from types import ModuleType

GUESTS = ("pandas", "polars")


def _load() -> ModuleType:
    """The package, with guests that are not there yet kept out; who imports it after us gets it whole."""
    if (loaded := sys.modules.get("talib")) is not None:
        return loaded
    kept_out = [name for name in GUESTS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type] # None: as if it were not installed
    try:
        import talib
    finally:
        for name in (*kept_out, "talib"):
            sys.modules.pop(name, None)
    library: ModuleType = talib
    return library


_library = _load()
EMA, MACD, RSI, BBANDS = map(inspect.unwrap, (_library.EMA, _library.MACD, _library.RSI, _library.BBANDS))
