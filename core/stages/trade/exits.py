"""Selling: stops, take-profit with a trend check, signals and commands, by one ladder."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.messages import EventKind, Signal, message_id
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side
from core.model.position import ExitRun, PlanState, Position
from core.model.quote import Quote
from core.model.signal import Condition, SignalType, TrendState
from core.rules.exit import ExitDecision, decide_exit
from core.rules.pricing import exit_limit
from core.stages.trade import entries
from core.stages.trade.book import PROTECTIVE, Book
from core.stages.trade.gaps import MISSING, SPLIT, may_be_split, note_jump, unlooked
from core.stages.trade.inputs import QuotesRead, TrendArrived
from core.stages.trade.outcome import AskTrend, CancelOrder

CANCELLABLE = frozenset(
    {
        IntentState.ACKED,
        IntentState.WORKING,
        IntentState.PARTIAL,
        IntentState.CANCEL_REQ,
        IntentState.CANCEL_UNKNOWN,
    }
)
BY_PERSON = frozenset({Purpose.COMMAND, Purpose.PANIC})
# A limit is made from a price that was asked for within this time.
FRESH = dt.timedelta(seconds=30)
# A sell that is not filled after this long is cancelled and repeated one step lower.
STEP_PATIENCE = dt.timedelta(seconds=10)
# After a refusal the same sale is tried again this much later.
RETRY_PAUSE = dt.timedelta(seconds=5)
# Where the broker says that nothing is sellable, there is less hurry to ask again.
NOTHING_PAUSE = dt.timedelta(seconds=20)


def on_quotes(book: Book, message: QuotesRead) -> None:
    """Watch stops and targets on fresh prices; then drive the sales in progress."""
    for quote in message.quotes:
        book.quotes[quote.ticker] = quote
        position = book.positions.get(quote.ticker)
        if position is None:
            continue
        note_jump(book, position, quote.last)
        book.looked_at[quote.ticker] = book.at
        book.positions[quote.ticker] = msgspec.structs.replace(position, last_price=quote.last, priced_at=quote.at)
        if quote.ticker not in book.exits:
            _watch(book, book.positions[quote.ticker], quote)
    drive(book)


def _watch(book: Book, position: Position, quote: Quote) -> None:
    ticker = position.ticker
    if position.frozen == SPLIT:
        # old shares at the price of new ones: neither a fall nor a gain
        book.below_stop.pop(ticker, None)
        return
    since = book.below_stop.get(ticker)
    decision = decide_exit(position, quote.last, below_for=book.at - since if since else None, trend=None)
    if quote.last <= position.stop_price:
        book.below_stop.setdefault(ticker, book.at)
    else:
        book.below_stop.pop(ticker, None)
    match decision:
        case ExitDecision.STOP:
            start_exit(book, position, Purpose.STOP, conditions=(Condition.STOP_REACHED,))
        case ExitDecision.ASK_TREND:
            _ask_trend(book, position)
        case ExitDecision.HOLD | ExitDecision.SUSPECT_STOP | ExitDecision.TREND_BROKEN:
            pass


def _ask_trend(book: Book, position: Position) -> None:
    """Ask once per minute bar."""
    minute = int(book.at.timestamp()) // 60
    if book.trend_minute.get(position.ticker) == minute:
        return
    book.trend_minute[position.ticker] = minute
    question = message_id("trend", position.ticker, minute)
    book.trend_question[position.ticker] = question
    book.act(AskTrend(question, position.ticker))


def on_trend(book: Book, message: TrendArrived) -> None:
    """Intact: hold and look again every bar. Broken or no answer in time: sell all."""
    answer = message.answer
    position = book.positions.get(answer.ticker)
    if position is None or answer.ticker in book.exits or book.trend_question.get(answer.ticker) != answer.question:
        return
    del book.trend_question[answer.ticker]
    if position.last_price < position.target_price or position.frozen == SPLIT:
        return
    if answer.state is TrendState.INTACT:
        if not position.holding_winner:
            book.put_position(msgspec.structs.replace(position, holding_winner=True))
            book.emit(
                EventKind.HOLDING_WINNER,
                ticker=position.ticker,
                subject=position.ticker,
                plan_id=position.plan_id,
                name=position.name,
                name_ko=position.name_ko,
                price=position.last_price,
                avg_price=position.avg_price,
                pnl_pct=position.pnl_pct.quantize(Decimal("0.01")),
            )
        return
    met = answer.verdict.met if answer.verdict else ()
    start_exit(book, position, Purpose.TREND_BROKEN, conditions=met)


def on_exit_signal(book: Book, signal: Signal) -> None:
    """SELL on a held ticker sells it; STOP from the analyzer is a second witness of the stop."""
    position = book.positions.get(signal.ticker)
    if position is None or signal.ticker in book.exits or book.at > signal.valid_until:
        return
    if signal.verdict.signal is SignalType.SELL:
        above_target = position.last_price >= position.target_price
        purpose = Purpose.TREND_BROKEN if above_target else Purpose.SIGNAL_SELL
        start_exit(book, position, purpose, conditions=signal.verdict.met)
        return
    timely = signal.feed_delay_ms <= book.params.max_data_age_sec * 1000
    if timely and Decimal(str(signal.verdict.indicators.close)) <= position.stop_price:
        start_exit(book, position, Purpose.STOP, conditions=signal.verdict.met)


def start_exit(
    book: Book,
    position: Position,
    purpose: Purpose,
    *,
    qty: int | None = None,
    conditions: tuple[Condition, ...] = (),
    by: str = "",
) -> None:
    """Begin selling; a more urgent purpose takes over a sale in progress. Remaining tranches end.

    After a suspected stock split only a person sells: the stop price means nothing then.
    """
    if position.frozen == SPLIT and purpose not in BY_PERSON:
        return
    if purpose is Purpose.STOP and may_be_split(book, position):
        return
    present = book.exits.get(position.ticker)
    if present is not None:
        if purpose in PROTECTIVE and present.purpose not in PROTECTIVE:
            book.put_exit(msgspec.structs.replace(present, purpose=purpose, target_qty=present.sold_qty + position.qty))
        return
    plan = book.running_plan(position.ticker)
    if plan is not None:
        entries.end_plan(book, plan, PlanState.STOPPED, purpose.value)
    for intent in book.live_intents(position.ticker, Side.BUY):
        book.act(CancelOrder(intent.id))
    run = ExitRun(
        ticker=position.ticker,
        purpose=purpose,
        target_qty=min(qty or position.qty, position.qty),
        started_at=book.at,
        conditions=conditions,
        by=by,
    )
    book.put_exit(run)
    book.emit(
        EventKind.SELL_STARTED,
        ticker=position.ticker,
        subject=position.ticker,
        plan_id=position.plan_id,
        name=position.name,
        name_ko=position.name_ko,
        qty=run.target_qty,
        price=position.last_price,
        pnl_pct=position.pnl_pct.quantize(Decimal("0.01")),
        reason=purpose.value,
        conditions=",".join(c.value for c in conditions),
        urgent=purpose in PROTECTIVE,
    )
    _step(book, run)


def drive(book: Book) -> None:
    """Move every sale on: send the next step, or cancel one that hangs, or one that outlived its purpose."""
    for run in list(book.exits.values()):
        _step(book, run)
    for intent in book.live_intents(side=Side.SELL):
        if intent.request.ticker not in book.exits and intent.state in CANCELLABLE:
            asked = intent.cancel_requested_at
            if asked is None or book.at - asked >= STEP_PATIENCE:
                book.act(CancelOrder(intent.id))


def _step(book: Book, run: ExitRun) -> None:
    position = book.positions.get(run.ticker)
    wanted = run.target_qty - run.sold_qty
    frozen = position is not None and position.frozen == SPLIT and run.purpose not in BY_PERSON
    if position is None or wanted <= 0 or frozen:
        book.drop_exit(run.ticker)
        return
    # a late buy grows the position: a sale of everything means everything
    if run.purpose is not Purpose.COMMAND and run.sold_qty + position.qty > run.target_qty:
        run = msgspec.structs.replace(run, target_qty=run.sold_qty + position.qty)
        book.put_exit(run)
        wanted = position.qty
    live = book.live_intents(run.ticker, Side.SELL)
    if live:
        _nudge(book, run, live[0])
        return
    if not book.market_open:
        _wait_for_market(book, run, position)
        return
    if run.retry_at is not None and book.at < run.retry_at:
        return
    if may_be_split(book, position, asked=run.purpose in BY_PERSON):
        return
    _offer(book, position, run, min(wanted, _ours_in_account(book, position)))


def _offer(book: Book, position: Position, run: ExitRun, qty: int) -> None:
    """Prepare the next step; a price from before an outage tells neither a limit nor what a share is now."""
    quote = book.quotes.get(run.ticker)
    if quote is not None and unlooked(book, position) <= FRESH and qty > 0:
        sell_order(book, position, run, qty, exit_limit(quote.sell_reference, run.step))


def _ours_in_account(book: Book, position: Position) -> int:
    """Shares of ours that are certainly there: where the account holds the owner's own too, the broker fences nothing."""
    touched = book.touched.get(position.ticker)
    asked = book.shares_asked_at
    current = asked is not None and (touched is None or asked >= touched)
    certain, own = book.certain_qty(position), book.own_qty(position.ticker)
    if not current or (own == 0 and position.frozen != MISSING):
        return certain
    return min(certain, max(0, book.shares.get(position.ticker, 0) - own))


def _wait_for_market(book: Book, run: ExitRun, position: Position) -> None:
    """The broker takes no orders now: say so once, and begin again at the top of the ladder when it does."""
    if run.waiting:
        return
    book.put_exit(msgspec.structs.replace(run, waiting=True, step=0))
    book.emit(
        EventKind.EXIT_WAITS,
        ticker=run.ticker,
        subject=run.ticker,
        plan_id=position.plan_id,
        name=position.name,
        name_ko=position.name_ko,
        qty=position.qty,
        reason=run.purpose.value,
    )


def wanted(book: Book, intent: Intent) -> bool:
    """Whether a prepared sale still has its purpose: shares to sell, and no split that a person must look at first."""
    position = book.positions.get(intent.request.ticker)
    if position is None or intent.request.ticker not in book.exits:
        return False
    asked = intent.purpose in BY_PERSON
    return (asked or position.frozen != SPLIT) and not may_be_split(book, position, asked=asked)


def sell_order(book: Book, position: Position, run: ExitRun, qty: int, limit: Decimal) -> None:
    """Prepare one sell of the ladder."""
    attempt = run.attempts
    # two sales of a ticker may start at one instant: the second must not write over the first one's order
    while message_id("intent", key := f"exit:{run.ticker}:{run.started_at.isoformat()}:{attempt}") in book.intents:
        attempt += 1
    book.put_exit(msgspec.structs.replace(run, attempts=attempt + 1, waiting=False))
    request = OrderRequest(ticker=run.ticker, exchange=position.exchange, side=Side.SELL, qty=qty, limit=limit)
    entries.prepare_order(book, request, purpose=run.purpose, plan_id=position.plan_id, key=key)


def _nudge(book: Book, run: ExitRun, intent: Intent) -> None:
    """Cancel a sale that hangs, unless its successor would carry the same limit: then it may as well rest."""
    waiting = {IntentState.ACKED, IntentState.WORKING, IntentState.PARTIAL}
    asked = intent.cancel_requested_at or intent.updated_at
    if intent.state in {IntentState.CANCEL_REQ, IntentState.CANCEL_UNKNOWN} and book.at - asked >= STEP_PATIENCE:
        book.act(CancelOrder(intent.id))
    if intent.state not in waiting or book.at - intent.created_at < STEP_PATIENCE:
        return
    quote = book.quotes.get(run.ticker)
    if quote is None or exit_limit(quote.sell_reference, run.step + 1) < intent.request.limit:
        book.act(CancelOrder(intent.id))


def on_sale_ended(book: Book, intent: Intent, *, sellable: int | None = None) -> None:
    """A sell order is final. What is left goes one step lower, after a pause where the broker refused it."""
    run = book.exits.get(intent.request.ticker)
    position = book.positions.get(intent.request.ticker)
    if run is None or position is None:
        return
    refused = intent.state in {IntentState.REJECTED, IntentState.BROKER_REJECTED, IntentState.VOIDED}
    climbed = intent.state is IntentState.CANCELLED
    run = msgspec.structs.replace(
        run,
        step=run.step + 1 if climbed else run.step,
        retry_at=book.at + (NOTHING_PAUSE if sellable == 0 else RETRY_PAUSE) if refused else None,
    )
    book.put_exit(run)
    if sellable is not None and 0 < sellable < position.qty:
        _offer(book, position, run, min(sellable, book.certain_qty(position)))
