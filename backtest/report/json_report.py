"""The report for machines: stable keys, numbers as numbers, undefined as null."""

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import msgspec

from backtest.report.equity import equity_curve
from backtest.report.metrics import Metrics
from backtest.report.numbers import HUNDRED
from backtest.result import Result, Trip

SCHEMA = 1
PLACES = 6
MONEY_PLACES = 4


def json_report(result: Result, metrics: Metrics) -> bytes:
    """`metrics` has the fields of `Metrics`; dates are ISO, instants UTC, percentages in percent, `_krw` whole won."""
    depths = equity_curve(result).drawdowns[1:].tolist()
    document = {
        "schema": SCHEMA,
        "run": {
            "first": result.first,
            "last": result.last,
            "bars": result.bars,
            "seconds": result.seconds,
            "data_hash": result.data_hash,
            "config_hash": result.config_hash,
            "version": result.version,
            "cash_krw": result.cash_krw,
        },
        "assumptions": {"execution": result.execution, "params": result.params},
        "warnings": metrics.warnings,
        "metrics": {
            "equity": metrics.equity,
            "trips": metrics.trips,
            "account": metrics.account,
            "market": metrics.market,
        },
        "monte_carlo": metrics.monte_carlo,
        "reliability": metrics.reliability,
        "monthly_pct": metrics.monthly,
        "tables": metrics.tables,
        "days": [
            {
                "on": day.on,
                "equity_usd": day.equity_usd,
                "equity_krw": day.equity_krw,
                "invested_usd": day.invested_usd,
                "drawdown_pct": depth * HUNDRED,
                "positions": day.positions,
                "market_close": result.market.get(day.on),
            }
            for day, depth in zip(result.days, depths, strict=True)
        ],
        "round_trips": [_round_trip(each) for each in result.trips],
        "open": [
            {"ticker": each.ticker, "qty": each.qty, "cost_usd": each.cost_usd, "unrealized_usd": each.unrealized_usd}
            for each in result.held
        ],
    }
    return msgspec.json.format(msgspec.json.encode(_plain(document, "")), indent=2) + b"\n"


def _round_trip(each: Trip) -> dict[str, object]:
    trip = each.trip
    return {
        "ticker": trip.ticker,
        "opened_at": trip.opened_at,
        "closed_at": trip.closed_at,
        "qty": trip.sell_qty,
        "avg_price": trip.avg_price,
        "sell_price": trip.sell_price,
        "pnl_usd": trip.pnl_usd,
        "pnl_krw": trip.pnl_krw,
        "pnl_pct": trip.pnl_pct,
        "tranches": trip.tranches,
        "reason": trip.reason,
        "confidence": each.confidence,
        "mae_pct": each.mae_pct,
        "mfe_pct": each.mfe_pct,
    }


def _plain(value: object, key: str) -> Any:
    """Builtins with rounded numbers; whatever is not a number becomes null."""
    match value:
        case msgspec.Struct():
            names = value.__struct_fields__
            return {name: _plain(getattr(value, name), name) for name in names}
        case dict():
            return {str(name): _plain(each, str(name)) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each, key) for each in value]
        case Decimal():
            return round(value) if key.endswith("_krw") else round(float(value), MONEY_PLACES)
        case float():
            return round(value, PLACES) if math.isfinite(value) else None
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        case dt.date():
            return value.isoformat()
        case _:
            return value
