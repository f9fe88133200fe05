"""Machine keys in people's words: reasons, conditions, states, modes, venues."""

from collections.abc import Mapping

from bot.i18n import Markup, Translator, mark
from core.model.order import IntentState, Purpose
from core.model.position import PlanState
from core.model.safety import TradingState
from core.model.signal import Condition, SignalType

REFUSALS: Mapping[str, str] = {
    "mode_watch": mark("watch mode: nothing is bought"),
    "paused": mark("buying is paused"),
    "panicked": mark("emergency stop is on"),
    "halt_file": mark("a HALT file blocks buying"),
    "broker_sick": mark("the broker's answers can't be relied on"),
    "stop_streak": mark("too many stops today"),
    "clock_skew": mark("this machine's clock is wrong"),
    "unwatched": mark("the price of a held stock is not seen"),
    "diverged": mark("the feed and the broker disagree on the price"),
    "not_reconciled": mark("the account has not been checked yet"),
    "broker_down": mark("the broker does not answer"),
    "expired_signal": mark("the signal is too old"),
    "stale_data": mark("the data is too old"),
    "delayed_feed": mark("the data feed is delayed"),
    "outside_window": mark("outside the trading window"),
    "held": mark("already held"),
    "open_plan": mark("already being bought"),
    "locked": mark("the ticker is locked"),
    "cooldown": mark("cooling down after a stop"),
    "max_positions": mark("the position limit is reached"),
    "daily_limit": mark("the daily buy limit is used up"),
    "loss_limit": mark("the daily loss limit is reached"),
    "order_rate": mark("too many orders per minute"),
    "order_count": mark("too many orders today"),
    "over_budget": mark("over the order limit"),
    "no_buying_power": mark("not enough buying power"),
    "too_expensive": mark("one share costs more than the budget"),
    "not_listed": mark("KIS does not list this ticker, so it can't be ordered"),
    "asleep": mark("you are asleep, and your setting says not to buy then"),
    "muted": mark("muted by you"),
    "collar": mark("the price ran away"),
    "unknown_ticker": mark("unknown ticker"),
    "no_quote": mark("no price at the moment"),
    "owner": mark("stopped by the owner"),
    "ttl": mark("not approved in time"),
    "nothing_filled": mark("nothing was filled"),
    "order_rejected": mark("the broker refused the order"),
    "order_unknown": mark("an order's fate is unknown"),
    "frozen": mark("the share count must be checked"),
    "selling": mark("being sold at the moment"),
    "not_accepted": mark("the trader did not accept it"),
}

PURPOSES: Mapping[str, str] = {
    Purpose.ENTRY: mark("Entry"),
    Purpose.STOP: mark("Stop price reached"),
    Purpose.TREND_BROKEN: mark("Trend break detected"),
    Purpose.SIGNAL_SELL: mark("Sell signal"),
    Purpose.COMMAND: mark("Sold by hand"),
    Purpose.PANIC: mark("Emergency liquidation"),
    Purpose.GUARD: mark("Guardian's protective sell"),
    Purpose.MANUAL: mark("Traded by hand in the KIS app"),
}

ENDINGS: Mapping[str, str] = {**PURPOSES, **REFUSALS}

CONDITIONS: Mapping[str, str] = {
    Condition.UPTREND: mark("Uptrend"),
    Condition.MACD_CROSS_UP: mark("MACD crossed up"),
    Condition.RSI_HEALTHY: mark("RSI healthy"),
    Condition.BAND_BREAKOUT: mark("Upper band breakout on volume"),
    Condition.VOLUME_SURGE: mark("Volume surge"),
    Condition.EMA_CROSS_DOWN: mark("EMA crossed down"),
    Condition.MACD_TURNED_NEGATIVE: mark("MACD turned negative"),
    Condition.RSI_FELL: mark("RSI fell from overbought"),
    Condition.STOP_REACHED: mark("Stop price reached"),
    Condition.SHORT_HISTORY: mark("History too short"),
}

SIGNALS: Mapping[str, str] = {
    SignalType.BUY: mark("Buy"),
    SignalType.SELL: mark("Sell"),
    SignalType.STOP: mark("Stop"),
    SignalType.WATCH: mark("Watch"),
}

PLAN_STATES: Mapping[str, str] = {
    PlanState.PROPOSED: mark("waiting for approval"),
    PlanState.RUNNING: mark("buying"),
    PlanState.DONE: mark("completed"),
    PlanState.STOPPED: mark("stopped"),
    PlanState.IGNORED: mark("ignored"),
    PlanState.EXPIRED: mark("expired"),
    PlanState.REFUSED: mark("refused"),
}

INTENT_STATES: Mapping[str, str] = {
    IntentState.PREPARED: mark("prepared"),
    IntentState.SENDING: mark("being sent"),
    IntentState.UNKNOWN: mark("unknown, being checked"),
    IntentState.ACKED: mark("accepted"),
    IntentState.WORKING: mark("working"),
    IntentState.PARTIAL: mark("partly filled"),
    IntentState.CANCEL_REQ: mark("being cancelled"),
    IntentState.CANCEL_UNKNOWN: mark("cancel unknown, being checked"),
    IntentState.HUMAN: mark("needs a person"),
    IntentState.FILLED: mark("filled"),
    IntentState.CANCELLED: mark("cancelled"),
    IntentState.EXPIRED: mark("expired"),
    IntentState.REJECTED: mark("refused"),
    IntentState.BROKER_REJECTED: mark("refused by the broker"),
    IntentState.VOIDED: mark("voided"),
    IntentState.NOT_PLACED: mark("not placed"),
}

MODES: Mapping[str, str] = {
    "auto": mark("Auto (buys at once)"),
    "approve": mark("Approve (asks before buying)"),
    "watch": mark("Watch (tells, never buys)"),
}

VENUES: Mapping[str, str] = {
    "paper": mark("Paper trading"),
    "kis_virtual": mark("KIS virtual account"),
    "kis_real": mark("KIS real account"),
}

PROCESSES: Mapping[str, str] = {
    "collector": mark("Collector"),
    "analyzer": mark("Analyzer"),
    "trader": mark("Trader"),
    "bot": mark("Bot"),
}
GUARDIAN = mark("Guardian")

PLACES: Mapping[str, str] = {
    **PROCESSES,
    "guardian": GUARDIAN,
    "reconcile": mark("Account check"),
    "clock": mark("Clock"),
    "feed": mark("Market data"),
}

# What happened, and what to do about it.
TROUBLES: Mapping[str, str] = {
    "several_orders_match": mark("Several orders at the broker look like the bot's. Please check in the KIS app."),
    "sold_more_than_held": mark("More was sold than was held. Please check in the KIS app."),
    "shares_appeared": mark(
        "Shares have appeared in the account that neither the bot nor a known order bought: {shares}. "
        "They count as your own: the bot will not sell them. If that is not right, please check in the KIS app."
    ),
    "fill_taken_back": mark(
        "The broker's order list no longer shows a purchase ({shares}): the exchange has taken it back. "
        "The bot does not count them any more and buys no more of this stock this session. Please check in the KIS app."
    ),
    "sale_taken_back": mark(
        "The broker's order list no longer shows a sale ({shares}): the exchange may have taken it back. "
        "If they are in the account again, they count as your own: the bot will not sell them. Please check in the KIS app."
    ),
    "orders_vanished": mark(
        "Orders that the broker had shown are missing from its list for 10 minutes: {count}. "
        "Please compare today's orders in the KIS app with /orders."
    ),
    "clock_skew": mark(
        "This machine's clock is {seconds} seconds off, so nothing is bought; stops and sells go on. "
        "Please set the clock (time synchronisation, NTP). Buying goes on by itself then."
    ),
    "prices_apart": mark(
        "For minutes the price from Polygon and the price from KIS have differed by {pct}%. Nothing is bought where they "
        "differ that much; stops and sells go by KIS's price. Please compare with the price in the KIS app."
    ),
    "not_recorded": mark(
        "Today's bars can't be written to disk, so this day can't be replayed later. Trading goes on as always. "
        "Please check the disk's free space; recording begins again tomorrow or after a restart."
    ),
}

# What has happened to the feed, and what a person can do; the rest comes back by itself.
FEED_TROUBLES: Mapping[str, str] = {
    "auth_failed": mark(
        "Polygon refuses the key. Please check POLYGON_API_KEY in .env, and that the plan includes WebSockets "
        "(Stocks Starter or more). It is tried again every 5 minutes."
    ),
    "not_authorized": mark(
        "The plan has no bars over WebSocket: that takes Stocks Starter (15 minutes late) or Stocks Advanced "
        "(real time). It is tried again every 5 minutes."
    ),
    "max_connections": mark(
        "Another program uses the same key, and Polygon allows one connection. Please stop the other one; it is tried "
        "again every minute."
    ),
    "another_collector": mark(
        "Another collector uses the same key on this Redis, and Polygon allows one connection. This one waits and takes "
        "over when the other one stops."
    ),
    "no_lock": mark("Redis does not answer, so nothing could be passed on. It goes on by itself."),
    "no_ack": mark("Polygon does not confirm the subscription. It is tried again and again."),
    "silent": mark("Connected, but no data came. It is connected anew again and again."),
    "overrun": mark("Data came faster than this machine could take it; the missing minutes are fetched."),
    "disconnected": mark("The connection broke. It is made anew again and again."),
    "kis_refused": mark(
        "KIS refuses the key. Please check KIS_APPKEY and KIS_APPSECRET of the real account in .env: its paper accounts have "
        "no rankings. It is tried again every 5 minutes."
    ),
    "kis_away": mark("KIS's rankings do not answer. They are asked again every 10 seconds."),
}

# Whose bars they are.
SOURCES: Mapping[str, str] = {"polygon": mark("Polygon"), "kis": mark("KIS")}

STATES: Mapping[str, str] = {
    TradingState.ACTIVE: mark("Normal"),
    TradingState.REDUCING: mark("No new buys"),
    TradingState.HALTED: mark("Everything stopped"),
}
STATE_SIGNS: Mapping[str, str] = {
    TradingState.ACTIVE: "🟢",
    TradingState.REDUCING: "🟠",
    TradingState.HALTED: "🔴",
}
FROZEN: Mapping[str, str] = {
    "split": mark("split or reverse split?"),
    "missing": mark("shares are missing"),
}


def word(table: Mapping[str, str], key: str, t: Translator) -> Markup:
    """The key in words; a key this version does not know is shown as it is."""
    return t(table[key]) if key in table else t("{key}", key=key.replace("_", " "))


def plain_word(table: Mapping[str, str], key: str, t: Translator) -> str:
    return t.plain(table[key]) if key in table else key.replace("_", " ")
