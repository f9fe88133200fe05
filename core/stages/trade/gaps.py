"""A price that changes by a split's measure at once: the holdings must speak before a stop acts on it."""

import datetime as dt
from decimal import Decimal

from core.model.position import Position
from core.rules import shares
from core.rules.shares import Jump
from core.stages.trade.book import Book
from core.stages.trade.outcome import ReadHoldings

# why a position is frozen
SPLIT, MISSING = "split", "missing"
# A stop waits at most so long for the holdings to speak.
PATIENCE = dt.timedelta(seconds=60)
# Over a pause this long between two looks a split is likelier than a fall.
PAUSE = dt.timedelta(minutes=10)
# After this time a gap says nothing about today's shares.
FORGOTTEN = dt.timedelta(days=1)


def note_jump(book: Book, position: Position, price: Decimal) -> None:
    """Remember a price that changed by a split's measure, or the first one after a long pause; ask for the holdings."""
    before = position.last_price
    measured = min(price / before, before / price) <= shares.JUMP
    rested = book.at - position.priced_at >= PAUSE
    if measured or rested:
        book.jumps[position.ticker] = Jump(before=before, at=book.at, measured=measured, rested=rested)
        book.act(ReadHoldings())


def price_before(book: Book, position: Position) -> Decimal:
    """The price before the last gap, else what was paid."""
    jump = book.jumps.get(position.ticker)
    return jump.before if jump is not None and book.at - jump.at <= FORGOTTEN else position.avg_price


def may_be_split(book: Book, position: Position) -> bool:
    """Whether a sale must wait for the holdings, because the fall may be a stock split.

    One reading is enough, unless a price changed by a split's measure over a pause: then the broker's count may lag.
    """
    jump = book.jumps.get(position.ticker)
    if jump is None or book.at - jump.at > PATIENCE:
        return False
    return (jump.rested and jump.measured) or book.shares_asked_at is None or book.shares_asked_at < jump.at
