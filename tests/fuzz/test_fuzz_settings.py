"""Mutated configuration: parameters inside all bounds, or an error that names the key. Bounds are written down here again."""

import json
import math
import random
import re
from collections.abc import Mapping

import msgspec
import pytest

from config import params as config_params
from config.caps import CapsError, load_caps
from config.environment import kis, telegram
from config.params import ConfigError, load_params, params_from
from core.model.params import Params
from core.model.safety import Caps, exceeds, tightened
from tests.fuzz.mutants import TEXTS, damaged, fuzz, mutate, mutated, node

# the least and most of every number, independent of the annotations that the loader reads
BOUNDS = {
    "scanner": {
        "min_price": (0.0001, 1e5), "min_market_cap": (0, 10**13), "min_volume": (0, 10**9), "price_change_pct": (0.1, 1e3),
        "volume_spike_pct": (0, 1e5), "volume_lookback": (2, 120), "max_reference_age_min": (0, 960),
        "discovery_cooldown_min": (0, 960), "record_days": (0, 3650), "kis_volume_pct": (5, 100),
    },
    "trading": {
        "total_buy_amount": (10**4, 10**9), "split_count": (1, 100), "split_interval_sec": (1, 3600),
        "max_positions": (1, 50), "take_profit_pct": (0.5, 1e3), "stop_loss_pct": (-90, -0.5),
        "daily_buy_limit": (0, 10**10), "daily_loss_limit": (0, 10**10), "max_order_amount": (10**4, 10**9),
        "max_orders_per_min": (1, 600), "max_orders_per_day": (1, 10**4), "price_collar_pct": (0, 20),
        "entry_slippage_pct": (0, 20), "max_divergence_pct": (0.5, 50), "max_stops_per_day": (0, 1000),
        "approval_drift_pct": (0.1, 50), "unfilled_cancel_sec": (5, 3600), "approval_ttl_sec": (5, 86400),
        "asleep_size_pct": (1, 100), "stop_cooldown_min": (0, 10**4), "trend_timeout_sec": (0.5, 60), "max_data_age_sec": (5, 3600),
        "commission_pct": (0, 5), "paper_cash": (10**4, 10**11), "paper_krw_per_usd": (100, 10**4),
    },
    "analyzer": {
        "ema_fast": (2, 400), "ema_slow": (2, 400), "rsi_period": (2, 400), "rsi_overbought": (50, 100),
        "rsi_oversold": (0, 50), "macd_fast": (2, 400), "macd_slow": (2, 400), "macd_signal": (2, 400),
        "bollinger_period": (2, 400), "bollinger_deviations": (0.5, 5), "volume_lookback": (2, 120),
        "breakout_relative_volume": (0, 1e3), "surge_relative_volume": (0, 1e3), "signal_window_bars": (1, 60),
        "min_signals_for_buy": (1, 4), "min_signals_for_sell": (1, 3), "signal_valid_sec": (5, 3600),
    },
    "monitoring": {"metrics_port": (0, 65535)},
}  # fmt: skip
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
OPENING = re.compile(r"open\+[0-9]{1,3}m|([01][0-9]|2[0-3]):[0-5][0-9]")
DEFAULTS = msgspec.to_builtins(Params())
KEYS = [f"{section}.{key}" for section, keys in DEFAULTS.items() for key in keys]
CAPS = {
    "max_order_krw": 1_000_000, "max_plan_krw": 2_000_000, "max_day_krw": 5_000_000, "max_positions": 5,
    "max_orders_per_min": 30, "max_orders_per_day": 300, "max_daily_loss_krw": 1_000_000, "widest_stop_pct": -20.0,
}  # fmt: skip
ENV = {
    "KIS_HTS_ID": "me", "KIS_ACCOUNT": "50012345-01", "KIS_APPKEY": "k" * 36, "KIS_APPSECRET": "s" * 180,
    "KIS_RATE_PER_S": "15", "KIS_TIMEOUT_S": "8", "TELEGRAM_BOT_TOKEN": "123456:x", "TELEGRAM_OWNER_IDS": "7001, 7002",
}  # fmt: skip


@pytest.fixture(autouse=True)
def known_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of settings is the same each time and slow to make."""
    known = config_params.settings()
    monkeypatch.setattr(config_params, "settings", lambda: known)


def demand_inside(params: Params) -> None:
    """Every value has the type of its default and lies inside its bounds."""
    for section, keys in BOUNDS.items():
        found = getattr(params, section)
        numbers = {name for name, value in DEFAULTS[section].items() if type(value) in (int, float)}
        assert numbers == set(keys), f"the bounds of {numbers ^ set(keys)} are not written down here"
        for name, (least, most) in keys.items():
            value = getattr(found, name)
            assert type(value) is type(DEFAULTS[section][name]), f"{section}.{name} has another type"
            assert math.isfinite(value), f"{section}.{name} is no number"
            assert least <= value <= most, f"{section}.{name} is out of bounds"
    assert params.analyzer.ema_fast < params.analyzer.ema_slow
    assert params.analyzer.macd_fast < params.analyzer.macd_slow
    assert params.trading.venue in {"paper", "kis_virtual", "kis_real"}
    assert params.trading.mode in {"auto", "approve", "watch"}
    assert params.scanner.timeframe_min in {1, 2, 3, 5, 10, 15, 30}
    assert params.scanner.unknown_market_cap in {"reject", "accept"}
    assert all(isinstance(kind, str) for kind in params.scanner.security_types)
    for text in (params.schedule.start_time, params.schedule.market_close, params.notification.report_time):
        assert CLOCK.fullmatch(text), "a time of day that is none"
    assert OPENING.fullmatch(params.schedule.active_trading_after), "an opening that is none"
    assert params.notification.language in {"ko", "en"}
    for section, name in (
        ("schedule", "rest_when_closed"),
        ("notification", "telegram_enabled"),
        ("notification", "alert_on_buy"),
    ):
        assert type(getattr(getattr(params, section), name)) is bool


def names_a_key(message: str) -> bool:
    """Whether a person can find the place."""
    return len(message.splitlines()) == 1 and any(
        word in message for word in (*DEFAULTS, *KEYS, "sections", "section", "config.yaml", "YAML")
    )


def sparse(rng: random.Random) -> dict[str, dict[str, object]]:
    """A document with a few of the keys, some of them wrong."""
    found: dict[str, dict[str, object]] = {}
    for key in rng.sample(KEYS, rng.randint(1, 5)):
        section, name = key.split(".")
        found.setdefault(section, {})[name] = mutated(rng, DEFAULTS[section][name], 1)
    return found


def test_documents_and_overrides_give_bounded_parameters_or_name_the_key() -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        document: object = sparse(rng)
        if rng.random() < 0.2:
            document = mutate(rng, document)
        overrides: dict[str, object] = {}
        for _ in range(rng.choice((0, 0, 1, 2))):
            key = rng.choice(KEYS) if rng.random() < 0.8 else str(rng.choice(TEXTS))
            overrides[key] = node(rng)
        notes += [document, overrides]
        try:
            params = params_from(document, overrides)
        except ConfigError as error:
            said = str(error)
            named = any(key and key.strip() in said for key in overrides)
            assert named or names_a_key(said), f"no key is named: {said}"
            return
        demand_inside(params)

    fuzz("config documents", check)


def test_files_give_capped_parameters_or_one_line_of_trouble(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config.yaml and caps.toml as bytes: YAML's own oddities, wrong encodings, torn files."""
    texts: dict[str, bytes] = {}

    def read_text(path, encoding: str = "utf-8") -> str:
        if path.name not in texts:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return texts[path.name].decode(encoding)

    monkeypatch.setattr("pathlib.Path.read_text", read_text)
    path = tmp_path / "config.yaml"

    def check(rng: random.Random, notes: list[object]) -> None:
        lines = []
        for section, keys in sparse(rng).items():
            lines += [f"{section}:", *(f"  {name}: {_yaml(rng, value)}" for name, value in keys.items())]
        texts.clear()
        texts["config.yaml"] = damaged(rng, "\n".join(lines).encode("utf-8", errors="surrogatepass"), 0.2)
        caps = {k: mutated(rng, v, 1) if rng.random() < 0.1 else v for k, v in CAPS.items() if rng.random() < 0.7}
        if rng.random() < 0.7:
            toml = "\n".join(f"{k} = {v!r}" for k, v in caps.items())
            texts["caps.toml"] = damaged(rng, toml.encode("utf-8", errors="surrogatepass"), 0.2)
        notes += [texts["config.yaml"], texts.get("caps.toml")]
        try:
            params = load_params(path)
        except ConfigError as error:
            said = str(error)
            assert names_a_key(said) or "caps.toml" in said, f"no place is named: {said}"
            return
        demand_inside(params)
        assert _capped(params, load_caps(tmp_path / "caps.toml") if "caps.toml" in texts else Caps())

    fuzz("config files", check)


def _yaml(rng: random.Random, value: object) -> str:
    if rng.random() < 0.05:
        return rng.choice(
            ("!!python/object:os.system x", "&a [*a, *a]", "{", "*x", "2026-11-18", "0o17", "1_000", "~", "12:30:45")
        )
    # JSON is YAML, and much faster to write
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def _capped(params: Params, caps: Caps) -> bool:
    """No value of `trading` is looser than the owner's limit."""
    trading = params.trading
    pairs: Mapping[str, tuple[float, float | None]] = {
        "order": (trading.max_order_amount, caps.max_order_krw),
        "plan": (trading.total_buy_amount, caps.max_plan_krw),
        "day": (trading.daily_buy_limit, caps.max_day_krw),
        "positions": (trading.max_positions, caps.max_positions),
        "minute": (trading.max_orders_per_min, caps.max_orders_per_min),
        "orders": (trading.max_orders_per_day, caps.max_orders_per_day),
        "stop": (-trading.stop_loss_pct, None if caps.widest_stop_pct is None else -caps.widest_stop_pct),
    }
    loss = caps.max_daily_loss_krw
    return all(cap is None or value <= cap for value, cap in pairs.values()) and (
        loss is None or 0 < trading.daily_loss_limit <= loss
    )


def test_caps_only_ever_tighten(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        raw = {k: mutated(rng, v, 1) if rng.random() < 0.2 else v for k, v in CAPS.items() if rng.random() < 0.7}
        notes.append(raw)
        monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: "")
        monkeypatch.setattr("config.caps.tomllib.loads", lambda _: raw)
        try:
            caps = load_caps(tmp_path / "caps.toml")
        except CapsError as error:
            said = str(error)
            assert len(said.splitlines()) == 1
            assert "caps.toml" in said
            return
        for value in msgspec.structs.astuple(caps):
            assert value is None or math.isfinite(value), "a cap that is no number caps nothing"
        after = tightened(Params().trading, caps)
        assert _capped(msgspec.structs.replace(Params(), trading=after), caps), "a value is looser than its cap"
        demand_inside(msgspec.structs.replace(Params(), trading=after))
        assert not any(exceeds(key, getattr(after, key), caps) for key in DEFAULTS["trading"])

    fuzz("caps", check)


def test_numbers_of_the_environment_are_positive_finite_or_named() -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        env = dict(ENV)
        for _ in range(rng.choice((0, 1, 1, 2))):
            name = rng.choice(list(env))
            env[name] = str(rng.choice((mutated(rng, env[name], 1), node(rng), rng.choice(TEXTS))))
        notes.append(env)
        try:
            settings = kis(env, "kis_real")
            assert math.isfinite(settings.rate_per_s), "a rate that is no number"
            assert math.isfinite(settings.timeout_s), "a time-out that is no number"
            assert settings.rate_per_s > 0
            assert settings.timeout_s > 0
            chat = telegram(env)
            assert chat.owners, "nobody may command"
            assert all(type(owner) is int and owner > 0 for owner in chat.owners), "an owner that is nobody"
        except ConfigError as error:
            said = str(error)
            assert any(name in said for name in env), "no variable is named"
            assert ENV["KIS_APPSECRET"] not in said

    fuzz("environment", check)
