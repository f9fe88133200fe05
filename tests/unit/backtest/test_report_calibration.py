"""How far the confidence can be believed: bins, intervals, the fit, and the file."""

import datetime as dt
import logging

import msgspec
import pytest

from backtest.report.calibration import (
    Case,
    Step,
    bins,
    calibration,
    cases,
    isotonic,
    judge,
    quoted,
    reliability,
    unfit,
    wilson,
)
from config.calibration import FILE, Installed, read_calibration, write_calibration
from core.model.calibration import Bin, Calibration
from core.model.params import AnalyzerParams, Params, TradingParams
from tests.unit.backtest.result_samples import MONDAY, at, result, season, sessions, trip

NOW = at(MONDAY)


def many(confidence: float, won: int, count: int, *, first: int = 0) -> list[Case]:
    return [Case(at=NOW + dt.timedelta(minutes=first + n), confidence=confidence, won=n < won) for n in range(count)]


def curve(*pairs: tuple[float, bool]) -> list[tuple[float, float]]:
    steps = isotonic([Case(at=NOW, confidence=confidence, won=won) for confidence, won in pairs])
    return [(step.confidence, step.chance_pct) for step in steps]


def test_cases_are_round_trips_by_the_time_of_their_entry() -> None:
    on = sessions(2)
    found = cases(result([1000], [trip(5, on=on[1], confidence=60), trip(-5, confidence=80), trip(0, hour=9)]))
    assert [(case.confidence, case.won) for case in found] == [(75.0, False), (80.0, False), (60.0, True)]


def test_a_bin_with_too_few_cases_has_no_number() -> None:
    found = bins(many(72, 17, 42) + many(85, 20, 29) + many(100, 30, 30))
    assert [(b.low, b.high, b.cases, b.won) for b in found] == [(70, 80, 42, 17), (80, 90, 29, 20), (90, 100, 30, 30)]
    assert found[0].rate_pct == pytest.approx(100 * 17 / 42)
    assert (found[1].rate_pct, found[1].low_pct, found[1].high_pct) == (None, None, None)
    assert found[2].high_pct == pytest.approx(100.0)


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_neighbours_that_fall_are_pooled() -> None:
    assert curve((50, False), (60, True), (70, False), (80, True)) == [(50, 0.0), (60, 50.0), (80, 100.0)]
    assert curve((50, True), (60, False), (70, False)) == [(50, pytest.approx(100 / 3))]
    assert curve((50, True), (50, False), (60, True)) == [(50, 50.0), (60, 100.0)]


def test_the_curve_is_judged_on_what_it_has_not_seen() -> None:
    steps = (Step(confidence=50, chance_pct=25.0), Step(confidence=80, chance_pct=75.0))
    later = many(55, 1, 2) + many(90, 2, 2)
    found = judge(steps, later, mean=0.5)
    assert found.brier == pytest.approx((0.75**2 + 0.25**2 + 0.25**2 + 0.25**2) / 4)
    assert found.brier_of_mean == pytest.approx(0.25)
    assert found.reliability == pytest.approx((2 * 0.25**2 + 2 * 0.25**2) / 4)
    # below the first step the first step's chance
    assert judge(steps, many(10, 0, 1), mean=0.5).brier == pytest.approx(0.0625)


def test_the_curve_is_fitted_on_the_first_part_of_the_time_only() -> None:
    early = many(55, 0, 35) + many(85, 35, 35, first=100)
    late = many(55, 15, 15, first=1000) + many(85, 0, 15, first=2000)
    found = reliability(early + late)
    assert found.curve == (Step(confidence=55, chance_pct=0.0), Step(confidence=85, chance_pct=100.0))
    assert found.fitted is not None
    assert found.later is not None
    assert (found.fitted.brier, found.later.brier) == (0.0, 1.0)
    assert (found.fitted.cases, found.later.cases) == (70, 30)


def test_too_few_cases_are_not_fitted() -> None:
    found = reliability(many(60, 20, 96))
    assert (found.cases, found.curve, found.fitted, found.later) == (96, None, None, None)
    assert reliability([]).bins == ()


def test_the_table_survives_its_file(tmp_path) -> None:
    made = calibration(season(60))
    assert write_calibration(tmp_path / "run", made).name == FILE
    assert read_calibration(tmp_path / "run") == made
    assert [each.name for each in (tmp_path / "run").iterdir()] == [FILE]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"v": 2}',
        b'{"bins": []}',
    ],
)
def test_a_broken_file_is_logged_and_ignored(tmp_path, caplog, broken) -> None:
    (tmp_path / FILE).write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        assert read_calibration(tmp_path) is None
    assert FILE in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"bins": [{"low": 70, "high": 80, "cases": 3, "won": 4}]},
        {"bins": [{"low": 80, "high": 70, "cases": 3, "won": 1}]},
        {"bins": [{"low": 70, "high": 90, "cases": 3, "won": 1}, {"low": 80, "high": 95, "cases": 3, "won": 1}]},
        {"least_cases": 0},
        {"first": "yesterday"},
    ],
)
def test_a_file_that_makes_no_sense_is_ignored(tmp_path, change) -> None:
    sound = msgspec.to_builtins(calibration(result([1000])))
    (tmp_path / FILE).write_bytes(msgspec.json.encode(sound | change))
    assert read_calibration(tmp_path) is None
    (tmp_path / FILE).write_bytes(msgspec.json.encode(sound))
    assert read_calibration(tmp_path) is not None


def test_no_file_is_no_trouble(tmp_path, caplog) -> None:
    assert read_calibration(tmp_path) is None
    assert not caplog.records


def test_the_table_answers_for_a_confidence_with_enough_cases() -> None:
    made = Calibration(
        first=MONDAY, last=MONDAY, data_hash="d", config_hash="c", analyzer=AnalyzerParams(), take_profit_pct=30.0,
        stop_loss_pct=-15.0,
        bins=(Bin(low=60, high=70, cases=29, won=9), Bin(low=70, high=80, cases=42, won=17), Bin(low=90, high=100, cases=30, won=9)),
    )  # fmt: skip
    assert [made.like(c) is not None for c in (59.9, 65.0, 70.0, 79.9, 80.0, 100.0)] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]


def test_the_table_is_of_its_own_parameters_only() -> None:
    made = calibration(result([1000]))
    assert made.applies_to(Params())
    assert made.applies_to(Params(trading=TradingParams(max_positions=3)))
    assert not made.applies_to(Params(analyzer=AnalyzerParams(ema_fast=8)))
    assert not made.applies_to(Params(trading=TradingParams(stop_loss_pct=-10.0)))


# -- installing ------------------------------------------------------------------------------------------------------


def judged(known: list[Case]):
    table = msgspec.structs.replace(calibration(result([1000])), bins=bins(known))
    return table, reliability(sorted(known, key=lambda case: case.at))


def spread(count: int, low_won: float, high_won: float, *, first: int = 0) -> list[Case]:
    """As many cases at 55 as at 85, won in these shares, evenly over time."""
    made = []
    for n in range(count):
        for confidence, share in ((55.0, low_won), (85.0, high_won)):
            won = int((n + 1) * share) > int(n * share)
            made.append(Case(at=NOW + dt.timedelta(minutes=first + n), confidence=confidence, won=won))
    return made


def test_a_table_that_holds_on_later_cases_may_be_quoted() -> None:
    table, known = judged(spread(120, 0.25, 0.75))
    assert unfit(table, known) is None
    assert quoted(table, known) == [
        "confidence 50 to 60: 30 of 120 made money (25%)",
        "confidence 80 to 90: 90 of 120 made money (75%)",
    ]


def test_too_few_cases_are_not_installed() -> None:
    assert "the most is 29" in (unfit(*judged(many(72, 10, 29))) or "")
    assert "too few to judge" in (unfit(*judged(many(72, 20, 60))) or "")


def test_a_table_that_the_later_cases_contradict_is_not_installed() -> None:
    turned = spread(100, 0.2, 0.8) + spread(60, 0.8, 0.2, first=100)
    assert "would mislead" in (unfit(*judged(turned)) or "")


def test_confidence_that_says_nothing_is_installed_with_a_warning() -> None:
    table, known = judged(spread(120, 0.5, 0.5))
    assert unfit(table, known) is None
    assert quoted(table, known)[-1].startswith("warning: the 72 later round trips don't make it sure")


def test_a_new_file_is_seen_without_a_restart(tmp_path) -> None:
    installed = Installed(tmp_path)
    assert installed.now() is None
    first = calibration(season(10))
    write_calibration(tmp_path, first)
    assert installed.now() == first
    second = calibration(season(12))
    write_calibration(tmp_path, second)
    assert installed.now() == second
    (tmp_path / FILE).unlink()
    assert installed.now() is None
