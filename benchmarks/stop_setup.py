"""What the stop benchmark trades, and the configuration it trades with."""

from pathlib import Path
from typing import Final

import yaml

from cli.programs import ROOT
from sandbox.scenarios import universe

TICKERS: Final = 400
# of every eighth ticker the owner has shares that nobody may sell
OWN_EVERY, OWN_QTY = 8, 3
CHEAPEST_USD, DEAREST_USD, LEAST_VOLUME = 3.0, 60.0, 500
BUDGET_KRW = 200_000


def tickers() -> list[str]:
    """What the trader can buy by hand: the feed has told it no venue, so those that are listed where it looks first."""
    found = []
    for listing in universe.background(TICKERS):
        instrument = listing.instrument
        fits = CHEAPEST_USD <= instrument.prev_close <= DEAREST_USD and listing.minute_volume >= LEAST_VOLUME
        if fits and instrument.kis_exchange == "NASD":
            found.append(instrument.symbol)
    return found


def own_tickers() -> frozenset[str]:
    return frozenset(tickers()[::OWN_EVERY])


def write_config(state_dir: Path, positions: int) -> None:
    """The project's own config.yaml, with limits that let one day hold all runs, and no exits but stops."""
    document = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    document["trading"] |= {
        "venue": "kis_real",
        "mode": "approve",
        "total_buy_amount": BUDGET_KRW,
        "split_count": 1,
        "max_positions": positions,
        "daily_buy_limit": 10_000_000_000,
        "daily_loss_limit": 0,
        "max_orders_per_min": 600,
        "max_orders_per_day": 10_000,
        "max_stops_per_day": 0,
        "stop_cooldown_min": 0,
        "approval_drift_pct": 50.0,
    }
    document["analyzer"] |= {"min_signals_for_sell": 3, "rsi_overbought": 100}
    (state_dir / "config.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
