"""The benchmark of the bar store imports and reads the day it made, and says so."""

import json

from cli.__main__ import main


def test_a_small_day_is_imported_whole_and_read(capsys):
    assert main(["bench", "bars", "--tickers", "20", "--rows", "3000", "--runs", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"]
    assert 2500 < facts["rows"] < 3500
    assert 0 < facts["read_median_s"] <= facts["read_max_s"]


def test_nothing_to_measure_is_refused(capsys):
    assert main(["bench", "bars", "--rows", "0"]) == 2
    assert "1 or more" in capsys.readouterr().err
