"""Walk forward: windows to search in, each with the days right behind it to see what the find is worth."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from config.params import ConfigError


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """`train` is in sample, `test` out of it; without test days nothing is."""

    train: tuple[dt.date, ...]
    test: tuple[dt.date, ...]


def walk_forward(days: Sequence[dt.date], *, train: int, test: int) -> tuple[Fold, ...]:
    """As many windows of `train` days with `test` days behind them as fit, each `test` days on, the last up to the end.

    Without test days everything is one window. Raises ConfigError where none fits.
    """
    if test == 0:
        return (Fold(train=tuple(days), test=()),)
    if train + test > len(days):
        raise ConfigError(
            f"{train} days to search in and {test} to check make {train + test}, and there are {len(days)}: "
            "more data, or smaller --train and --test"
        )
    first = (len(days) - train) % test
    return tuple(
        Fold(train=tuple(days[start : start + train]), test=tuple(days[start + train : start + train + test]))
        for start in range(first, len(days) - train, test)
    )
