"""Selling everything: the run counts each position once, waits for the market, and ends with the sum."""

import datetime as dt
from decimal import Decimal

import msgspec
from bot_samples import EN, KO, NOW, RULE, position, seen

from bot.liquidation import concerns, with_event, with_reply
from bot.views.liquidation import Liquidation, Sale, liquidation, nothing_held
from core.model.commands import Reply, ReplyKey
from core.model.messages import Event, EventKind

RUN = Liquidation(started_at=NOW)


def told(kind, ticker, **values) -> Event:
    return Event(id=f"{kind}{ticker}", kind=kind, at=NOW + dt.timedelta(seconds=9), ticker=ticker, values=values)


def begun(ticker, qty=5) -> Event:
    return told(EventKind.SELL_STARTED, ticker, qty=qty, reason="PANIC", name_ko="엔비디아" if ticker == "NVDA" else "")


def done(ticker, pnl) -> Event:
    return told(EventKind.LIQUIDATION, ticker, left=0, pnl_krw=pnl)


def after(*events) -> Liquidation:
    run = RUN
    for each in events:
        run = with_event(run, each)
    return run


def text(run, t=KO) -> str:
    return seen(liquidation(run, t).text)


def test_each_position_has_its_line_and_what_is_held_comes_first():
    waits = told(EventKind.EXIT_WAITS, "TSLA", qty=3, reason="PANIC")
    run = after(begun("NVDA", 7), begun("AMD"), begun("TSLA", 3), waits, done("NVDA", "12300"))
    assert text(run) == (
        f"🚨 전량 매도 진행 · 00:31 KST 시작\n▰▱▱ 1/3\n{RULE}\n⏳ AMD 5주 · 매도 중\n"
        f"🌙 TSLA 3주 · 다음 개장 때 이어서 매도\n✅ NVDA 엔비디아 7주 · +₩12,300\n{RULE}\n지금까지 실현손익: +₩12,300"
    )


def test_flat_is_the_end_with_the_sum():
    run = after(begun("NVDA", 7), begun("AMD"), done("NVDA", "12300"), done("AMD", "-50000"))
    assert run.ended_at == NOW + dt.timedelta(seconds=9)
    shown = text(run, EN)
    assert shown.startswith("✅ Everything is sold · 00:31 KST\n▰▰ 2/2\n")
    assert shown.endswith("Realised in all: -₩37,700\nNothing is bought until /resume.")


def test_a_sale_is_counted_once_however_often_it_is_told():
    sold = told(EventKind.SOLD, "NVDA", qty=7, pnl_krw="12300", reason="PANIC")
    once = after(begun("NVDA", 7), begun("AMD"), sold)
    assert with_event(with_event(once, done("NVDA", "12300")), sold) == once
    assert with_event(once, begun("NVDA", 7)) == once


def test_one_that_was_sold_by_hand_or_at_its_stop_meanwhile_counts_as_well():
    run = after(begun("NVDA"), told(EventKind.SOLD, "NVDA", qty=5, pnl_krw="-1", reason="MANUAL"))
    assert run.ended_at is not None
    assert run.sales[0].pnl_krw == Decimal(-1)


def test_sales_of_others_are_not_part_of_it():
    other = told(EventKind.SOLD, "AMD", qty=5, pnl_krw="-1", reason="STOP")
    assert with_event(after(begun("NVDA")), other) == after(begun("NVDA"))
    assert not concerns(told(EventKind.SELL_STARTED, "AMD", reason="STOP"))
    assert concerns(done("AMD", "1"))


def test_the_traders_answer_brings_every_position_and_forgets_no_sale():
    run = after(begun("AMD"), done("AMD", "5"))
    assert run.ended_at is not None
    reply = Reply(ok=True, key=ReplyKey.DONE)
    assert with_reply(run, reply, NOW).ended_at is not None
    both = msgspec.structs.replace(run, sales=(*run.sales, Sale(ticker="NVDA", qty=7)))
    assert text(both).count("⏳") == 1
    assert position().ticker not in {s.ticker for s in run.sales}


def test_a_run_that_a_later_one_replaced_says_so_and_nothing_held_is_said():
    replaced = msgspec.structs.replace(after(begun("NVDA")), replaced=True)
    assert text(replaced).endswith("새 메시지에서 이어져요.")
    assert seen(nothing_held(EN).text).endswith("Nothing is bought until /resume.")
