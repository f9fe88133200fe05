"""What holds entries back: blocks that survive restarts, the clock, prices that nobody sees."""

import datetime as dt

from core.model.messages import EventKind
from core.model.safety import Block, TradingState
from core.rules.days import us_midnight_after
from core.rules.risk import RefusalReason
from core.stages.trade.book import Book
from core.stages.trade.inputs import ClockRead, PricesApart, Tick

# So many orders with an unknown fate within this time mean that the broker is sick.
SICK_ORDERS = 2
SICK_WINDOW = dt.timedelta(minutes=10)
MAX_SKEW_S, ALARM_SKEW_S = 2.0, 30.0


def block(book: Book, reason: RefusalReason, *, until: dt.datetime | None = None, detail: str = "") -> None:
    """Stop entries for a reason, until an instant or until the owner resumes."""
    if reason.value not in book.blocks or book.blocks[reason.value] not in book.standing():
        made = Block(reason=reason.value, since=book.at, until=until, detail=detail)
        book.put_blocks({**book.blocks, reason.value: made}, before=book.trading_state)


def release(book: Book) -> bool:
    """The owner resumes: every block goes; False when there was none."""
    had = bool(book.standing())
    if book.blocks:
        # the resume itself is told
        book.put_blocks({}, before=None)
    return had


def count_stop(book: Book) -> None:
    """A position was stopped out; too many in one US day end the entries of that day."""
    limit = book.params.max_stops_per_day
    if limit and book.day.stops >= limit:
        block(book, RefusalReason.STOP_STREAK, until=us_midnight_after(book.at), detail=str(book.day.stops))


def expire(book: Book) -> None:
    """A block whose time is over goes, and the owner hears that entries are open again."""
    over = [key for key, b in book.blocks.items() if b.until is not None and b.until <= book.at]
    if over:
        before = TradingState.HALTED if book.panicked or book.halted else TradingState.REDUCING
        book.put_blocks({key: b for key, b in book.blocks.items() if key not in over}, before=before)


def on_clock_read(book: Book, message: ClockRead) -> None:
    """A clock that is wrong makes old data look fresh: no entries, and beyond half a minute someone must be told."""
    skewed = abs(message.skew_s) > MAX_SKEW_S
    if skewed and not book.clock_skewed and abs(message.skew_s) > ALARM_SKEW_S:
        book.emit(EventKind.TROUBLE, where="clock", what="clock_skew", seconds=round(message.skew_s))
    book.clock_skewed = skewed


def on_prices_apart(book: Book, message: PricesApart) -> None:
    """Each BUY is refused by itself where the two disagree; that it lasts is for a person to know."""
    apart_pct = round(message.apart_pct, 1)
    book.emit(
        EventKind.TROUBLE,
        ticker=message.ticker,
        subject=message.ticker,
        where="feed",
        what="prices_apart",
        pct=apart_pct,
    )


def on_tick(book: Book, message: Tick) -> None:
    """Notice the HALT file, and held tickers whose price has not been seen for too long."""
    expire(book)
    before = book.trading_state
    if message.market_open and not book.market_open:
        book.opened_at = message.at
    book.in_window, book.market_open, book.halted = message.in_window, message.market_open, message.halted
    if book.trading_state is not before:
        book.emit(EventKind.STATE_CHANGED, state=book.trading_state.value, before=before.value, reason="halt_file")
    for ticker, position in book.positions.items():
        seen_at = max(position.priced_at, position.opened_at, book.opened_at or book.started_at)
        dark = message.market_open and not position.frozen and book.at - seen_at > message.stale_after
        if dark and ticker not in book.unwatched:
            book.unwatched.add(ticker)
            age_s = int((book.at - seen_at).total_seconds())
            names = {"name": position.name, "name_ko": position.name_ko, "plan_id": position.plan_id}
            book.emit(EventKind.UNWATCHED, ticker=ticker, subject=ticker, age_s=age_s, **names)
        elif not dark and ticker in book.unwatched:
            book.unwatched.discard(ticker)
            book.emit(EventKind.WATCHED, ticker=ticker, subject=ticker, plan_id=position.plan_id, name=position.name)
    book.unwatched &= set(book.positions)
