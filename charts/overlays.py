"""Extra lines on the price by pandas-ta name; for the eye only, decisions never read them."""

import difflib
import inspect
import sys
import warnings
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from charts.spec import ChartBars, FloatArray, OverlayLine

_MIN_LENGTH, _MAX_LENGTH = 2, 500

_SINGLE = (
    "alma", "dema", "ema", "fwma", "hl2", "hlc3", "hma", "hwma", "jma", "kama", "linreg", "mcgd", "midpoint",
    "midprice", "ohlc4", "pwma", "rma", "sinwma", "sma", "ssf", "swma", "t3", "tema", "trima", "vwap", "vwma",
    "wcp", "wma", "zlma",
)  # fmt: skip
# Both pandas-ta and pandas-ta-classic have all of these:
# name → the columns that live on the price scale, by how they begin; none for functions that return one line
_COLUMNS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(_SINGLE, ()),
        "accbands": ("ACCB",),
        "bbands": ("BBL", "BBM", "BBU"),
        "cksp": ("CKSP",),
        "donchian": ("DC",),
        "hilo": ("HILO_",),
        "hwc": ("HWM", "HWL", "HWU"),
        "kc": ("KC",),
        "psar": ("PSARl", "PSARs"),
        "supertrend": ("SUPERTl", "SUPERTs"),
    }
)
_INPUTS = MappingProxyType({"open_": "open", "open": "open", "high": "high", "low": "low", "close": "close"})


def overlay_names() -> tuple[str, ...]:
    """Every name `overlay` knows, sorted."""
    return tuple(sorted(_COLUMNS))


def nearest(request: str) -> tuple[str, ...]:
    """Known names that look like it."""
    return tuple(difflib.get_close_matches(request.strip().lower().partition(":")[0], _COLUMNS, n=3, cutoff=0.5))


def parse(request: str) -> tuple[str, int | None]:
    """A name and its length, if any: "ema:50" is ("ema", 50). ValueError where there is no such overlay."""
    name, _, length = request.strip().lower().partition(":")
    if name not in _COLUMNS:
        close = nearest(name)
        hint = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(overlay_names())}"
        raise ValueError(f"unknown overlay {name!r}: {hint}")
    if not length:
        return name, None
    if not (length.isascii() and length.isdigit()) or not _MIN_LENGTH <= int(length) <= _MAX_LENGTH:
        raise ValueError(f"overlay {name}: length {length!r} is not a whole number from {_MIN_LENGTH} to {_MAX_LENGTH}")
    return name, int(length)


def _library() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("pandas_ta" if sys.version_info >= (3, 12) else "pandas_ta_classic")


def _arguments(parameters: set[str], bars: ChartBars) -> dict[str, Any]:
    import pandas as pd

    # the US date, not the UTC one, is where a day's VWAP begins
    index = pd.to_datetime(bars.start_ms, unit="ms", utc=True).tz_convert("America/New_York").tz_localize(None)
    fields = {key: name for key, name in {**_INPUTS, "volume": "volume"}.items() if key in parameters}
    return {key: pd.Series(np.array(getattr(bars, name)), index=index) for key, name in fields.items()}


def _line(values: Any) -> FloatArray:
    line = np.array(values, dtype=np.float64)
    line[~(np.isfinite(line) & (line > 0))] = np.nan
    return line


def overlay(name: str, bars: ChartBars) -> tuple[OverlayLine, ...]:
    """Lines for `ChartSpec.overlays`: "vwap", "supertrend", "bbands", or with a length "ema:50".

    ValueError for an unknown name (with suggestions), a bad length, or too few bars. Imports pandas-ta on first use.
    """
    name, length = parse(name)
    function = getattr(_library(), name, None)
    if function is None:
        raise ValueError(f"overlay {name} does not exist in this version of pandas-ta")
    parameters = set(inspect.signature(function).parameters)
    options: dict[str, Any] = {}
    if length is not None:
        if "length" not in parameters:
            raise ValueError(f"overlay {name} takes no length")
        options["length"] = length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(**_arguments(parameters, bars), **options)
    title = name if length is None else f"{name} {length}"
    if result is None:
        raise ValueError(f"overlay {title}: {len(bars)} bars are too few")
    wanted = _COLUMNS[name]
    if not wanted:
        return ((title, _line(result)),)
    return tuple((title, _line(result[column])) for column in result.columns if str(column).startswith(wanted))
