"""`./seohak optimize` as a person runs it, over a small store of made-up days."""

import argparse
import asyncio
import json
import re

import pytest
from made_days import made_day, made_store, weekdays

from adapters.candidates import FileCandidates
from backtest.optimize.study import REFUSED, open_study
from cli import optimize
from cli.__main__ import main

SMALL = ["--train", "2", "--test", "1", "--trials", "6", "--set", "trading.mode=auto", "--watch", "all"]
KEYS = ["--param", "trading.take_profit_pct=2:30:4", "--param", "analyzer.min_signals_for_buy=1:3"]


@pytest.fixture
def seohak(tmp_path, monkeypatch, capfd):
    """Run `optimize` over a store of four made-up days; (exit code, stdout, stderr)."""
    made_store(tmp_path / "bars", [made_day(on, seed=3, tickers=2, minutes=120) for on in weekdays(4)])
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "no.env"))
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["optimize", *map(str, arguments)])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def test_a_search_from_beginning_to_end_and_on(seohak, tmp_path):
    code, out, err = seohak(*KEYS, *SMALL, "--workers", 2, "--goal", "return")
    assert (code, err) == (0, "")
    assert out.startswith("return, in sample | out of sample")
    assert "2025-01-06 … 2025-01-07" in out
    assert "2025-01-09 … 2025-01-09" in out
    assert re.search(r"try it: ./seohak backtest run --set trading.take_profit_pct=\d+ --set analyzer.min_s", out)
    assert "candidates are few: the same command with more --trials goes on" in out
    code, out, _ = seohak(*KEYS, *SMALL, "--goal", "return", "--json")
    first = json.loads(out)
    assert first["complete"] + first["pruned"] >= 6
    assert [fold["test"] for fold in first["folds"]] == [["2025-01-08"] * 2, ["2025-01-09"] * 2]
    assert first["present_values"] == {"trading.take_profit_pct": 30.0, "analyzer.min_signals_for_buy": 2}
    assert first["found"]["inside"] >= first["present"]["inside"] or first["warnings"]
    # more of the same study, and another study for another question
    more = [word if word != "6" else "9" for word in SMALL]
    again = json.loads(seohak(*KEYS, *more, "--goal", "return", "--json")[1])
    assert again["study"] == first["study"]
    assert again["complete"] + again["pruned"] >= 9
    assert again["present"] == first["present"]
    other = json.loads(seohak(*KEYS[:2], *SMALL, "--goal", "return", "--json")[1])
    assert other["study"] != first["study"]
    assert (tmp_path / "optimize.db").exists()


def test_the_same_seed_tries_the_same_candidates(seohak, tmp_path):
    def told(name: str, seed: int) -> dict:
        storage = f"sqlite:///{tmp_path / name}"
        return json.loads(seohak(*KEYS, *SMALL, "--json", "--storage", storage, "--seed", seed)[1])

    assert told("a.db", 5) == told("b.db", 5)


def test_in_sample_only_is_possible_and_says_so(seohak):
    code, out, _ = seohak(*KEYS, *SMALL, "--test", "0", "--trials", "3")
    assert code == 0
    assert "warning: nothing was kept out of sample" in out


def test_candidates_that_contradict_themselves_are_pruned_with_the_reason(seohak, tmp_path):
    keys = ["--param", "analyzer.ema_fast=25,30"]
    code, _, err = seohak(*keys, *SMALL)
    assert code == 2
    assert err == (
        "seohak optimize: no candidate was complete: analyzer.ema_fast: must be smaller than analyzer.ema_slow\n"
    )
    parser = argparse.ArgumentParser()
    optimize.add_arguments(parser)
    study = open_study(optimize._search(parser.parse_args([*keys, *SMALL])))
    assert {trial.user_attrs[REFUSED] for trial in study.get_trials()} == {
        "analyzer.ema_fast: must be smaller than analyzer.ema_slow"
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to search: --param"),
        (["--param", "trading.profit=1:2"], "unknown key"),
        ([*KEYS, "--train", "60"], "60 days to search in and 20 to check make 80, and there are 4"),
        ([*KEYS, "--train", "2", "--test", "1", "--storage", "nowhere"], "expected sqlite:///PATH"),
        ([*KEYS, "--first", "2030-01-01"], "no bars of these days"),
    ],
)
def test_wrong_input_is_one_line(seohak, arguments, words):
    code, _, err = seohak(*arguments)
    assert code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_damaged_store_ends_the_workers_with_words(seohak, tmp_path):
    (tmp_path / "bars" / "days" / "2025-01-07.parquet").write_bytes(b"")
    code, _, err = seohak(*KEYS, *SMALL)
    assert code == 2
    assert "1 workers died before a candidate was complete" in err
    assert "2025-01-07.parquet is not what was imported" in err


async def proposed(folder):
    return await FileCandidates(folder).all()


def test_the_find_is_proposed_to_the_bot_with_its_figures(seohak, tmp_path):
    # of the two values one is not the present one; which of them is better does not matter here
    key = "trading.take_profit_pct=2,3"
    code, out, err = seohak("--param", key, *SMALL, "--propose")
    assert (code, err) == (0, "")
    assert "proposed: " in out
    ((candidate, stance),) = asyncio.run(proposed(tmp_path))
    told = json.loads(seohak("--param", key, *SMALL, "--json", "--propose")[1])
    assert (candidate.study, candidate.goal) == (told["study"], "expectancy")
    assert [(c.key, c.old, c.new) for c in candidate.changes] == [
        ("trading.take_profit_pct", 30.0, told["values"]["trading.take_profit_pct"])
    ]
    assert (candidate.found.inside, candidate.found.outside) == (told["found"]["inside"], told["found"]["outside"])
    assert len(candidate.doubts) <= len(told["warnings"])
    assert (str(candidate.first), str(candidate.last)) == ("2025-01-06", "2025-01-09")
    assert len(candidate.data_hash) == 64
    assert candidate.base["trading.split_count"] == 10
    assert "trading.mode" not in candidate.base
    # the same find again is the same candidate
    assert len(asyncio.run(proposed(tmp_path))) == 1
    assert not stance.told
