"""config.yaml: every error names the key, the value and what is allowed."""

from pathlib import Path

import pytest

from config.params import ConfigError, load_params, params_from, parse_value, settings
from core.model.params import Params

ROOT = Path(__file__).resolve().parents[3]
BOUNDED = [(k, s) for k, s in settings().items() if s.low is not None and s.kind in {int, float}]


def test_an_empty_file_means_all_defaults() -> None:
    assert params_from(None) == Params()
    assert params_from({"trading": None}) == Params()


@pytest.mark.parametrize(("key", "setting"), BOUNDED, ids=[k for k, _ in BOUNDED])
def test_each_number_has_bounds_that_are_named(key: str, setting: object) -> None:
    low, high = setting.low, setting.high
    assert low is not None
    assert high is not None
    assert parse_value(key, setting.kind(low)) == low
    assert parse_value(key, setting.kind(high)) == high
    for wrong in (low - 1, high + 1, "many", None, True, float("nan"), float("inf")):
        with pytest.raises(ConfigError) as error:
            parse_value(key, wrong)
        named = float(wrong) if setting.kind is float and type(wrong) is int else wrong
        assert str(error.value).startswith(f"{key}: {named!r} is not allowed; expected ")
        assert setting.allowed in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("trading.mode", "yolo", "auto | approve | watch"),
        ("trading.venue", "kis", "paper | kis_virtual | kis_real"),
        ("scanner.timeframe", "4min", "5min"),
        ("scanner.aggregates", "seconds", "minute | second"),
        ("schedule.start_time", "25:00", "HH:MM KST"),
        ("schedule.active_trading_after", "noon", "open+MINUTESm"),
        ("schedule.rest_when_closed", "yes", "true or false"),
        ("scanner.security_types", "CS", "a list"),
        ("trading.split_count", 2.5, "a whole number"),
    ],
)
def test_a_wrong_value_is_explained(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=key) as error:
        parse_value(key, value)
    assert words in str(error.value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"tradng": {}}, "tradng: unknown section"),
        ({"trading": {"split": 3}}, "trading.split: unknown key"),
        ({"trading": [1]}, "trading: expected"),
        ([1], "config.yaml: expected sections"),
        ({"analyzer": {"ema_fast": 30}}, "analyzer.ema_fast: must be smaller than analyzer.ema_slow"),
        ({"analyzer": {"macd_slow": 12}}, "analyzer.macd_fast"),
        (
            {"scanner": {"aggregates": "second"}, "trading": {"max_data_age_sec": 6}},
            "trading.max_data_age_sec: must be 10 or more where scanner.aggregates is second",
        ),
    ],
)
def test_a_wrong_document_is_explained_in_one_line(document: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        params_from(document)
    assert "\n" not in str(error.value)


def test_whole_numbers_may_be_written_as_decimals_and_the_other_way() -> None:
    assert parse_value("scanner.min_price", 2) == 2.0
    assert parse_value("trading.split_count", 5.0) == 5


def test_overrides_win_over_the_file() -> None:
    found = params_from({"trading": {"split_count": 4}}, {"trading.split_count": 6, "scanner.min_price": 2})
    assert (found.trading.split_count, found.scanner.min_price) == (6, 2.0)
    with pytest.raises(ConfigError, match=r"trading\.nothing: unknown key"):
        params_from({}, {"trading.nothing": 1})
    with pytest.raises(ConfigError, match="nowhere"):
        params_from({}, {"nowhere.nothing": 1})


def test_files_that_can_not_be_read_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match=r"config\.yaml: No such file"):
        load_params(path)
    path.write_text("trading:\n  mode: [\n")
    with pytest.raises(ConfigError, match=r"line 3 is not valid YAML"):
        load_params(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_params(path)
    path.write_text("trading:\n  split_count: 0\n")
    with pytest.raises(ConfigError, match=r"^config\.yaml: trading\.split_count: 0 is not allowed"):
        load_params(path)


def test_a_file_of_brackets_is_refused_and_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("[" * 5000)
    with pytest.raises(ConfigError, match="is not valid YAML"):
        load_params(path)


def test_the_projects_own_file_loads() -> None:
    assert load_params(ROOT / "config.yaml") == Params()


def test_every_setting_tells_what_it_accepts() -> None:
    for key, setting in settings().items():
        assert setting.allowed, key
        assert parse_value(key, list(setting.default) if setting.kind is tuple else setting.default) == setting.default
