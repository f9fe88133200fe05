"""A price that changes by a split's measure at once: the holdings must speak before a stop acts on it."""

import datetime as dt
from decimal import Decimal

from core.model.position import Position
from core.rules import shares
from core.stages.trade.book import Book
from core.stages.trade.outcome import ReadHoldings

# why a position is frozen
SPLIT, MISSING = "split", "missing"
# A stop waits at most so long for the holdings to speak.
PATIENCE = dt.timedelta(seconds=60)
# After this time a gap says nothing about today's shares.
FORGOTTEN = dt.timedelta(days=1)


def note_jump(book: Book, position: Position, price: Decimal) -> None:
    """Remember a price that changed by a split's measure since the last look, and ask for the holdings."""
    before = position.last_price
    if min(price / before, before / price) <= shares.JUMP:
        book.jumps[position.ticker] = (before, book.at)
        book.act(ReadHoldings())


def price_before(book: Book, position: Position) -> Decimal:
    """The price before the last gap, else what was paid."""
    jump = book.jumps.get(position.ticker)
    return jump[0] if jump is not None and book.at - jump[1] <= FORGOTTEN else position.avg_price


def may_be_split(book: Book, position: Position) -> bool:
    """Whether a stop must wait for a reading of the holdings, because the fall may be a stock split."""
    jump = book.jumps.get(position.ticker)
    if jump is None or book.at - jump[1] > PATIENCE:
        return False
    return book.shares_asked_at is None or book.shares_asked_at < jump[1]
