"""Questions to the owner: what each card says at each stage, and that nothing counts twice or moves back."""

import datetime as dt
from decimal import Decimal

import pytest
from bot_samples import EN, KO, NOW, RULE, event, seen

from bot.keyboards import LIMIT, decode
from bot.question import Kind, Question, Stage, asked, closed, command_of, key_of, with_more, with_order, with_reply
from bot.views import questions as views
from core.model.commands import AdoptManual, OwnOrder, Reply, ReplyKey, Settle
from core.model.instrument import Exchange
from core.model.messages import EventKind
from core.model.order import Intent, IntentState, OrderRequest, Purpose, Side

ORDER = "20261120-30135"
BOUGHT = event(
    EventKind.MANUAL_BOUGHT,
    ORDER,
    name="NVIDIA Corp",
    name_ko="엔비디아",
    qty=3,
    price="142.5000",
    held=7,
    own=3,
)
SPLIT = event(
    EventKind.FROZEN, "NVDA", name="NVIDIA Corp", name_ko="엔비디아", reason="split", held=70, expected=7, qty=7
)
MISSING = event(EventKind.FROZEN, "NVDA", name="NVIDIA Corp", reason="missing", held=4, expected=7, qty=7)
MATCHES = event(EventKind.TROUBLE, "", where="reconcile", what="several_orders_match")


def card(of) -> Question:
    key = key_of(of)
    assert key is not None
    return asked(of, key)


def text(question: Question, t=KO) -> str:
    return seen(views.question(question, t).text)


def labels(question: Question, t=KO) -> list[str]:
    keyboard = views.question(question, t).keyboard
    return [b.text for row in keyboard.inline_keyboard for b in row] if keyboard else []


def replied(question: Question, key: ReplyKey, answer="y", **values) -> Question:
    return with_reply(question, answer, Reply(ok=key is ReplyKey.DONE, key=key, values=values), NOW)


def test_shares_bought_by_hand_are_shown_with_what_the_bot_holds_beside_them():
    assert text(card(BOUGHT)) == (
        f"🙋 KIS 앱에서 직접 매수하신 것 같습니다\n{RULE}\n티커: NVDA\n종목명: NVIDIA Corp (엔비디아)\n"
        f"직접 매수: 3주 · $142.50\n봇 보유분: 7주\n확인: 11월 21일 (토) 00:31 KST\n{RULE}\n"
        "봇이 이 주식도 손절가와 목표가로 지켜 드릴까요?\n답하시기 전에는 그대로 두고, 봇이 팔지 않아요."
    )
    assert labels(card(BOUGHT)) == ["🤖 봇에게 맡기기", "🙋 그대로 두기"]


def test_the_same_in_english():
    assert text(card(BOUGHT), EN) == (
        f"🙋 You seem to have bought in the KIS app\n{RULE}\nTicker: NVDA\nName: NVIDIA Corp\n"
        f"Bought by hand: 3 shares at $142.50\nThe bot's own: 7 shares\nSeen: Sat, Nov 21 00:31 KST\n{RULE}\n"
        "Shall the bot guard these shares with its stop and target?\n"
        "Until you answer they are left alone: the bot never sells them."
    )
    assert labels(card(BOUGHT), EN) == ["🤖 Let the bot guard them", "🙋 Leave them alone"]


def test_adopted_shares_show_stop_and_target_and_no_buttons():
    done = replied(card(BOUGHT), ReplyKey.DONE, ticker="NVDA", qty=3, stop_price="121.13", target_price="185.25")
    assert done.stage is Stage.ADOPTED
    assert text(done).endswith(f"{RULE}\n🤖 봇이 지켜요 · 3주 · 00:31 KST\n목표가: $185.25\n손절가: $121.13")
    assert labels(done) == []
    alone = replied(
        card(event(EventKind.MANUAL_BOUGHT, ORDER, qty=3, price="142.50", held=0, own=3)),
        ReplyKey.DONE,
        qty=3,
        stop_price="121.13",
        target_price="185.25",
    )
    assert text(alone).endswith("목표가(+30%): $185.25\n손절가(-15%): $121.13")


@pytest.mark.parametrize(
    ("key", "stage", "last"),
    [
        (ReplyKey.IGNORED, Stage.LEFT, "🙋 그대로 두기 · 봇은 이 주식을 팔지 않아요 · 00:31 KST"),
        (ReplyKey.ALREADY_DECIDED, Stage.DECIDED, "☑️ 이미 결정된 내용이에요 · 00:31 KST"),
        (ReplyKey.NOT_HELD, Stage.GONE, "▫️ 지킬 주식이 없어요 · 계좌에 이 주식이 없음 · 00:31 KST"),
        (ReplyKey.UNKNOWN_PLAN, Stage.GONE, "▫️ 지킬 주식이 없어요 · 계좌에 이 주식이 없음 · 00:31 KST"),
    ],
)
def test_each_other_end_of_a_manual_buy(key, stage, last):
    done = replied(card(BOUGHT), key, answer="n", ticker="NVDA", qty=3)
    assert done.stage is stage
    assert text(done).endswith(last)
    assert labels(done) == []


def test_a_refusal_leaves_the_question_open_and_says_why():
    busy = replied(card(BOUGHT), ReplyKey.REFUSED, reason="selling")
    assert busy.open
    assert text(busy).endswith("⛔ 지금은 할 수 없음: 매도 진행 중")
    assert views.toast(busy, KO) == "지금은 할 수 없어요: 매도 진행 중"
    assert labels(busy) == labels(card(BOUGHT))
    strange = replied(card(BOUGHT), ReplyKey.INVALID)
    assert views.toast(strange, EN) == "Not possible now: the trader did not accept it"


def test_a_split_suspends_the_sale_and_says_by_what_the_count_changed():
    assert text(card(SPLIT)) == (
        f"🧊 확인 필요: 액면분할·병합이 의심돼요\n{RULE}\n티커: NVDA\n종목명: NVIDIA Corp (엔비디아)\n"
        f"계좌 수량: 70주 (예상 7주)\n봇 보유분: 7주\n확인: 11월 21일 (토) 00:31 KST\n{RULE}\n주식 수가 10배가 됐어요.\n"
        "자동 매도를 멈췄어요: 분할 뒤에는 손절가가 의미가 없어요.\n"
        "KIS 앱에서 수량을 확인한 뒤 버튼을 눌러 주세요. 손절가도 함께 환산해요.\n"
        "그동안 이 종목은 사지 않아요. 직접 팔려면 /sell NVDA"
    )
    assert labels(card(SPLIT)) == ["증권사 수량에 맞추기"]
    assert "There are only 1/4 of the shares." in text(
        card(event(EventKind.FROZEN, "NVDA", reason="split", held=5, expected=20)), EN
    )
    assert "The share count went from 9 to 6." in text(
        card(event(EventKind.FROZEN, "NVDA", reason="split", held=6, expected=9)), EN
    )


def test_missing_shares_are_named_and_their_stop_is_still_watched():
    shown = text(card(MISSING))
    assert "계좌 수량: 4주 (예상 7주)" in shown
    assert "손절 감시는 계속해요. 손절가에 닿으면 남아 있는 수량만 매도해요." in shown
    settled = replied(card(MISSING), ReplyKey.DONE, ticker="NVDA", qty=4)
    assert text(settled).endswith("✅ 증권사 수량에 맞췄어요 · 봇 보유분 4주 · 00:31 KST")
    assert text(replied(card(MISSING), ReplyKey.NOTHING_TO_DO)).endswith(
        "✅ 해결됨 · 주식 수가 다시 맞아요 · 00:31 KST"
    )


def test_an_order_that_may_be_ours_is_shown_as_it_was_sent():
    intent = Intent(
        id="i",
        dedup_key="k",
        plan_id="p",
        request=OrderRequest(ticker="NVDA", exchange=Exchange.NASD, side=Side.BUY, qty=2, limit=Decimal("142.60")),
        purpose=Purpose.ENTRY,
        state=IntentState.HUMAN,
        created_at=NOW,
        updated_at=NOW,
        sent_at=NOW - dt.timedelta(minutes=5),
    )
    shown = with_order(card(MATCHES), intent)
    assert "봇 주문: 🔵 매수 2주 · 지정가 $142.60\n보낸 시각: 11월 21일 (토) 00:26 KST" in text(shown)
    assert labels(shown) == ["봇 주문이 맞아요", "아니에요"]
    assert "봇 주문:" not in text(with_order(card(MATCHES), None))
    assert replied(shown, ReplyKey.DONE, "y").stage is Stage.OURS
    assert replied(shown, ReplyKey.DONE, "n").stage is Stage.NOT_OURS


def test_an_answer_is_the_right_command_and_a_forged_one_is_none():
    assert command_of(card(BOUGHT), "y", "42") == AdoptManual(by="42", nonce=BOUGHT.id, key=ORDER, adopt=True)
    assert command_of(card(BOUGHT), "n", "42") == AdoptManual(by="42", nonce=BOUGHT.id, key=ORDER, adopt=False)
    assert command_of(card(SPLIT), "y", "42") == Settle(by="42", nonce=SPLIT.id, ticker="NVDA")
    assert command_of(card(SPLIT), "n", "42") is None
    assert command_of(card(MATCHES), "n", "42") == OwnOrder(by="42", nonce=MATCHES.id, ticker="NVDA", placed=False)
    assert command_of(card(BOUGHT), "all", "42") is None


def test_an_order_filled_in_parts_adds_up_once_per_event():
    more = event(EventKind.MANUAL_BOUGHT, ORDER, qty=1, price="146.50", held=7, own=4)
    more = type(more)(**{f: getattr(more, f) for f in more.__struct_fields__} | {"id": "second"})
    grown = with_more(with_more(card(BOUGHT), more), more)
    assert (grown.qty, grown.price, grown.own) == (4, Decimal("143.50"), 4)
    decided = with_more(replied(card(BOUGHT), ReplyKey.IGNORED), more)
    assert (decided.qty, decided.stage) == (3, Stage.LEFT)


def test_a_decided_question_never_moves_back():
    done = replied(card(BOUGHT), ReplyKey.IGNORED)
    assert replied(done, ReplyKey.DONE, qty=3) == done
    assert closed(done, Stage.CLOSED, NOW) == done


def test_only_some_events_ask():
    assert key_of(event(EventKind.TROUBLE, what="orders_vanished")) is None
    assert key_of(event(EventKind.MANUAL_SOLD)) is None


@pytest.mark.parametrize("of", [BOUGHT, SPLIT, MISSING, MATCHES], ids=lambda e: str(e.values.get("reason", e.kind)))
def test_every_stage_has_words_and_a_toast_in_both_languages(of):
    full = type(of)(**{f: getattr(of, f) for f in of.__struct_fields__} | {"id": "0123456789abcdef" * 2})
    question = card(full)
    for t in (KO, EN):
        keyboard = views.question(question, t).keyboard
        for row in keyboard.inline_keyboard:
            for button in row:
                assert len(button.callback_data.encode()) <= LIMIT
                assert decode(button.callback_data, count=2).args[0] == full.id
        for stage in set(Stage) - {Stage.OPEN}:
            done = closed(question, stage, NOW)
            assert "{" not in text(done, t)
            assert len(views.toast(done, t)) <= 200
            assert seen(views.told_late(done, t).text).startswith("NVDA: ")
    assert {Kind.MANUAL, Kind.FROZEN, Kind.MATCHING} == set(Kind)
