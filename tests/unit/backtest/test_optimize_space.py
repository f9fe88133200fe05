"""What the command line says to search, and what it refuses with a reason."""

import optuna
import pytest

from backtest.optimize.space import Choices, Range, applied, parse, space
from config.params import ConfigError, settings
from core.model.params import Params
from core.model.safety import Caps

# the one of a pair must be smaller than the other
PAIRS = {"analyzer.ema_fast", "analyzer.ema_slow", "analyzer.macd_fast", "analyzer.macd_slow"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trading.take_profit_pct=10:60", Range(key="trading.take_profit_pct", low=10, high=60)),
        ("trading.take_profit_pct=10:60:5", Range(key="trading.take_profit_pct", low=10, high=60, step=5)),
        ("trading.take_profit_pct=10:61.9:5", Range(key="trading.take_profit_pct", low=10, high=60, step=5)),
        ("trading.stop_loss_pct=-20:-5:2.5", Range(key="trading.stop_loss_pct", low=-20, high=-5, step=2.5)),
        ("scanner.price_change_pct=1:1.3:0.1", Range(key="scanner.price_change_pct", low=1, high=1.3, step=0.1)),
        ("analyzer.ema_fast=3:12", Range(key="analyzer.ema_fast", low=3, high=12, whole=True)),
        ("analyzer.ema_fast=3:12:4", Range(key="analyzer.ema_fast", low=3, high=11, step=4, whole=True)),
        ("analyzer.ema_fast=3, 5,8", Choices(key="analyzer.ema_fast", values=(3, 5, 8))),
        ("trading.take_profit_pct=5,7.5", Choices(key="trading.take_profit_pct", values=(5.0, 7.5))),
        ("scanner.timeframe=3min,5min", Choices(key="scanner.timeframe", values=("3min", "5min"))),
        ("schedule.active_trading_after=open+0m,open+30m",
         Choices(key="schedule.active_trading_after", values=("open+0m", "open+30m"))),
        ("schedule.rest_when_closed", Choices(key="schedule.rest_when_closed", values=(True, False))),
        ("schedule.rest_when_closed=true,false", Choices(key="schedule.rest_when_closed", values=(True, False))),
        ("trading.mode", Choices(key="trading.mode", values=("auto", "approve", "watch"))),
        ("analyzer.rsi_period", Range(key="analyzer.rsi_period", low=2, high=400, whole=True)),
        ("trading.stop_loss_pct", Range(key="trading.stop_loss_pct", low=-90, high=-0.5)),
    ],
)  # fmt: skip
def test_words_are_a_dimension(text, expected) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trading.profit=1:2", "unknown key"),
        ("profit", "unknown key"),
        ("", "unknown key"),
        ("execution.half_spread_pct=0:1", "assumption about the broker"),
        ("trading.take_profit_pct=60:10", "60 is not below 10"),
        ("trading.take_profit_pct=10:10", "10 is not below 10"),
        ("trading.take_profit_pct=0:10", "0.5 … 1,000"),
        ("trading.take_profit_pct=10:2000", "0.5 … 1,000"),
        ("trading.take_profit_pct=10:60:0", "does not fit"),
        ("trading.take_profit_pct=10:60:-5", "does not fit"),
        ("trading.take_profit_pct=10:60:51", "does not fit"),
        ("trading.take_profit_pct=10:60:5:1", "expected LOW:HIGH"),
        ("trading.take_profit_pct=ten:60", "expected LOW:HIGH"),
        ("trading.take_profit_pct=nan:60", "expected LOW:HIGH"),
        ("trading.take_profit_pct=:", "expected LOW:HIGH"),
        ("trading.take_profit_pct=30", "at least two values"),
        ("trading.take_profit_pct=", "is not allowed"),
        ("trading.take_profit_pct=5,cheap", "'cheap' is not allowed"),
        ("analyzer.ema_fast=3:12:0.5", "whole step"),
        ("analyzer.ema_fast=3.5:12", "whole number"),
        ("analyzer.ema_fast=3,3", "at least two values"),
        ("scanner.timeframe=3min,4min", "'4min' is not allowed"),
        ("schedule.rest_when_closed=1,0", "true or false"),
        ("scanner.security_types", "no ends to search between"),
        ("scanner.security_types=CS,ADRC", "a list is not searched"),
        ("schedule.active_trading_after", "name values"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(text, words) -> None:
    with pytest.raises(ConfigError) as told:
        parse(text)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_space_is_something_and_each_key_once() -> None:
    with pytest.raises(ConfigError, match="nothing to search"):
        space([])
    with pytest.raises(ConfigError, match="said twice"):
        space(["analyzer.ema_fast", "analyzer.ema_fast=3:5"])


@pytest.mark.parametrize(
    "key",
    [
        key
        for key, setting in settings().items()
        if setting.kind is not tuple and key not in PAIRS and not setting.pattern
    ],
)
def test_every_setting_has_a_range_of_its_own_and_every_value_of_it_is_a_setting(key) -> None:
    dimension = parse(key)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        value = dimension.suggest(study.ask())
        params = applied(Params(), {key: value})
        section, name = key.split(".")
        assert getattr(getattr(params, section), name) == value


def test_values_are_laid_over_the_present_settings() -> None:
    params = applied(Params(), {"trading.take_profit_pct": 12, "analyzer.ema_fast": 7, "analyzer.ema_slow": 30})
    assert params.trading.take_profit_pct == 12.0
    assert (params.analyzer.ema_fast, params.analyzer.ema_slow) == (7, 30)
    assert params.scanner == Params().scanner


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"analyzer.ema_fast": 20}, "analyzer.ema_fast: must be smaller than analyzer.ema_slow"),
        ({"analyzer.macd_fast": 30, "analyzer.macd_slow": 20}, "analyzer.macd_fast: must be smaller"),
        ({"trading.take_profit_pct": 0.1}, "is not allowed"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values, words) -> None:
    with pytest.raises(ConfigError, match=words):
        applied(Params(), values)


def test_values_beyond_the_owners_caps_are_refused() -> None:
    caps = Caps(widest_stop_pct=-20.0, max_positions=3)
    assert applied(Params(), {"trading.stop_loss_pct": -20.0}, caps).trading.stop_loss_pct == -20.0
    with pytest.raises(ConfigError, match=r"trading.stop_loss_pct: -25 is looser than caps.toml allows, -20"):
        applied(Params(), {"trading.stop_loss_pct": -25.0}, caps)
    with pytest.raises(ConfigError, match="max_positions: 4 is looser"):
        applied(Params(), {"trading.max_positions": 4}, caps)


def test_wide_ranges_without_steps_are_searched_by_powers() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    wide, stepped = parse("scanner.volume_spike_pct=1:10000"), parse("scanner.volume_spike_pct=1:9001:1000")
    found = sorted(wide.suggest(study.ask()) for _ in range(200))
    assert 50 < found[100] < 200
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    assert {stepped.suggest(study.ask()) for _ in range(200)} == {1.0 + 1000 * i for i in range(10)}
