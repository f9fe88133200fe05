"""A price that fell by a split's measure while nobody looked: the holdings must speak before a stop acts on it."""

import datetime as dt
from decimal import Decimal

from core.model.position import Position
from core.rules import shares
from core.stages.trade.book import Book

# why a position is frozen
SPLIT, MISSING = "split", "missing"
# A gap over a pause this long may be a split.
PAUSE = dt.timedelta(minutes=10)
PATIENCE = dt.timedelta(seconds=60)


def note_jump(book: Book, position: Position, price: Decimal) -> None:
    """Remember a price that fell or rose by a split's measure while nobody looked."""
    before, seen_at = position.last_price, position.priced_at
    apart = min(price / before, before / price)
    if apart <= shares.JUMP and book.at - seen_at >= PAUSE:
        book.jumps[position.ticker] = (before, book.at)


def may_be_split(book: Book, position: Position) -> bool:
    """Whether a stop must wait for a reading of the holdings, because the fall may be a stock split."""
    jump = book.jumps.get(position.ticker)
    if jump is None or book.at - jump[1] > PATIENCE:
        return False
    return book.shares_asked_at is None or book.shares_asked_at < jump[1]
