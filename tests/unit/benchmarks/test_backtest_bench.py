"""The benchmark of the backtest: its bars are possible, everybody gets the same, and what fails is told without ending the rest."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adapters.calendar import XnysCalendar, compute
from backtest.data.importer import Importer
from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from benchmarks import backtest_peers
from benchmarks.backtest_peers import BASE, PEERS, Engine, Peer, PeerFailed, Round, compare, engine, install, run_once
from benchmarks.market_day import market_day
from benchmarks.measured import one_core, run_process
from benchmarks.peer_bars import MINUTES, grid, sessions, write_parquet, write_store
from benchmarks.peers import harness
from cli.__main__ import main
from core.model.bar import Bar
from core.model.batch import batch_of
from core.model.instrument import Instrument
from core.model.messages import Screened
from core.model.params import ScannerParams
from core.stages.collect import CollectStage, Publish

ACCEPTING = ScannerParams(unknown_market_cap="accept", security_types=())


def bars_of(day):
    columns = [day.ticker, day.start_ms, *day.values()]
    return [Bar(day.tickers[code], *values) for code, *values in zip(*(c.tolist() for c in columns), strict=True)]


@pytest.fixture(scope="module")
def market():
    return market_day(400, 60_000, 5)


# -- bars


def test_the_same_seed_makes_the_same_bars():
    one, two, other = grid(3, 2), grid(3, 2), grid(3, 2, seed=8)
    assert all(np.array_equal(a, b) for a, b in zip(one.values(), two.values(), strict=True))
    assert not np.array_equal(one.close, other.close)


def test_sessions_are_full_trading_days():
    on, start_ms = sessions(10)
    assert [str(day) for day in on[4:6]] == ["2025-01-17", "2025-01-21"], "Monday the 20th is a holiday"
    assert len(start_ms) == 10 * MINUTES
    assert datetime.fromtimestamp(start_ms[0] / 1000, UTC).isoformat() == "2025-01-13T14:30:00+00:00"


def test_peers_and_our_store_get_the_same_possible_bars(tmp_path):
    bars = grid(4, 2)
    store = Store(tmp_path / "written")
    write_store(bars, store)
    assert store.verify() == []
    write_parquet(bars, tmp_path / "bars.parquet")
    imported = Store(tmp_path / "imported")
    importer = Importer(
        imported,
        ReadOptions(label=Label.START, columns={"time": "start_ms"}),
        XnysCalendar(compute(bars.days[0], bars.days[-1])),
    )
    (result,) = importer.run([tmp_path / "bars.parquet"])
    assert (result.source.stored, result.source.refused) == (len(bars), {})
    assert imported.data_hash(imported.days()) == store.data_hash(store.days())
    assert not any(day.flags for day in imported.manifest.days.values()), "no gap, no split, no strange hours"
    assert len(bars_of(store.read(bars.days[0]))) == 4 * MINUTES, "every one is a Bar"


def test_a_runner_reads_the_first_tickers_minute_by_minute(tmp_path):
    bars = grid(3, 1)
    write_parquet(bars, tmp_path / "bars.parquet")
    first, second = harness.read(tmp_path / "bars.parquet", 2)
    assert (first.name, second.name) == bars.tickers[:2]
    assert second.start_ms.tolist() == bars.start_ms.tolist()
    assert second.close.tolist() == bars.close[1].tolist()


def test_the_same_seed_makes_the_same_market_day(market):
    again = market_day(400, 60_000, 5)
    assert market.bars.content_hash() == again.bars.content_hash()
    assert market.events == again.events


def test_a_market_day_has_busy_and_thin_stocks_and_possible_bars(market, tmp_path):
    store = Store(tmp_path)
    store.write_day(market.bars)
    assert store.verify() == []
    assert len(bars_of(market.bars)) == pytest.approx(60_000, rel=0.05)
    prints = np.bincount(market.bars.ticker)
    assert prints.max() == MINUTES
    assert np.percentile(prints, 20) < MINUTES / 5


def test_the_collector_finds_what_was_planted(market):
    stage, found = CollectStage(ACCEPTING), set()
    for start_ms, minute in groupby(bars_of(market.bars), key=lambda bar: bar.start_ms):
        at = datetime.fromtimestamp(start_ms / 1000 + 61, UTC)
        effects = list(stage.bars_arrived(batch_of(list(minute)), at))
        for effect in effects:
            if isinstance(effect, Publish):
                if isinstance(effect.message, Screened):
                    found.add((effect.message.ticker, effect.message.bars[-1].start_ms))
            else:
                effects += stage.instrument_loaded(
                    effect.ticker, Instrument(ticker=effect.ticker, name=effect.ticker), at
                )
    assert len(market.events) == 5
    assert {(event.ticker, event.start_ms) for event in market.events} <= found


# -- running and comparing


def round_of(bars_per_s, entries=()):
    return Round(bars=1000, seconds=1000 / bars_per_s, import_s=0.5, first_s=0.25, entries=entries, peak_mb=100.0)


def test_rounds_take_turns_and_ratios_are_of_the_same_round():
    turns = []

    def engine_of(name, speeds, entries):
        rest = iter(speeds)

        def once():
            turns.append(name)
            return round_of(next(rest), entries)

        return Engine(name, 2, once)

    slow, fast, base = compare(
        [
            engine_of("slow", [10, 40, 30], (1,)),
            engine_of("fast", [200, 900, 300], (1, 3)),
            engine_of(BASE, [100, 400, 100], (1, 2)),
        ],
        3,
        lambda _: None,
    )
    assert turns == ["slow", "fast", BASE] * 3
    assert (slow.bars_per_s, slow.ratio, slow.start_s, slow.peak_mb) == (
        pytest.approx(30),
        pytest.approx(0.1),
        0.75,
        100,
    )
    assert (fast.bars_per_s, fast.ratio) == (pytest.approx(300), pytest.approx(2.25))
    assert (slow.agrees, fast.agrees, base.agrees) == (True, False, True), (
        "a part of the tickers is compared with that part"
    )
    assert (slow.entries, base.entries) == (1, 3)


def test_one_that_fails_is_told_and_the_others_go_on():
    def fails():
        raise PeerFailed("did not run: no memory")

    absent = Engine("absent", 2, fails, "not installed: no such version")
    broken, absent, fine = compare(
        [Engine("broken", 2, fails), absent, Engine("fine", 2, lambda: round_of(5))], 2, lambda _: None
    )
    assert (broken.trouble, absent.trouble) == ("did not run: no memory", "not installed: no such version")
    assert broken.bars_per_s is None
    assert (fine.rounds, fine.ratio, fine.agrees) == (2, None, None)


def test_what_can_not_be_installed_says_why_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(
        backtest_peers.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(
            command, 1, "", "WARNING: slow\nERROR: no matching version\nERROR: for help see\n"
        ),
    )
    found = engine(PEERS[1], tmp_path / "bars", 10, tmp_path)
    assert found.trouble == "not installed: ERROR: no matching version"
    assert found.tickers == 5, "backtrader is slow and gets half of them"


def test_an_environment_is_made_once_and_again_for_other_versions(monkeypatch, tmp_path):
    asked = []

    def answer(command, **_):
        asked.append(command[-1])
        (tmp_path / "p").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(backtest_peers.subprocess, "run", answer)
    for versions in ("p==1", "p==1", "p==2"):
        install(Peer(name="p", runner="run_p", requirements=(versions,)), tmp_path)
    assert [words for words in asked if words.startswith("p==")] == ["p==1", "p==2"]


def stub(venvs, body):
    python = venvs / "p" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    return Peer(name="p", runner="run_p", requirements=())


def test_a_runner_is_started_with_its_bars_and_its_last_line_counts(tmp_path):
    facts = json.dumps({"bars": 780, "seconds": 2.0, "import_s": 0.5, "first_s": 0.1, "entries": [3, 4]})
    peer = stub(tmp_path, f"echo \"$*\" > {tmp_path}/words; echo a greeting; echo '{facts}'")
    told = run_once(peer, Path("/bars"), 2, tmp_path)
    assert (told.bars, told.seconds, told.entries) == (780, 2.0, (3, 4))
    words = (tmp_path / "words").read_text().split()
    assert words[:-1] == ["-m", "benchmarks.peers.run_p", "/bars", "--tickers", "2", "--began"]
    assert 0 <= time.monotonic() - float(words[-1]) < 60


@pytest.mark.parametrize(
    ("body", "words"),
    [("echo oh no >&2; exit 3", "did not run: oh no"), ("echo hello", "did not say what it did")],
)
def test_a_runner_that_fails_or_says_nothing_useful_is_told(tmp_path, body, words):
    with pytest.raises(PeerFailed, match=words):
        run_once(stub(tmp_path, body), Path("/bars"), 2, tmp_path)


def test_a_runner_prints_what_the_benchmark_reads(monkeypatch, capsys, tmp_path):
    write_parquet(grid(3, 1), tmp_path / "bars.parquet")
    monkeypatch.setattr(sys, "argv", ["run_p", str(tmp_path / "bars.parquet"), "--tickers", "3", "--began", "0"])
    sizes = []

    def simulate(tickers):
        sizes.append(len(tickers))
        return [1] * len(tickers)

    harness.main(simulate)
    told = msgspec.json.decode(capsys.readouterr().out, type=Round)
    assert (told.bars, told.entries) == (3 * MINUTES, (1, 1, 1))
    assert sizes == [2, 3], "a first run on two, then all"


def test_a_process_that_does_not_end_is_killed(tmp_path):
    ended = run_process([sys.executable, "-c", "while True: pass"], tmp_path, {}, 0.3)
    assert ended.code < 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_memory_is_the_most_that_the_process_itself_held(tmp_path):
    ballast = bytearray(300_000_000)
    code = "import time; held = bytearray(90_000_000); del held; time.sleep(0.2); print('done')"
    ended = run_process([sys.executable, "-c", code], tmp_path, {}, 60)
    assert ended.out == "done\n"
    assert 90 < ended.peak_mb < 200
    assert len(ballast) > 0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores can't be chosen here")
def test_what_is_measured_runs_on_one_core_and_what_measures_on_its_own_again(tmp_path):
    before = os.sched_getaffinity(0)
    with one_core():
        ended = run_process([sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"], tmp_path, {}, 60)
    assert ended.out == "1\n"
    assert os.sched_getaffinity(0) == before


# -- the command


def test_the_command_measures_our_own_runs(capsys):
    sizes = ["--tickers", "2", "--days", "1", "--market-tickers", "60", "--market-rows", "5000", "--rounds", "1"]
    assert main(["bench", "backtest", *sizes, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["market"]["bars"] == pytest.approx(5000, rel=0.1)
    crossed, ours = facts["side_by_side"]
    assert (ours["name"], ours["bars"], ours["trouble"]) == ("seohak", 2 * MINUTES, "")
    assert (crossed["name"], crossed["bars"], crossed["trouble"]) == ("seohak ema-cross", 2 * MINUTES, "")
    assert crossed["entries"] > 0
    assert min(crossed["bars_per_s"], ours["bars_per_s"]) > 0


def test_the_command_refuses_sizes_that_measure_nothing(capsys):
    assert main(["bench", "backtest", "--tickers", "1"]) == 2
    assert "2 or more" in capsys.readouterr().err
