"""What the trader's machine wants done: first the journal, then the actions."""

import msgspec

from core.model.commands import Reply
from core.model.journal import Change


class PlaceOrder(msgspec.Struct, frozen=True):
    """Send the order of a PREPARED intent, once."""

    intent_id: str


class CancelOrder(msgspec.Struct, frozen=True):
    """Ask the broker to cancel what is left of an intent's order."""

    intent_id: str


class AskTrend(msgspec.Struct, frozen=True):
    """Ask the analyzer; an UNKNOWN answer must arrive when the time is up."""

    question_id: str
    ticker: str


class ReadHoldings(msgspec.Struct, frozen=True):
    """A decision waits for the broker's share counts: read them now."""


class Protect(msgspec.Struct, frozen=True):
    """What the guardian must know has changed: positions, their stops, or which tickers are being bought."""


class PublishHoldings(msgspec.Struct, frozen=True):
    """The positions or their stops changed: tell the others."""


TradeAction = PlaceOrder | CancelOrder | AskTrend | ReadHoldings | Protect | PublishHoldings


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one input."""

    changes: tuple[Change, ...]
    actions: tuple[TradeAction, ...]
    reply: Reply | None = None
