"""`./seohak backtest bias` as a person runs it."""

import csv
import datetime as dt
import json

import pytest
from made_days import made_day, made_store, weekdays

import cli.backtest_bias
from backtest.bias import Decision, Difference, Findings
from cli.__main__ import main

WIDE = ["--set", "scanner.price_change_pct=3", "--set", "trading.mode=auto"]


@pytest.fixture
def seohak(tmp_path, monkeypatch, capsys):
    """Run `backtest` over a store of three made-up days; (exit code, stdout, stderr)."""
    made_store(tmp_path / "bars", [made_day(on, seed=1, tickers=3) for on in weekdays(3)])
    monkeypatch.setenv("SEOHAK_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("SEOHAK_ENV_FILE", str(tmp_path / "no.env"))

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["backtest", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize("check", ["lookahead", "warmup"])
def test_our_machines_pass(seohak, check):
    code, out, _ = seohak("bias", check, "--cuts", 2, *WIDE)
    assert code == 0
    assert "compared in 2 runs" in out
    assert out.endswith(": 0 of them differ\n")


def test_for_machines(seohak):
    code, out, _ = seohak("bias", "lookahead", "--cuts", 2, "--json", *WIDE)
    findings = json.loads(out)
    assert (code, findings["differences"], len(findings["cuts"])) == (0, [], 2)
    assert findings["compared"] > 0


def test_a_difference_is_told_and_fails(seohak, monkeypatch):
    at = dt.datetime(2025, 1, 6, 15, 0, tzinfo=dt.UTC)
    decision = Decision(at=at, kind="judged", ticker="T00", values="signal BUY")
    found = Findings(cuts=(at,), decisions=9, compared=4, differences=(Difference(cut=at, whole=decision, part=None),))
    monkeypatch.setattr(cli.backtest_bias, "lookahead", lambda *_, **__: found)
    code, out, _ = seohak("bias", "lookahead")
    assert code == 1
    assert out.splitlines() == [
        "the future hidden at 2025-01-06 15:00 UTC, first difference:",
        "  with the future:    2025-01-06 15:00:00+00:00 judged T00: signal BUY",
        "  without the future: nothing",
        "9 decisions, 4 compared in 1 runs with the future hidden: 1 of them differ",
    ]


def test_no_decision_is_no_proof(seohak):
    code, out, _ = seohak("bias", "lookahead", "--set", "scanner.min_price=100000")
    assert code == 0
    assert "nothing is shown" in out


def test_wrong_input_is_one_line(seohak, tmp_path):
    for arguments, words in [
        (["--first", "2030-01-01"], "no bars of these days"),
        (["--store", tmp_path / "none"], "has no bars"),
        (["--set", "scanner.nothing=1"], "unknown key"),
        (["--set", "scanner.min_price=cheap"], "'cheap' is not allowed"),
        (["--set", "scanner.min_price"], "KEY=VALUE"),
    ]:
        code, _, err = seohak("bias", "warmup", *arguments)
        assert (code, err.count("\n")) == (2, 1)
        assert words in err
    with pytest.raises(SystemExit) as ended:
        seohak("bias", "lookahead", "--cuts", "0")
    assert ended.value.code == 2


def test_settings_and_securities_from_the_command_line(seohak, tmp_path):
    with (tmp_path / "securities.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["ticker", "name", "type", "shares"], ["T00", "Zero", "CS", "1e9"]])
    code, out, _ = seohak(
        "run", "--json", "--set", "scanner.timeframe=3min", "--set", "trading.take_profit_pct=40",
        "--instruments", tmp_path / "securities.csv",
    )  # fmt: skip
    params = json.loads(out)["params"]
    assert code == 0
    assert (params["scanner"]["timeframe"], params["trading"]["take_profit_pct"]) == ("3min", 40.0)
