"""Put on PYTHONPATH by the stop benchmark: SIGUSR2 makes a trader spin for ever, as a bug in it might."""

import contextlib
import signal
import sys


def _spin(*_: object) -> None:
    while True:
        pass


if "services.trader" in sys.orig_argv:
    with contextlib.suppress(OSError, ValueError):
        signal.signal(signal.SIGUSR2, _spin)
