"""The drawing process: takes jobs on its standard input, answers on its standard output, ends when its parent does."""

import gc
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

LENGTH = struct.Struct(">Q")
# a chart of two thousand bars with eight overlays is a quarter of a megabyte
MOST_BYTES = 64 * 1024 * 1024
NICENESS = 10


def write_frame(stream: BinaryIO, value: object) -> None:
    """One pickled value with its length before it."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> Any:
    """The next value; EOFError where the other side is gone. Both sides are this program, nothing comes from outside."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (size,) = LENGTH.unpack(head)
    if size > MOST_BYTES:
        raise EOFError(f"a frame of {size} bytes")
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    return pickle.loads(body)  # noqa: S301  (from our own process over a pipe that nobody else holds)


def _warm() -> bool:
    """Everything that is slow only once: imports, fonts, the first picture."""
    import numpy as np

    from charts.render import render
    from charts.spec import ChartBars, ChartSpec

    prices = np.linspace(99.0, 101.0, 60).astype(np.float64)
    times = np.arange(60, dtype=np.int64) * 60_000 + 1_735_828_200_000
    bars = ChartBars(times, prices, prices + 1, prices - 1, prices, np.ones(60))
    render(ChartSpec("SEOHAK", "서학", "", "1m", bars))
    return True


def _work(kind: str) -> Callable[..., object]:
    if kind == "render":
        from charts.render import render

        return render
    if kind == "report":
        from charts.equity import render_report

        return render_report
    if kind == "overlay":
        from charts.overlays import overlay

        return overlay
    if kind == "warm":
        return _warm
    raise ValueError(f"unknown job {kind}")


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer (True, result), or (False, words) for a request that makes no sense, until the input ends."""
    while True:
        try:
            kind, arguments = read_frame(jobs)
        except EOFError:
            return
        try:
            answer: tuple[bool, object] = (True, _work(kind)(*arguments))
        except ValueError as trouble:
            answer = (False, str(trouble))
        write_frame(answers, answer)
        # figures refer to themselves in circles; left to chance they pile up to 60 MB
        gc.collect()


def main() -> int:
    """Keep standard output for answers alone: whatever a library prints goes to the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # a find is drawn and bought at the same time, on a server with two processors: the order goes first
    os.nice(NICENESS)
    with os.fdopen(os.dup(1), "wb") as answers, os.fdopen(os.dup(0), "rb") as jobs:
        os.dup2(2, 1)
        try:
            serve(jobs, answers)
        except BrokenPipeError:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
