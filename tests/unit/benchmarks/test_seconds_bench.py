"""The benchmark of second bars: its market, its figures, and what it says of wrong input."""

import numpy as np
import pytest

from benchmarks import seconds
from cli.__main__ import main
from core.model.batch import BarBatch


@pytest.mark.parametrize(("tickers", "per_s"), [(110, 80), (110, 110), (110, 20), (50, 1)])
def test_the_market_prints_as_often_as_was_asked(tickers: int, per_s: int) -> None:
    bars = seconds.printing_day(tickers, per_s, minutes=12)
    prints = np.minimum(bars.volume, 60).reshape(12, tickers)
    assert prints.sum() / 60 / 12 == pytest.approx(per_s, rel=0.06, abs=0.6)
    assert (prints >= 1).all()


def test_a_frame_is_known_by_its_last_event() -> None:
    assert seconds._frame_key('[{"ev":"A","sym":"X","e":1},{"ev":"A","sym":"Y","v":2,"e":1610144869000}]') == (
        1610144869000,
        "Y",
    )


def test_a_bar_that_is_not_the_markets_is_counted() -> None:
    bars = seconds.printing_day(3, 2, minutes=2)
    whole = BarBatch(list(bars.tickers), bars.start_ms[3:], *(column[3:].copy() for column in bars.values()))
    end_s = int(bars.start_ms[3]) / 1000 + 60
    assert seconds._compared(bars, 3, [(end_s + 5, whole)]) == (3, 0, 5.0)
    whole.volume[1] += 1
    assert seconds._compared(bars, 3, [(end_s + 5, whole)])[1] == 1
    assert seconds._compared(bars, 3, [(end_s + 5, whole.pick(np.array([0])))])[1] == 2, "so is one that is missing"


def test_wrong_input_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "seconds", "--tickers", "10", "--events-per-s", "11"]) == 2
    assert "no more than --tickers" in capsys.readouterr().err
    assert main(["bench", "seconds", "--seconds", "100000"]) == 2
