"""Questions through a real PTB application and a strict Telegram: cards, buttons, answers, restarts, forgeries."""

import datetime as dt
from decimal import Decimal

from bot_world import EVE, NOW, OWNER, event

from core.model.commands import AdoptManual, OwnOrder, Reply, ReplyKey, Settle
from core.model.instrument import Exchange
from core.model.messages import Channel, EventKind
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side

ORDER = "20261120-30135"
FULL = {"name": "NVIDIA Corp", "name_ko": "엔비디아"}


def bought(**changes):
    return event(
        EventKind.MANUAL_BOUGHT, ORDER, **({"qty": 3, "price": "142.50", "held": 7, "own": 3} | FULL | changes)
    )


def frozen(reason="missing", **changes):
    return event(EventKind.FROZEN, "NVDA", reason=reason, **({"held": 4, "expected": 7, "qty": 7} | FULL | changes))


def given(bot, kind):
    return [c for c in bot.trader.commands if isinstance(c, kind)]


async def asked(bot, told):
    """Publish an event and wait for its card."""
    before = len(bot.messages())
    await bot.tell(told)
    await bot.until(lambda: len(bot.messages()) > before)
    await bot.bus.idle(Channel.EVENTS)
    return bot.last()


async def test_shares_bought_by_hand_are_adopted_with_one_tap(bot):
    values = {"ticker": "NVDA", "qty": 3, "stop_price": "121.13", "target_price": "185.25"}
    bot.trader.answers[AdoptManual] = Reply(ok=True, key=ReplyKey.DONE, values=values)
    card = await asked(bot, bought())
    assert bot.labels(card) == ["🤖 봇에게 맡기기", "🙋 그대로 두기"]
    assert not card.silent
    await bot.press(card, "맡기기")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])
    assert bot.fresh(card).body.text.endswith("🤖 봇이 지켜요 · 3주 · 00:31 KST\n목표가: $185.25\n손절가: $121.13")
    assert bot.answers() == ["이제 봇이 이 주식을 지켜요."]
    assert [(c.key, c.adopt, c.by) for c in given(bot, AdoptManual)] == [(ORDER, True, str(OWNER))]


async def test_shares_bought_by_hand_are_left_alone_with_one_tap(bot):
    bot.trader.answers[AdoptManual] = Reply(ok=True, key=ReplyKey.IGNORED, values={"ticker": "NVDA", "qty": 3})
    card = await asked(bot, bought())
    await bot.press(card, "그대로")
    await bot.until(lambda: "봇은 이 주식을 팔지 않아요" in bot.fresh(card).body.text)
    assert [c.adopt for c in given(bot, AdoptManual)] == [False]
    assert bot.labels(bot.fresh(card)) == []


async def test_a_question_that_was_decided_elsewhere_ends_and_says_so(bot):
    bot.trader.answers[AdoptManual] = Reply(ok=False, key=ReplyKey.ALREADY_DECIDED, values={"ticker": "NVDA"})
    card = await asked(bot, bought())
    await bot.press(card, "맡기기")
    await bot.until(lambda: "이미 결정된 내용이에요" in bot.fresh(card).body.text)
    assert bot.answers() == ["이미 결정하셨어요."]


async def test_a_refusal_leaves_the_buttons_and_works_later(bot):
    bot.trader.answers[AdoptManual] = Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "selling"})
    card = await asked(bot, bought())
    await bot.press(card, "맡기기")
    await bot.until(lambda: "지금은 할 수 없음: 매도 진행 중" in bot.fresh(card).body.text)
    del bot.trader.answers[AdoptManual]
    await bot.press(bot.fresh(card), "맡기기")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])


async def test_an_order_filled_in_parts_is_one_card_and_later_fills_stay_the_owners(bot):
    card = await asked(bot, bought())
    await bot.tell(bought(qty=1, price="146.50", own=4))
    await bot.until(lambda: "직접 매수: 4주 · $143.50" in bot.fresh(card).body.text)
    assert len(bot.messages()) == 1
    bot.trader.answers[AdoptManual] = Reply(ok=True, key=ReplyKey.IGNORED)
    await bot.press(bot.fresh(card), "그대로")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])
    await bot.tell(bought(qty=2, price="147.00", own=6))
    await bot.until(lambda: len(bot.messages()) == 2)
    assert bot.last().body.text.startswith("🙋 NVDA: 직접 내신 주문이 2주 더 체결됐어요.")
    assert bot.last().silent


async def test_a_stranger_a_forged_nonce_and_a_button_on_another_message_do_nothing(bot):
    card = await asked(bot, bought())
    data = bot.data(card, "맡기기")
    await bot.forge(card.message_id, data, user=EVE)
    assert bot.answers(EVE) == ["권한이 없습니다"]
    await bot.say("/version")
    await bot.forge(bot.last().message_id, data)
    await bot.forge(card.message_id, f"u:{'0' * 32}:y")
    await bot.forge(card.message_id, data.removesuffix("y") + "x")
    await bot.forge(card.message_id, "u:y")
    assert given(bot, AdoptManual) == []
    assert bot.labels(bot.fresh(card)) == ["🤖 봇에게 맡기기", "🙋 그대로 두기"]


async def test_a_replayed_press_reaches_the_trader_once(bot):
    card = await asked(bot, bought())
    data = bot.data(card, "맡기기")
    await bot.press(card, "맡기기")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])
    await bot.forge(card.message_id, data)
    assert len(given(bot, AdoptManual)) == 1


async def test_the_trader_out_of_reach_is_an_alert_and_the_buttons_stay(bot):
    card = await asked(bot, bought())
    bot.trader.unreachable = True
    await bot.press(card, "맡기기")
    assert bot.answers() == ["매매봇이 응답하지 않아요. 아무것도 하지 않았어요."]
    assert bot.labels(bot.fresh(card)) == ["🤖 봇에게 맡기기", "🙋 그대로 두기"]


async def test_a_question_survives_a_restart_and_is_not_asked_twice(bot):
    card = await asked(bot, bought())
    await bot.close()
    bot.bus.acked.clear()
    await bot.start()
    await bot.bus.idle(Channel.EVENTS)
    assert len(bot.messages()) == 1
    await bot.press(bot.fresh(card), "맡기기")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])
    assert len(given(bot, AdoptManual)) == 1


async def test_a_question_is_asked_and_answered_while_the_database_is_away(bot):
    bot.chat.down = True
    card = await asked(bot, bought())
    await bot.press(card, "그대로")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == [])


async def test_a_frozen_ticker_is_settled_with_the_brokers_count(bot):
    bot.trader.answers[Settle] = Reply(ok=True, key=ReplyKey.DONE, values={"ticker": "NVDA", "qty": 4})
    card = await asked(bot, frozen())
    assert not card.silent
    assert bot.labels(card) == ["증권사 수량에 맞추기"]
    await bot.press(card, "맞추기")
    await bot.until(lambda: "증권사 수량에 맞췄어요 · 봇 보유분 4주" in bot.fresh(card).body.text)
    assert [c.ticker for c in given(bot, Settle)] == ["NVDA"]


async def test_a_frozen_ticker_that_agrees_again_resolves_its_card_by_itself(bot):
    card = await asked(bot, frozen())
    await bot.tell(event(EventKind.UNFROZEN, "NVDA", **FULL))
    await bot.until(lambda: "✅ 해결됨" in bot.fresh(card).body.text)
    assert bot.labels(bot.fresh(card)) == []
    await bot.until(lambda: "주식 수가 다시 맞아요. 평소처럼 계속해요." in bot.last().body.text)
    assert bot.last().silent


async def test_a_new_reason_or_the_end_of_the_position_closes_the_old_card(bot):
    first = await asked(bot, frozen())
    second = await asked(bot, frozen("split", held=70))
    await bot.until(lambda: "끝난 확인이에요" in bot.fresh(first).body.text)
    assert bot.labels(bot.fresh(second)) == ["증권사 수량에 맞추기"]
    sold = event(EventKind.SOLD, "NVDA", qty=7, sell_price="1", pnl_pct="1", pnl_krw="1", reason="MANUAL")
    await bot.tell(sold)
    await bot.until(lambda: "끝난 확인이에요" in bot.fresh(second).body.text)
    assert bot.labels(bot.fresh(second)) == []


async def test_an_order_that_may_be_ours_is_shown_and_answered(bot):
    bot.trader.orders = (
        Intent(
            id="i",
            dedup_key="k",
            plan_id="p",
            request=OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.BUY, qty=2, limit=Decimal("142.60")),
            purpose=Purpose.ENTRY,
            state=IntentState.HUMAN,
            created_at=NOW,
            updated_at=NOW,
            sent_at=NOW - dt.timedelta(minutes=5),
        ),
    )
    card = await asked(bot, event(EventKind.TROUBLE, "", where="reconcile", what="several_orders_match"))
    assert "봇 주문: 🔵 매수 2주 · 지정가 $142.60\n보낸 시각: 11월 21일 (토) 00:26 KST" in card.body.text
    await bot.press(card, "아니에요")
    await bot.until(lambda: "봇 주문이 아님" in bot.fresh(card).body.text)
    assert [(c.ticker, c.placed) for c in given(bot, OwnOrder)] == [("NVDA", False)]


async def test_one_owners_answer_ends_the_card_of_both(idle_bot):
    bot, partner = idle_bot, EVE
    bot.owners = frozenset({OWNER, partner})
    await bot.start()
    bot.trader.answers[AdoptManual] = Reply(ok=True, key=ReplyKey.IGNORED)
    card = await asked(bot, bought())
    await bot.until(lambda: bot.messages(partner))
    theirs = bot.messages(partner)[0]
    data = bot.data(theirs, "맡기기")
    await bot.press(card, "그대로")
    await bot.until(lambda: bot.labels(bot.fresh(card)) == bot.labels(bot.fresh(theirs)) == [])
    await bot.forge(theirs.message_id, data, user=partner)
    assert bot.answers(partner) == ["봇은 이 주식을 건드리지 않아요."]
    assert [c.by for c in given(bot, AdoptManual)] == [str(OWNER)]
