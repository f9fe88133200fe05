"""caps.toml: chat and config.yaml can only tighten what it allows."""

from pathlib import Path

import pytest

from config.caps import CapsError, caps_path, load_caps
from config.params import ConfigError, load_params
from core.model.params import TradingParams
from core.model.safety import CAPPED, Caps, exceeds, tightened

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("trading:\n  daily_buy_limit: 4000000\n")
    return path


def test_without_the_file_there_are_no_caps(config: Path) -> None:
    assert load_caps(caps_path(config)) == Caps()
    assert load_params(config).trading.daily_buy_limit == 4_000_000


def test_the_example_is_valid_and_allows_the_defaults() -> None:
    caps = load_caps(ROOT / "caps.example.toml")
    assert tightened(TradingParams(), caps) == TradingParams()
    assert all(caps.limit_of(key) is not None for key in CAPPED)


def test_what_is_looser_than_a_cap_becomes_the_cap_whoever_asked_for_it(config: Path) -> None:
    caps_path(config).write_text("max_day_krw = 3000000\nmax_daily_loss_krw = 500000\nwidest_stop_pct = -20.0\n")
    overrides = {"trading.daily_buy_limit": 9_000_000, "trading.stop_loss_pct": -50.0, "trading.daily_loss_limit": 0}
    trading = load_params(config, overrides).trading
    assert (trading.daily_buy_limit, trading.stop_loss_pct, trading.daily_loss_limit) == (3_000_000, -20.0, 500_000)
    tighter = load_params(config, {"trading.daily_buy_limit": 100_000}).trading
    assert tighter.daily_buy_limit == 100_000


@pytest.mark.parametrize(
    ("key", "value", "looser"),
    [
        ("daily_buy_limit", 3_000_000, False),
        ("daily_buy_limit", 3_000_001, True),
        ("daily_loss_limit", 500_000, False),
        ("daily_loss_limit", 500_001, True),
        ("daily_loss_limit", 0, True),
        ("stop_loss_pct", -20.0, False),
        ("stop_loss_pct", -20.1, True),
        ("stop_loss_pct", -5.0, False),
        ("max_positions", 50, False),
        ("split_count", 50, False),
    ],
)
def test_which_values_are_looser(key: str, value: float, looser: bool) -> None:
    caps = Caps(max_day_krw=3_000_000, max_daily_loss_krw=500_000, widest_stop_pct=-20.0)
    assert exceeds(key, value, caps) is looser


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_day_krw = ", "TOML"),
        ("max_day_kwr = 1", "known keys: max_order_krw"),
        ("max_day_krw = -1", "max_day_krw"),
        ('max_positions = "five"', "max_positions"),
        ("widest_stop_pct = 3.0", "widest_stop_pct"),
    ],
)
def test_a_wrong_file_stops_the_start_instead_of_meaning_no_caps(config: Path, text: str, words: str) -> None:
    caps_path(config).write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_params(config)
    with pytest.raises(CapsError, match=words):
        load_caps(caps_path(config))


def test_a_file_that_is_no_text_is_refused(config: Path) -> None:
    caps_path(config).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_params(config)
    caps_path(config).unlink()
    caps_path(config).mkdir()
    with pytest.raises(ConfigError, match="nothing is traded"):
        load_params(config)
