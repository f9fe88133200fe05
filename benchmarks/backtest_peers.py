"""Other backtesters on the same bars: each in an environment of its own, in interleaved rounds, on one core."""

import functools
import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.measured import last_line, one_core, run_process

ROOT: Final = Path(__file__).resolve().parents[1]
VENVS: Final = Path("~/.cache/seohak-bench").expanduser()
BASE: Final = "backtesting.py"
INSTALL_LIMIT_S, RUN_LIMIT_S = 900.0, 600.0
_COMMON: Final = ("numpy==2.4.6", "pyarrow==26.0.1")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A backtester. `part` of the tickers is what it gets, less than all where it is slow."""

    name: str
    runner: str
    requirements: tuple[str, ...]
    part: float = 1.0


PEERS: Final = (
    Peer(
        name=BASE,
        runner="run_backtesting",
        requirements=("backtesting==0.6.6", "pandas==2.3.3", *_COMMON),
    ),
    Peer(
        name="backtrader",
        runner="run_backtrader",
        requirements=("backtrader==1.9.78.123", "pandas==2.3.3", *_COMMON),
        part=0.5,
    ),
    Peer(
        name="nautilus_trader",
        runner="run_nautilus_trader",
        # its conversions fail on pandas 3
        requirements=("nautilus_trader==1.231.0", "pandas==2.3.3", *_COMMON),
        part=0.5,
    ),
    Peer(
        name="vectorbt",
        runner="run_vectorbt",
        requirements=("vectorbt==1.2.0", "pandas==3.1.1", "numba==0.68.1", *_COMMON),
    ),
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one engine. `import_s` runs from the start of the process, `first_s` is a first run on two tickers,
    `entries` the filled entries of each ticker.
    """

    bars: int
    seconds: float
    import_s: float
    first_s: float
    entries: tuple[int, ...] = ()
    peak_mb: float = 0.0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of an engine's rounds. `ratio` is its bars/s over backtesting.py's of the same round; None where nothing
    was measured, and then `trouble` says why. `agrees`: each ticker was entered as often as by backtesting.py.
    """

    name: str
    trouble: str = ""
    tickers: int = 0
    bars: int = 0
    rounds: int = 0
    bars_per_s: float | None = None
    ratio: float | None = None
    start_s: float | None = None
    peak_mb: float | None = None
    entries: int | None = None
    agrees: bool | None = None


class PeerFailed(Exception):
    """An engine could not be installed or run; the text is one line."""


class Engine(msgspec.Struct, frozen=True):
    """Something to measure, and on how many tickers; `trouble` where it can't be."""

    name: str
    tickers: int
    once: Callable[[], Round]
    trouble: str = ""


def interpreter(peer: Peer, venvs: Path) -> Path:
    """The Python of a peer's environment."""
    return venvs / peer.name / "bin" / "python"


def install(peer: Peer, venvs: Path) -> None:
    """Make the peer's environment unless it is there with these requirements. Raises PeerFailed."""
    stamp = venvs / peer.name / f"installed-{hashlib.sha256(' '.join(peer.requirements).encode()).hexdigest()[:12]}"
    if stamp.exists():
        return
    python = interpreter(peer, venvs)
    venvs.mkdir(parents=True, exist_ok=True)
    base = [sys.executable, "-m", "venv", "--clear", str(venvs / peer.name)]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.requirements]
    for command in (base, pip):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_LIMIT_S)  # noqa: S603  (pinned names)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PeerFailed(f"not installed: {error}") from None
        if done.returncode:
            errors = [text for text in done.stderr.splitlines() if text.startswith("ERROR")]
            raise PeerFailed(f"not installed: {last_line(errors[0] if errors else done.stderr)}")
    stamp.touch()


def engine(peer: Peer, bars: Path, tickers: int, venvs: Path) -> Engine:
    """A peer on its part of the tickers, installed where that is possible."""
    mine = max(2, int(tickers * peer.part))
    try:
        install(peer, venvs)
    except PeerFailed as failed:
        trouble = str(failed)
    else:
        trouble = ""
    return Engine(peer.name, mine, functools.partial(run_once, peer, bars, mine, venvs), trouble)


def run_once(peer: Peer, bars: Path, tickers: int, venvs: Path) -> Round:
    """One run in the peer's environment. Raises PeerFailed."""
    module = f"benchmarks.peers.{peer.runner}"
    words = [str(bars), "--tickers", str(tickers), "--began", repr(time.monotonic())]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with one_core():
        ended = run_process([str(interpreter(peer, venvs)), "-m", module, *words], ROOT, kept, RUN_LIMIT_S)
    if ended.code:
        why = f"not done after {RUN_LIMIT_S:g} s" if ended.code < 0 else last_line(ended.trouble)
        raise PeerFailed(f"did not run: {why}")
    try:
        told = msgspec.json.decode(ended.out.strip().rpartition("\n")[2], type=Round)
    except msgspec.MsgspecError as error:
        raise PeerFailed(f"did not say what it did: {error}") from None
    return msgspec.structs.replace(told, peak_mb=ended.peak_mb)


def compare(engines: Sequence[Engine], rounds: int, tick: Callable[[str], None]) -> list[Line]:
    """Interleaved rounds; what fails once is left out from there on."""
    done: dict[str, list[Round]] = {engine.name: [] for engine in engines}
    trouble = {engine.name: engine.trouble for engine in engines if engine.trouble}
    for number in range(rounds):
        for engine in engines:
            tick(f"{engine.name}, round {number + 1}")
            if engine.name not in trouble:
                try:
                    done[engine.name].append(engine.once())
                except PeerFailed as failed:
                    trouble[engine.name] = str(failed)
    base = done.get(BASE, [])
    return [line(e.name, e.tickers, done[e.name], base, trouble.get(e.name, "")) for e in engines]


def line(name: str, tickers: int, mine: Sequence[Round], base: Sequence[Round], trouble: str) -> Line:
    """Medians of rounds, and the median of the ratios to the base's same round."""
    if trouble or not mine:
        return Line(name=name, trouble=trouble or "no round", tickers=tickers)
    ratios = [(m.bars / m.seconds) / (b.bars / b.seconds) for m, b in zip(mine, base, strict=False)]
    return Line(
        name=name,
        tickers=tickers,
        bars=mine[0].bars,
        rounds=len(mine),
        bars_per_s=statistics.median(r.bars / r.seconds for r in mine),
        ratio=statistics.median(ratios) if ratios else None,
        start_s=statistics.median(r.import_s + r.first_s for r in mine),
        peak_mb=statistics.median(r.peak_mb for r in mine),
        entries=sum(mine[0].entries) if mine[0].entries else None,
        agrees=agrees(mine, base),
    )


def agrees(mine: Sequence[Round], base: Sequence[Round]) -> bool | None:
    """Whether every round entered each ticker as often as the base did; None where one of them does not count them."""
    if not base or not base[0].entries or not all(r.entries for r in mine):
        return None
    return all(r.entries == base[0].entries[: len(r.entries)] for r in mine)
