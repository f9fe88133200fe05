"""The trader's machine under values that are allowed and absurd: it never fails, and what it writes can be read again."""

import datetime as dt
import random
from decimal import Decimal

import msgspec

from core.model.commands import AnyCommand
from core.model.instrument import Exchange
from core.model.journal import AddFill, Change, Snapshot
from core.model.messages import Signal, SplitsOfDay, TrendAnswered
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding, IntentState, Side
from core.model.params import TradingParams
from core.model.quote import Quote
from core.stages.trade import Outcome, PlaceOrder, TradeStage
from core.stages.trade.inputs import (
    BrokerHealth,
    CancelAnswered,
    ClockRead,
    CommandArrived,
    GuardianSold,
    HoldingsRead,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    PowerRead,
    QuotesRead,
    SignalArrived,
    SplitsTold,
    Tick,
    TradeInput,
    TrendArrived,
)
from core.stages.trade.report import status
from tests.fuzz.mutants import fuzz, mutate, wire
from tests.fuzz.test_fuzz_commands import PLAIN as COMMANDS
from tests.fuzz.test_fuzz_messages import travelled
from tests.unit.core.builders import NOON, TICKER, intent, position, request, row, signal

PARAMS = TradingParams(mode="auto")
SHARES = (0, 1, 2, 9, 10, 11, 10**6, 10**9)
PRICES = tuple(Decimal(p) for p in ("0.0001", "0.5", "1", "84.99", "85", "100", "129.99", "130", "99999", "1E+7"))
RATES = tuple(Decimal(r) for r in ("0.0001", "1", "999.9", "1449.5", "1E+5"))
TICKERS = (TICKER, TICKER, TICKER, "QBIT", "BRK.B", "ZZZZ")
_change = msgspec.json.Encoder()
_changes = msgspec.json.Decoder(Change)


def a_quote(rng: random.Random, at: dt.datetime) -> Quote:
    last, bid = rng.choice(PRICES), rng.choice((None, *PRICES))
    return Quote(ticker=rng.choice(TICKERS), last=last, bid=bid, ask=bid and max(bid, rng.choice(PRICES)), at=at)


def a_power(rng: random.Random) -> BuyingPower:
    return BuyingPower(usd=rng.choice((Decimal(0), *PRICES)), krw_per_usd=rng.choice(RATES))


def a_row(rng: random.Random, stage: TradeStage) -> BrokerOrder:
    """A row of the list as the parser would let it through: of one of our orders, or of nobody's."""
    ours = [i for i in stage.book.intents.values() if i.ref is not None]
    qty = rng.choice(SHARES)
    filled = rng.choice((0, qty // 2, qty))
    limit = rng.choice((Decimal(0), *PRICES))
    known = rng.choice(ours) if ours and rng.random() < 0.5 else None
    wanted = known.request if known else None
    if wanted is not None and rng.random() < 0.7:
        qty, limit = wanted.qty, wanted.limit
        filled = rng.randint(0, qty)
    open_qty = rng.choice((0, qty - filled))
    kind = rng.choice(("cancelled", "expired", "rejected", "")) if not open_qty and filled < qty else ""
    changes = {kind: True} if kind and not (kind == "rejected" and filled) else {}
    return BrokerOrder(
        ref=known.ref if known and known.ref else BrokerRef("20261117", "", str(rng.randint(1, 5))),
        ticker=wanted.ticker if wanted else rng.choice(TICKERS),
        side=wanted.side if wanted else rng.choice(list(Side)),
        qty=qty,
        limit=limit,
        filled_qty=filled,
        filled_usd=filled * (limit or Decimal(1)),
        open_qty=open_qty,
        is_cancel_row=rng.random() < 0.1,
        from_api=rng.random() < 0.7,
        exchange=rng.choice((None, *Exchange)),
        ordered_at=rng.choice((None, NOON, NOON - dt.timedelta(days=1))),
        **changes,
    )


def a_holding(rng: random.Random) -> Holding:
    qty = rng.choice(SHARES[1:])
    return Holding(
        ticker=rng.choice(TICKERS), exchange=rng.choice(list(Exchange)), qty=qty, sellable_qty=rng.choice((0, qty)),
        avg_price=rng.choice(PRICES),
    )  # fmt: skip


def a_command(rng: random.Random) -> AnyCommand | None:
    document: object = rng.choice(COMMANDS)
    if rng.random() < 0.4:
        document = mutate(rng, document)
    try:
        return msgspec.json.decode(wire(document), type=AnyCommand)
    except (msgspec.MsgspecError, RecursionError):
        return None


def from_outside(rng: random.Random, at: dt.datetime) -> TradeInput | None:
    """A message or a command, with the prices that the service adds to it."""
    quote, power = rng.choice((None, a_quote(rng, at))), rng.choice((None, a_power(rng)))
    match rng.randrange(4):
        case 0:
            found = travelled(rng, 2) if rng.random() < 0.5 else signal(at=at)
            return SignalArrived(at=at, signal=found, quote=quote, power=power) if isinstance(found, Signal) else None
        case 1:
            answer = travelled(rng, 4)
            return TrendArrived(at=at, answer=answer) if isinstance(answer, TrendAnswered) else None
        case 2:
            told = travelled(rng, 8)
            return SplitsTold(at=at, on=told.on, splits=told.splits) if isinstance(told, SplitsOfDay) else None
        case _:
            command = a_command(rng)
            exchange = rng.choice(("", "NASD", "NYSE"))
            return command and CommandArrived(at=at, command=command, quote=quote, power=power, exchange=exchange)


def of_an_order(rng: random.Random, stage: TradeStage, at: dt.datetime) -> TradeInput | None:
    """What the order desk tells of one of our orders, in the order in which it can."""
    live = stage.book.live_intents()
    found = rng.choice(live) if live else None
    if found is None:
        return None
    number = str(rng.randint(1, 5))
    match found.state:
        case IntentState.PREPARED:
            kinds: tuple[TradeInput, ...] = (
                OrderSending(at=at, intent_id=found.id, baseline=(number,)),
                OrderNotSent(at=at, intent_id=found.id, reason="late", sellable=rng.choice((None, *SHARES))),
            )
        case IntentState.SENDING:
            kinds = (
                OrderAcked(at=at, intent_id=found.id, ref=BrokerRef("20261117", "", number)),
                OrderWasRefused(at=at, intent_id=found.id, code=rng.choice(("APBK0952", "", "x" * 500)), message="m"),
                OrderLost(at=at, intent_id=found.id, reason="lost"),
            )
        case IntentState.CANCEL_REQ:
            kinds = (
                CancelAnswered(at=at, intent_id=found.id, known=rng.random() < 0.5, code=rng.choice(("", "APBK1359"))),
            )
        case _:
            return None
    return rng.choice(kinds)


def of_the_broker(rng: random.Random, stage: TradeStage, at: dt.datetime) -> TradeInput:
    """Readings of the account, prices and the clock."""
    match rng.randrange(8):
        case 0:
            rows = {r.ref: r for r in (a_row(rng, stage) for _ in range(rng.randint(0, 3)))}
            return OrdersRead(at=at, orders=tuple(rows.values()), complete=rng.random() < 0.7)
        case 1:
            held = {h.ticker: h for h in (a_holding(rng) for _ in range(rng.randint(0, 2)))}
            asked = at - dt.timedelta(seconds=rng.choice((0, 1, 60)))
            return HoldingsRead(at=at, holdings=tuple(held.values()), asked_at=asked)
        case 2:
            return PowerRead(at=at, power=a_power(rng))
        case 3:
            skew = rng.choice((0.0, -0.5, 59.0, -1e9, 3e11))
            return ClockRead(at=at, skew_s=skew)
        case 4:
            limit = rng.choice(PRICES)
            ref = rng.choice((None, BrokerRef("20261117", "", "9")))
            return GuardianSold(
                at=at, ticker=rng.choice(TICKERS), key=str(rng.randint(1, 3)), ref=ref, qty=rng.choice(SHARES[1:7]),
                limit=limit, sent_at=at - dt.timedelta(seconds=rng.choice((0, 30, 86_400 * 30))),
            )  # fmt: skip
        case 5:
            return BrokerHealth(at=at, ok=rng.random() < 0.5, detail=rng.choice(("", "x" * 5000)))
        case 6:
            return Tick(at=at, in_window=rng.random() < 0.8, market_open=rng.random() < 0.8, halted=rng.random() < 0.1)
        case _:
            return QuotesRead(at=at, quotes=tuple(a_quote(rng, at) for _ in range(rng.randint(0, 3))))


def demand_sound(stage: TradeStage, outcome: Outcome) -> None:
    """What is written can be read again and stored; what is sent is a sane order."""
    for change in outcome.changes:
        assert _changes.decode(_change.encode(change)) == change, "a change that can't be read again"
        if isinstance(change, AddFill):
            assert 0 <= change.cum_qty < 2**63, "a number that the journal can't hold"
    for action in outcome.actions:
        if isinstance(action, PlaceOrder):
            wanted = stage.book.intents[action.intent_id].request
            assert wanted.qty > 0
            assert wanted.limit > 0, "a price that is none"
    for held in stage.book.positions.values():
        assert held.qty >= 0
        assert held.stop_price.is_finite()
        assert held.stop_price > 0, "a stop that never comes"
    if outcome.reply is not None:
        msgspec.json.encode(outcome.reply)


def test_the_trader_survives_whatever_came_through() -> None:
    working = intent(
        IntentState.WORKING, key="sale", order=request(Side.SELL, 4, "101.00"), ref=BrokerRef("20261117", "", "1")
    )
    before = Snapshot(positions=(position(),), intents=(working,), state={"krw_per_usd": "1400"})

    def check(rng: random.Random, notes: list[object]) -> None:
        stage = TradeStage(PARAMS, before, NOON)
        at = NOON
        demand_sound(stage, stage.recover(at))
        stage.handle(OrdersRead(at=at, orders=(row("1", order=working.request),), complete=True))
        stage.handle(HoldingsRead(at=at, holdings=(a_holding(rng),), asked_at=at))
        stage.handle(Tick(at=at, in_window=True, market_open=True))
        for _ in range(rng.randint(1, 5)):
            at += dt.timedelta(seconds=rng.choice((0, 1, 30, 600)))
            pick = rng.random()
            found = (
                from_outside(rng, at) if pick < 0.45
                else of_an_order(rng, stage, at) if pick < 0.6
                else of_the_broker(rng, stage, at)
            )  # fmt: skip
            if found is None:
                continue
            notes.append(found)
            demand_sound(stage, stage.handle(found))
        status(stage.book, "kis_real")
        for name in list(stage.book.intents):
            outcome = stage.begin_cancel(name, at)
            if outcome is not None:
                demand_sound(stage, outcome)

    fuzz("trader", check)
