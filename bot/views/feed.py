"""The market data feed in words: outages, delays, today's splits, and its lines in /health."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from bot.i18n import Translator
from bot.values import amount, text, whole
from bot.views.base import lines
from bot.views.words import FEED_TROUBLES, word
from core.model.messages import Event, EventKind
from core.rules.shares import moves_price

# Only a plan is that late for minutes on end.
BY_PLAN_S = 600
LATE_READER_S = 5
UP = frozenset({"connected", "overrun"})
# The list is renewed each day; one that is this old was not.
OLD_LIST = dt.timedelta(hours=36)


def told(event: Event, t: Translator) -> str:
    """What people hear when the feed goes, comes back, is late or on time again."""
    v = event.values
    match event.kind:
        case EventKind.FEED_DELAYED:
            delay_s = amount(v, "delay_s")
            return lines(
                t("🐢 <b>Market data is about {minutes} min late</b>", minutes=minutes(delay_s)),
                t("Late data never buys: finds and signals are shown only. Stops and sells go by KIS's own prices."),
                _remedy(delay_s, t),
                t("Buying goes on by itself when the data is on time."),
            )
        case EventKind.FEED_TIMELY:
            return t("📡 Market data is on time again. Buying by signals goes on.")
        case EventKind.FEED_DOWN:
            key, detail = text(v, "key"), text(v, "detail")
            return lines(
                t("📡 <b>Market data is cut off</b>. Nothing is bought until it is back."),
                word(FEED_TROUBLES, key, t) if key else None,
                t("Detail: {detail}", detail=detail[:300]) if detail else None,
            )
        case _:
            lost = whole(v, "minutes")
            return lines(
                t("📡 Market data is back."),
                t(
                    "It was away for {minutes} min; the missing minutes are fetched before anything is judged.",
                    minutes=lost,
                )
                if lost
                else None,
            )


def minutes(delay_s: Decimal) -> int:
    """Whole minutes, at least one."""
    return max(1, round(delay_s / 60))


def _remedy(delay_s: Decimal, t: Translator) -> str:
    if delay_s >= BY_PLAN_S:
        return t(
            "Polygon's Stocks Starter ($29) and Developer ($79) plans are 15 minutes late. Real time takes Stocks Advanced "
            "($199 a month), and POLYGON_WS_URL in .env must not name the delayed server."
        )
    return t("The line, this machine or its clock may be slow: see /health.")


def health_line(beat: Mapping[str, str], t: Translator) -> str | None:
    """The feed as the collector's last beat has it; nothing where it says nothing of it."""
    key = beat.get("feed", "")
    if not key:
        return None
    if key not in UP:
        return t("🔴 Market data: {trouble}", trouble=word(FEED_TROUBLES, key, t))
    if (lag_s := _seconds(beat.get("lag_s", ""))) > LATE_READER_S:
        return t("🟠 Market data: this machine reads it {seconds} s late; it is too slow now", seconds=round(lag_s))
    try:
        delay_s = max(Decimal(0), Decimal(beat.get("delay_s", "")))
    except ArithmeticError:
        return t("🟢 Market data: connected")
    if beat.get("delayed") == "True":
        return t("🟠 Market data: about {minutes} min late, nothing is bought by signals", minutes=minutes(delay_s))
    gaps = beat.get("gaps", "0")
    if gaps not in {"", "0"}:
        return t("🟢 Market data: {seconds} s after each minute · gaps: {gaps}", seconds=round(delay_s), gaps=gaps)
    return t("🟢 Market data: {seconds} s after each minute", seconds=round(delay_s))


def _seconds(value: str) -> Decimal:
    try:
        found = Decimal(value)
    except ArithmeticError:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def securities_line(beat: Mapping[str, str], now: dt.datetime, t: Translator) -> str | None:
    """How old the list of securities and the market caps are; nothing where the collector has none yet."""
    at = _instant(beat.get("securities_at", ""))
    if at is None:
        return None
    counted_at = _instant(beat.get("counts_at", ""))
    caps = t("market caps {age}", age=t.age(counted_at, now)) if counted_at else t("market caps one by one")
    return t(
        "{dot} Securities: {count} ({age}) · {caps}",
        dot="🟢" if now - at <= OLD_LIST else "🟠",
        count=t.count(int(beat.get("instruments", "0") or 0)),
        age=t.age(at, now),
        caps=caps,
    )


def _instant(written: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(written)
    except ValueError:
        return None


def halted(event: Event, t: Translator) -> str:
    """The exchange has halted a ticker that is held or about to be bought."""
    since = dt.datetime.fromtimestamp(whole(event.values, "since_ms") / 1000, dt.UTC)
    held = event.values.get("held") is True
    return lines(
        t("⏸ <b>Trading in {ticker} is halted</b> · since {time}", ticker=event.ticker, time=t.time(since)),
        t("The exchange has stopped it. Until it resumes nothing is filled, not even at the stop.")
        if held
        else t("The exchange has stopped it. Until it resumes no buy is filled."),
        t("After a halt the first price may be far away. The stop is looked at as soon as there is one.")
        if held
        else None,
    )


def resumed(event: Event, t: Translator) -> str:
    """A halt that was told is over."""
    return lines(
        t("▶️ <b>{ticker} trades again</b>", ticker=event.ticker),
        t("Its stop can be filled again.") if event.values.get("held") is True else None,
    )


def split(event: Event, t: Translator) -> str:
    """A ticker that is held or watched is split today."""
    new, old = (amount(event.values, key).normalize() for key in ("new", "old"))
    waits = new > 0 and old > 0 and moves_price(Fraction(new) / Fraction(old))
    head = (
        t(
            "✂️ <b>{ticker} is split today</b>: {new} new shares for {old} old",
            ticker=event.ticker,
            new=f"{new:f}",
            old=f"{old:f}",
        )
        if new >= old
        else t(
            "✂️ <b>{ticker} has a reverse split today</b>: {new} new shares for {old} old",
            ticker=event.ticker,
            new=f"{new:f}",
            old=f"{old:f}",
        )
    )
    return lines(
        head,
        t(
            "The price changes by that much, your money does not. The new number of shares may take a day to show in the account."
        ),
        t(
            "If the bot holds it: automatic sales wait until the account shows the new shares; then the stop is converted."
        )
        if waits
        else t(
            "If you hold it: Seohak compares the shares with the broker before it sells, and asks you where they do not agree."
        ),
    )
