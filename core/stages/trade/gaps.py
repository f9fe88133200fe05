"""Splits, known or only suspected from a price that jumps: the holdings must speak before a stop acts on it."""

import datetime as dt
from decimal import Decimal

from core.model.instrument import Split
from core.model.position import Position
from core.rules import shares
from core.rules.days import us_date
from core.rules.shares import Jump
from core.stages.trade.book import Book
from core.stages.trade.outcome import ReadHoldings

# why a position is frozen
SPLIT, MISSING = "split", "missing"
# how people are told of a split that was known before a price or a count showed it
KNOWN = "known_split"
# A stop waits at most so long for the holdings to speak, a sale that a person asks for half that.
PATIENCE, MOMENT = dt.timedelta(seconds=60), dt.timedelta(seconds=30)
# Over a pause this long between two looks a split is likelier than a fall.
PAUSE = dt.timedelta(minutes=10)
# After this time a gap says nothing about today's shares.
FORGOTTEN = dt.timedelta(days=1)


def pending_split(book: Book, position: Position) -> Split | None:
    """The known split whose new shares the account has not shown: what is held was counted before its date."""
    split = book.splits.get(position.ticker)
    counted_on = us_date(position.counted_at or position.opened_at)
    return split if split is not None and counted_on < split.on <= us_date(book.at) else None


def note_jump(book: Book, position: Position, price: Decimal) -> None:
    """Remember a price that changed by a split's measure, or the first one after a long pause; ask for the holdings."""
    before = position.last_price
    measured = min(price / before, before / price) <= shares.JUMP
    rested = unlooked(book, position) >= PAUSE
    present = book.jumps.get(position.ticker)
    if present is not None and present.rested and present.measured and book.at - present.at <= PATIENCE:
        # one false print after a long pause doesn't change what is being asked
        return
    if measured or rested:
        book.jumps[position.ticker] = Jump(before=before, at=book.at, measured=measured, rested=rested)
        book.act(ReadHoldings())


def unlooked(book: Book, position: Position) -> dt.timedelta:
    """Since when nobody has asked for its price; a price that is old because nothing was traded is looked at all the same."""
    looked_at = book.looked_at.get(position.ticker, position.priced_at)
    return book.at - max(looked_at, position.priced_at)


def price_before(book: Book, position: Position) -> Decimal:
    """The price before the last gap, else what was paid."""
    jump = book.jumps.get(position.ticker)
    return jump.before if jump is not None and book.at - jump.at <= FORGOTTEN else position.avg_price


def may_be_split(book: Book, position: Position, *, asked: bool = False) -> bool:
    """Whether a sale must wait for the holdings, because the fall may be a stock split.

    One reading is enough, unless a price changed by a split's measure over a pause: then the broker's count may lag. A
    sale that a person has `asked` for waits for that reading only; after a pause the orders come first, which it counts.
    """
    if unlooked(book, position) >= PAUSE:
        # nobody has looked at it since: the next price tells
        return True
    jump = book.jumps.get(position.ticker)
    if jump is None or book.at - jump.at > (MOMENT if asked else PATIENCE):
        return False
    if jump.rested and jump.measured and not asked:
        return True
    counted = [jump.at]
    if jump.rested:
        counted += [book.touched.get(position.ticker, jump.at)]
        if book.listed_at is None or book.listed_at < jump.at:
            return True
    return book.shares_asked_at is None or book.shares_asked_at < max(counted)
