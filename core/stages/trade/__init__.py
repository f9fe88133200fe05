"""The trader's machine: signals, commands, prices and broker answers in; journal changes and actions out."""

from core.stages.trade.inputs import TradeInput
from core.stages.trade.outcome import (
    AskTrend,
    CancelOrder,
    Outcome,
    PlaceOrder,
    Protect,
    PublishHoldings,
    ReadHoldings,
    TradeAction,
)
from core.stages.trade.stage import TradeStage

__all__ = [
    "AskTrend",
    "CancelOrder",
    "Outcome",
    "PlaceOrder",
    "Protect",
    "PublishHoldings",
    "ReadHoldings",
    "TradeAction",
    "TradeInput",
    "TradeStage",
]
