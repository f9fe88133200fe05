"""What the runners share: bars in, one line of JSON out."""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

FAST, SLOW = 5, 20
# libraries seed an EMA differently; after so many bars all have the same values, and nothing is bought before
WARM_BARS = 200
CASH_USD = 100_000.0
COLUMNS = ("open", "high", "low", "close", "volume")


class Ticker(NamedTuple):
    """One ticker's bars as columns of one length, oldest first; `start_ms` is epoch milliseconds UTC."""

    name: str
    start_ms: npt.NDArray[np.int64]
    open: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    close: npt.NDArray[np.float64]
    volume: npt.NDArray[np.float64]


def read(path: Path, most: int) -> list[Ticker]:
    """The first `most` tickers of a file that lies by ticker, then by start."""
    table = pq.read_table(path, read_dictionary=["ticker"])
    ticker = table["ticker"].combine_chunks()
    names, code = ticker.dictionary.to_pylist(), ticker.indices.to_numpy()
    edges = np.append(np.flatnonzero(np.append([True], code[1:] != code[:-1])), len(code))
    # nautilus_trader takes no read-only arrays
    columns = [table[name].to_numpy().copy() for name in ("start_ms", *COLUMNS)]
    return [
        Ticker(names[code[begin]], *(column[begin:end] for column in columns))
        for begin, end in list(itertools.pairwise(edges))[:most]
    ]


def main(simulate: Callable[[Sequence[Ticker]], list[int]]) -> None:
    """`simulate` takes bars and returns how many entries of each ticker were filled.

    It runs once on two tickers, which is where a library compiles what it needs, and then on all. `--began` is the
    monotonic clock when the process was started: `import_s` runs from there until everything is imported.
    """
    ready = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("bars", type=Path)
    parser.add_argument("--tickers", type=int, required=True)
    parser.add_argument("--began", type=float, required=True)
    options = parser.parse_args()
    tickers = read(options.bars, options.tickers)
    began = time.perf_counter()
    simulate(tickers[:2])
    first_s = time.perf_counter() - began
    began = time.perf_counter()
    entries = simulate(tickers)
    facts = {
        "bars": sum(len(t.close) for t in tickers),
        "seconds": time.perf_counter() - began,
        "import_s": ready - options.began,
        "first_s": first_s,
        "entries": [int(count) for count in entries],
    }
    sys.stdout.write(json.dumps(facts) + "\n")
