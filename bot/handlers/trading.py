"""Trading: mode, pause, resume, buy, sell, ignore, cancel, locks, unlock."""

import re
import secrets
from collections.abc import Sequence
from functools import partial

import msgspec
from telegram import Update

from bot.context import AppContext, answer
from bot.handlers import ask, confirm
from bot.keyboards import decode
from bot.spec import CommandSpec
from bot.views import help as help_views
from bot.views import replies as views
from bot.views import status as status_views
from bot.views.words import MODES
from core.model.commands import MOST_NAME, Buy, CancelOrders, Ignore, Pause, Resume, Sell, SetMode, Unlock
from core.model.position import Plan

UNITS = {"": 1, "만": 10_000, "만원": 10_000, "원": 1, "k": 1_000, "m": 1_000_000}
LEAST_KRW, MOST_KRW = 10_000, 10_000_000_000


def amount_krw(text: str) -> int | None:
    """₩500,000, 500000원 or 50만; None where it is no sensible amount."""
    match = re.fullmatch(r"₩?([\d,]+(?:\.\d+)?)(만원|만|원|k|m)?", text.strip().lower())
    if match is None:
        return None
    number = float(match[1].replace(",", "") or "nan") * UNITS[match[2] or ""]
    return int(number) if LEAST_KRW <= number <= MOST_KRW else None


def percent(text: str) -> int | None:
    """50 or 50%, between 1 and 100."""
    bare = text.strip().rstrip("%")
    return int(bare) if bare.isdecimal() and len(bare) <= 3 and 1 <= int(bare) <= 100 else None


def spec_of(context: AppContext, name: str) -> CommandSpec:
    return next(spec for spec in context.desk.specs if spec.name == name)


async def mode(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/mode [auto|approve|watch]"""
    if args and args[0].lower() in MODES:
        await _choose_mode(update, context, args[0].lower())
        return
    state = await ask.status_or_none(context)
    await context.say(update, views.mode(state.mode if state else None, context.t))


async def _choose_mode(update: Update, context: AppContext, chosen: str) -> None:
    """Buying without being asked widens what may be lost."""
    run = partial(_set_mode, chosen=chosen)
    if not await confirm.guarded(update, context, run, key="trading.mode", old="approve", new=chosen):
        await run(update, context)


async def _set_mode(update: Update, context: AppContext, chosen: str) -> None:
    raw = {"command": "set_mode", "by": str(context.who), "mode": chosen}
    reply = await ask.send(context, msgspec.convert(raw, SetMode))
    await context.show(update, views.mode_set(chosen, reply, context.t))


async def mode_pressed(update: Update, context: AppContext) -> None:
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None or press.args[0] not in MODES:
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    await _choose_mode(update, context, press.args[0])


async def pause(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    reply = await ask.send(context, Pause(by=str(context.who)))
    await context.say(update, views.paused(reply, context.t))


async def resume(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """At once after a pause; after an emergency stop only with a second tap, or with a code where that is enrolled."""
    state = await ask.status(context)
    if state.panicked and await confirm.needs_code(context):
        await confirm.ask_code(update, context, _resume)
        return
    if state.panicked:
        nonce = context.desk.nonces.issue(context.who, "resume")
        await context.say(update, views.resume_question(nonce, context.t))
        return
    await _resume(update, context)


async def _resume(update: Update, context: AppContext) -> None:
    reply = await ask.send(context, Resume(by=str(context.who), nonce=secrets.token_hex(8)))
    await context.say(update, views.resumed(reply, context.t))


async def resume_pressed(update: Update, context: AppContext) -> None:
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    if press is None or context.desk.nonces.take(context.who, press.args[0]) != ("resume",):
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    if await confirm.needs_code(context):
        await confirm.ask_code(update, context, _resume)
        return
    reply = await ask.send(context, Resume(by=str(context.who), nonce=press.args[0]))
    await context.show(update, views.resumed(reply, context.t))


async def buy(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/buy NVDA [₩]"""
    meant = await ask.ticker(update, context, args, "buy")
    if meant is None:
        return
    ticker, rest = meant
    amount = amount_krw(rest[0]) if rest else None
    if rest and amount is None:
        await context.say(update, help_views.usage(spec_of(context, "buy"), context.t))
        return
    known = context.desk.tickers.known(ticker)
    command = Buy(
        by=str(context.who),
        nonce=secrets.token_hex(8),
        ticker=ticker,
        amount_krw=amount,
        exchange=known.exchange if known else None,
        name=known.name[:MOST_NAME] if known else "",
        name_ko=known.name_ko[:MOST_NAME] if known else "",
    )
    await context.say(update, views.proposed(ticker, await ask.send(context, command), context.t))


async def sell(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/sell NVDA [%]: a preview with a button."""
    meant = await ask.ticker(update, context, args, "sell")
    if meant is None:
        return
    ticker, rest = meant
    share = percent(rest[0]) if rest else 100
    if share is None:
        await context.say(update, help_views.usage(spec_of(context, "sell"), context.t))
        return
    state = await ask.status(context)
    position = next((p for p in state.positions if p.ticker == ticker and p.qty > 0), None)
    if position is None:
        await context.say(update, views.not_held(ticker, context.t))
        return
    nonce = context.desk.nonces.issue(context.who, "sell", ticker, str(share))
    now = context.desk.deps.clock.now()
    await context.say(update, views.sell_preview(position, share, nonce, now, context.t))


async def sell_pressed(update: Update, context: AppContext) -> None:
    query = update.callback_query
    press = decode(query.data if query else None, count=1)
    payload = context.desk.nonces.take(context.who, press.args[0]) if press else None
    if press is None or payload is None or payload[0] != "sell":
        await answer(query, views.stale_button(context.t), alert=True)
        return
    await answer(query)
    _, ticker, share = payload
    reply = await ask.send(context, Sell(by=str(context.who), nonce=press.args[0], ticker=ticker, percent=int(share)))
    await context.show(update, views.selling(ticker, reply, context.t))


async def _open_plan(context: AppContext, ticker: str) -> Plan | None:
    state = await ask.status(context)
    return next((p for p in state.plans if p.ticker == ticker and p.open), None)


async def ignore(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/ignore NVDA: the same as the card's button."""
    meant = await ask.ticker(update, context, args, "ignore")
    if meant is None:
        return
    ticker, _ = meant
    plan = await _open_plan(context, ticker)
    if plan is None:
        await context.say(update, help_views.no_plan(ticker, context.t))
        return
    reply = await ask.send(context, Ignore(by=str(context.who), plan_id=plan.id, nonce=plan.nonce))
    await context.desk.board.replied(plan.id, reply, str(context.who))
    await context.say(update, views.outcome(reply, context.t))


async def cancel(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/cancel [NVDA]: open buys and remaining tranches."""
    meant = await ask.ticker(update, context, args, "cancel") if args else ("", ())
    if meant is None:
        return
    ticker, _ = meant
    reply = await ask.send(context, CancelOrders(by=str(context.who), ticker=ticker))
    await context.say(update, views.outcome(reply, context.t))


async def locks(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    state = await ask.status(context)
    await context.say(update, status_views.locks(state.locks, context.t))


async def unlock(update: Update, context: AppContext, args: Sequence[str]) -> None:
    meant = await ask.ticker(update, context, args, "unlock")
    if meant is None:
        return
    reply = await ask.send(context, Unlock(by=str(context.who), ticker=meant[0]))
    await context.desk.mutes.set(meant[0], None)
    await context.say(update, views.outcome(reply, context.t))


async def dismiss(update: Update, context: AppContext) -> None:
    """The cancel button of a question; what was asked to be typed counts no more."""
    context.desk.challenges.drop(context.who)
    await answer(update.callback_query)
    await context.show(update, views.dismissed(context.t))
