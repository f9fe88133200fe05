"""Worker processes of one study on this machine."""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess

from optuna.study import Study

from backtest.data.manifest import DataProblem
from backtest.optimize.study import Search, finished, give_back, work, worker_name
from config.params import ConfigError

LOOK_EVERY_S = 0.3


def start(search: Search, workers: int) -> list[BaseProcess]:
    """Start so many; each has chances of its own."""
    context = multiprocessing.get_context("spawn")
    started: list[BaseProcess] = []
    for number in range(workers):
        process = context.Process(target=_worker, args=(search, number), name=f"optimize-{number}")
        process.start()
        started.append(process)
    return started


def _worker(search: Search, number: int) -> None:
    # the terminal tells everybody; the parent is who ends the workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work(search, number)
    except (ConfigError, DataProblem) as problem:
        sys.exit(f"optimize-{number}: {problem}")


def watch(study: Study, workers: Sequence[BaseProcess], told: Callable[[int], None]) -> int:
    """Wait for the workers and tell how many trials are done; returns how many workers died."""
    waiting, died = list(workers), 0
    try:
        while waiting:
            for process in [p for p in waiting if not p.is_alive()]:
                waiting.remove(process)
                if process.exitcode:
                    died += 1
                    give_back(study, [worker_name(process.pid or 0)])
            told(finished(study))
            if waiting:
                waiting[0].join(LOOK_EVERY_S)
    finally:
        for process in waiting:
            process.terminate()
        _bury(waiting)
        give_back(study, [worker_name(process.pid or 0) for process in waiting])
    return died


def _bury(processes: Sequence[BaseProcess]) -> None:
    deadline = time.monotonic() + 5
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
