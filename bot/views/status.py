"""The state views: status, positions, orders, balance, locks, health, schedule, version."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.i18n import ET, Markup, Translator
from bot.views import buttons, feed, servers
from bot.views.alarms import BY_FILE, how_to_go_on, reasons
from bot.views.base import RULE, View, bounded, distance, lines, titled
from bot.views.words import (
    FROZEN,
    INTENT_STATES,
    MODES,
    PROCESSES,
    REFUSALS,
    STATE_SIGNS,
    STATES,
    VENUES,
    word,
)
from core.model.commands import Lock, TraderStatus
from core.model.order import Intent, Side
from core.model.position import Plan, Position
from core.model.safety import Block, TradingState
from core.model.session import MarketSession, Phase
from ports.bus import BusState

OLD = dt.timedelta(seconds=30)
DAY = dt.timedelta(hours=18)


def clocks(session: MarketSession, now: dt.datetime, t: Translator) -> str:
    """ET · KST · the time until the next bell."""
    et = f"{now.astimezone(ET):%H:%M}"
    return t("🕐 {et} ET · {kst} KST · {phase}", et=et, kst=t.clock(now), phase=_phase(session, now, t))


def _phase(session: MarketSession, now: dt.datetime, t: Translator) -> Markup:
    phase = session.phase(now)
    match phase:
        case Phase.REGULAR:
            return t("regular session, closes in {span}", span=t.span(session.close_at - now))
        case Phase.PRE:
            return t("pre-market, opens in {span}", span=t.span(session.open_at - now))
        case Phase.POST:
            return t("after-market")
        case Phase.CLOSED:
            return t("closed, opens in {span}", span=t.span(session.open_at - now))


def aged(at: dt.datetime, now: dt.datetime, t: Translator) -> str:
    """The age in brackets once a number may be old, else nothing."""
    return t(" ({age})", age=t.age(at, now)) if now - at > OLD else ""


def position_lines(p: Position, now: dt.datetime, t: Translator) -> str:
    """Two or three lines of one holding."""
    head = t(
        "<b>{title}</b> · {qty} · {pct}{age}",
        title=titled(p.ticker, p.name, p.name_ko, t),
        qty=t.shares(p.qty),
        pct=t.pct(p.pnl_pct),
        age=Markup(aged(p.priced_at, now, t)),
    )
    prices = t("   {average} → {last} · {pnl}", average=t.usd(p.avg_price), last=t.usd(p.last_price), pnl=pnl_usd(p, t))
    guards = t(
        "   Stop {stop} ({below} from the price) · Target {target}",
        stop=t.usd(p.stop_price),
        below=distance(p.stop_price, p.last_price, t),
        target=t.usd(p.target_price),
    )
    own = t("   Your own: {qty}", qty=t.shares(p.own_qty)) if p.own_qty else None
    frozen = t("   🧊 check needed: {reason}", reason=word(FROZEN, p.frozen, t)) if p.frozen else None
    return lines(head, prices, guards, own, frozen)


def pnl_usd(p: Position, t: Translator) -> str:
    return t.usd_signed(p.unrealized_usd)


def switches(s: TraderStatus, now: dt.datetime, t: Translator) -> list[str]:
    """What is allowed to happen now, worst first, since when, until when, and how to go on."""
    shown: list[str] = [t("{sign} Trading: <b>{state}</b>", sign=STATE_SIGNS[s.state], state=word(STATES, s.state, t))]
    if s.panicked:
        shown.append(t("🛑 <b>Emergency stop is on</b> · /resume"))
    elif s.paused:
        shown.append(t("⏸ <b>Buying is paused</b> · /resume"))
    shown += [block_row(b, now, t) for b in s.blocks]
    if s.state is not TradingState.ACTIVE:
        keys = [*(b.reason for b in s.blocks), *(k for k in s.entry_blocks if k == BY_FILE)]
        shown += [t("Stops and sells go on."), *([how_to_go_on(keys, t)] if keys else [])]
    if s.entries_open:
        shown.append(t("🟢 Buying is possible"))
    else:
        why = reasons(s.entry_blocks, t)
        shown.append(t("🔴 No buying now: {reasons}", reasons=why) if why else t("🔴 No buying now"))
    return shown


def block_row(block: Block, now: dt.datetime, t: Translator) -> str:
    """One thing that holds buying back; times with their day, because a block may be days old."""
    return t(
        "• {reason} · since {since} · {until}",
        reason=word(REFUSALS, block.reason, t),
        since=t.time(block.since) if now - block.since < DAY else t.when(block.since),
        until=t("until {time}", time=t.when(block.until)) if block.until else t("until /resume"),
    )


def status(s: TraderStatus, session: MarketSession, now: dt.datetime, t: Translator) -> View:
    """The whole state on one screen."""
    invested = sum((p.cost_krw for p in s.positions), Decimal(0))
    held = [position_row(p, now, t) for p in s.positions]
    return View(
        lines(
            t("📊 <b>Status</b>"),
            clocks(session, now, t),
            RULE,
            *switches(s, now, t),
            t("{venue} · {mode}", venue=word(VENUES, s.venue, t), mode=word(MODES, s.mode, t)),
            _broker(s, now, t),
            t(
                "Realised today: {amount} (round trips: {count})",
                amount=t.krw_signed(s.realized_today_krw),
                count=s.round_trips_today,
            ),
            t("Bought today: {amount}", amount=t.krw(s.bought_today_krw)),
            RULE,
            t("Positions: {count} · cost {amount}", count=len(s.positions), amount=t.krw(invested)),
            *bounded(held, t, 8),
            *([plan_row(p, t) for p in s.plans[:5] if p.open]),
        ),
        buttons.refresh(t, "status"),
    )


def _broker(s: TraderStatus, now: dt.datetime, t: Translator) -> str:
    """Whether the broker answers, and how old its last answer is."""
    state = t("OK") if s.broker_ok else t("no answer")
    return t("Broker: {state}", state=state) + (aged(s.broker_checked_at, now, t) if s.broker_checked_at else "")


def position_row(p: Position, now: dt.datetime, t: Translator) -> str:
    return t(
        "• {title} {qty} {pct}{age}",
        title=titled(p.ticker, p.name, p.name_ko, t),
        qty=t.shares(p.qty),
        pct=t.pct(p.pnl_pct),
        age=Markup(aged(p.priced_at, now, t)),
    )


def plan_row(p: Plan, t: Translator) -> str:
    if p.state == "PROPOSED":
        return t("• {ticker}: waiting for approval until {time}", ticker=p.ticker, time=t.time(p.expires_at))
    return t("• {ticker}: buying, {done}/{of} tranches", ticker=p.ticker, done=p.next_tranche - 1, of=p.tranches)


def positions(
    held: Sequence[Position], now: dt.datetime, t: Translator, *, known_at: dt.datetime | None = None
) -> View:
    """Holdings; `known_at` marks a list from the database while the trader is out of reach."""
    old = t("⚠️ The trader does not answer. Last known state{age}", age=_known(known_at, now, t)) if known_at else None
    if not held:
        return View(lines(old, t("💼 No positions.")), buttons.refresh(t, "positions"))
    rows = [position_lines(p, now, t) for p in held]
    total = sum((p.unrealized_usd for p in held), Decimal(0))
    title = t("💼 <b>Positions</b> · {count} · {pnl}", count=len(held), pnl=t.usd_signed(total))
    return View(lines(old, title, RULE, *bounded(rows, t, 8)), buttons.refresh(t, "positions"))


def _known(at: dt.datetime, now: dt.datetime, t: Translator) -> Markup:
    return Markup(t(" ({age})", age=t.age(at, now)))


def order_row(order: Intent, now: dt.datetime, t: Translator) -> str:
    request = order.request
    return t(
        "{side} {ticker} {filled}/{qty} @ {limit} · {state} · {age}",
        side=t("🔵 Buy") if request.side is Side.BUY else t("🟠 Sell"),
        ticker=request.ticker,
        filled=order.filled_qty,
        qty=request.qty,
        limit=t.usd(request.limit),
        state=word(INTENT_STATES, order.state, t),
        age=t.age(order.created_at, now),
    )


def orders(s: TraderStatus, now: dt.datetime, t: Translator) -> View:
    """Orders at the broker and plans that may still buy."""
    open_plans = [plan_row(p, t) for p in s.plans if p.open]
    rows = [*(order_row(o, now, t) for o in s.orders), *open_plans]
    if not rows:
        return View(t("🧾 No open orders."), buttons.refresh(t, "orders"))
    return View(lines(t("🧾 <b>Open orders</b>"), RULE, *bounded(rows, t)), buttons.refresh(t, "orders"))


def balance(s: TraderStatus, t: Translator) -> View:
    """Buying power, what is invested, and today's sums."""
    power, rate = s.buying_power_usd, s.krw_per_usd
    priced = [p.priced_at for p in s.positions]
    worth_usd = sum((p.last_price * p.qty for p in s.positions), Decimal(0))
    return View(
        lines(
            t("💵 <b>Balance</b> · {venue}", venue=word(VENUES, s.venue, t)),
            RULE,
            t("Buying power: {usd}", usd=t.usd(power)) if power is not None else t("Buying power: not known yet"),
            t("   about {krw}", krw=t.krw(power * rate)) if power is not None and rate else None,
            t("Shares: {usd}", usd=t.usd(worth_usd)) + (aged(min(priced), s.at, t) if priced else ""),
            t("   about {krw}", krw=t.krw(worth_usd * rate)) if rate and worth_usd else None,
            t("Exchange rate: {krw} per dollar", krw=t.krw(rate)) if rate else None,
            _broker(s, s.at, t),
            RULE,
            t("Bought today: {amount}", amount=t.krw(s.bought_today_krw)),
            t(
                "Realised today: {amount} (round trips: {count})",
                amount=t.krw_signed(s.realized_today_krw),
                count=s.round_trips_today,
            ),
        ),
        buttons.refresh(t, "balance"),
    )


def locks(held: Sequence[Lock], t: Translator) -> View:
    if not held:
        return View(t("🔓 No ticker is locked."))
    rows = [
        t(
            "• {ticker} until {time} · {reason}",
            ticker=k.ticker,
            time=t.when(k.until),
            reason=word(REFUSALS, k.reason, t),
        )
        for k in held
    ]
    return View(lines(t("🔒 <b>Locked tickers</b>"), RULE, *bounded(rows, t), t("Unlock with /unlock TICKER")))


def health(
    beats: Mapping[str, Mapping[str, str]] | None,
    trader: TraderStatus | None,
    *,
    bus: BusState | None,
    database: bool,
    now: dt.datetime,
    old: dt.timedelta,
    guardian: str | None,
    t: Translator,
    guardian_mb: float | None = None,
    conflict: bool = False,
) -> View:
    """Each process by its last sign of life, who guards the stops (a line of its own), the outside services."""
    at_trader = (beats or {}).get("trader", {})
    rows = [_beat(name, beats.get(name), now, old, t) for name in PROCESSES] if beats is not None else []
    return View(
        lines(
            t("🩺 <b>Health</b>"),
            RULE,
            *rows,
            feed.health_line((beats or {}).get("collector", {}), t),
            feed.securities_line((beats or {}).get("collector", {}), now, t),
            guardian,
            servers.stops_line(at_trader, t),
            servers.redis_line(bus, t),
            servers.readers_line(bus, t),
            servers.database_line(at_trader, answers=database, t=t),
            t("🔴 Trader's command socket: no answer") if trader is None else t("🟢 Trader's command socket: OK"),
            None if trader is None else t("🟢 Broker: OK") if trader.broker_ok else t("🔴 Broker: no answer"),
            servers.memory_line(beats or {}, guardian_mb, t),
            t("🔴 Telegram: another process uses this bot's token") if conflict else None,
        ),
        buttons.refresh(t, "health"),
    )


def _beat(name: str, fields: Mapping[str, str] | None, now: dt.datetime, old: dt.timedelta, t: Translator) -> str:
    who = word(PROCESSES, name, t)
    if fields is None:
        return t("🔴 {who}: no sign of life", who=who)
    try:
        at = dt.datetime.fromisoformat(fields.get("at", ""))
    except ValueError:
        return t("🟢 {who}: alive", who=who)
    dot = "🟢" if now - at <= old else "🟡"
    return t("{dot} {who}: {age}", dot=dot, who=who, age=t.age(at, now))


def version(text: str, venue: str | None, t: Translator) -> View:
    place = word(VENUES, venue, t) if venue else t("unknown")
    return View(lines(t("Seohak {version}", version=text), t("Orders go to: {venue}", venue=place)))
