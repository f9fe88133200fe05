"""Alarms say what happened, what goes on without the owner, and what the owner can do; every machine key has words."""

import ast
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from bot_samples import EN, KO, NOW, a_status, event, position, seen

from bot.consumer import ON_BOARD
from bot.views import status as status_views
from bot.views.notices import SILENT, notice
from bot.views.pinned import Held, Standing
from bot.views.questions import FROZEN_TITLES
from bot.views.replies import TOASTS, resumed, toast
from bot.views.words import ENDINGS, FROZEN, PURPOSES, REFUSALS, STATES, TROUBLES
from core.model.commands import Reply, ReplyKey
from core.model.messages import EventKind
from core.model.order import Purpose
from core.model.params import NotificationParams
from core.model.safety import Block, TradingState
from core.rules.risk import RefusalReason
from core.stages.trade.gaps import KNOWN, MISSING, SPLIT

ROOT = Path(__file__).parents[3]
ON = NotificationParams()
OFF = NotificationParams(alert_on_buy=False, alert_on_sell=False, alert_on_error=False)
STANDING = Standing(at=NOW, held=(Held(ticker="NVDA", qty=7, stop_price=Decimal("121.72"), name_ko="엔비디아"),))


def say(kind, t=KO, settings=ON, **values):
    told = notice(event(kind, "NVDA", **values), settings, t, standing=STANDING)
    return seen(told.view.text) if told else None


def loudness(kind, **values):
    told = notice(event(kind, "NVDA", **values), OFF, KO, standing=STANDING)
    return (told.quiet, told.urgent) if told else None


def test_a_closed_state_says_why_what_goes_on_and_how_to_go_on():
    assert say(EventKind.STATE_CHANGED, state="reducing", before="active", reason="broker_sick,stop_streak") == (
        "🟠 매매 상태: 신규 매수 중지 (이전: 정상)\n사유: 증권사 응답을 믿을 수 없음, 하루 손절 횟수 한도 도달\n"
        "신규 매수는 하지 않아요. 손절과 매도는 계속해요.\n다시 시작하려면 /resume"
    )
    assert say(EventKind.STATE_CHANGED, state="halted", before="active", reason="halt_file").endswith(
        "다시 시작하려면 터미널에서 상태 폴더의 HALT 파일을 지워 주세요."
    )
    assert "저절로 풀려요" in say(EventKind.STATE_CHANGED, state="reducing", before="active", reason="stop_streak")


def test_an_opened_state_is_told_once():
    assert say(EventKind.STATE_CHANGED, EN, state="active", before="halted", reason="halt_file") == (
        "🟢 Trading: Normal (before: Everything stopped)\nThe HALT file is gone.\n"
        "Buying is possible again, as far as the other checks allow."
    )
    assert say(EventKind.STATE_CHANGED, state="active", before="reducing", reason="") is None


def test_an_unseen_price_gives_the_stop_to_guard_by_hand():
    shown = say(EventKind.UNWATCHED, name="NVIDIA Corp", age_s=21)
    assert shown.startswith("🚨 시세가 보이지 않아요 · NVDA 엔비디아\n21초째 시세가 들어오지 않아")
    assert "• NVDA 엔비디아 7주 · 손절가 $121.72\n직접 하실 일: KIS 앱에서" in shown
    unknown = notice(event(EventKind.UNWATCHED, "AMD", age_s=21), ON, EN)
    assert "Its stop is in /positions." in unknown.view.text
    assert say(EventKind.WATCHED) == "👀 NVDA: 시세가 다시 보여요. 손절을 지키고 있어요."


def test_a_sale_that_waits_says_that_it_goes_on_by_itself():
    shown = say(EventKind.EXIT_WAITS, name_ko="엔비디아", qty=7, reason="STOP")
    assert shown == (
        "🌙 매도가 개장을 기다려요 · NVDA 엔비디아\n7주 · 손절가 도달\n"
        "지금은 주문을 받지 않는 시간이에요. 다음에 열리면 저절로 이어서 매도해요 (/schedule)."
    )
    assert say(EventKind.EXIT_WAITS, settings=OFF, qty=7, reason="STOP") == shown.replace(" 엔비디아", "")
    assert say(EventKind.EXIT_WAITS, settings=OFF, qty=7, reason="SIGNAL_SELL") is None
    assert say(EventKind.EXIT_WAITS, qty=7, reason="PANIC") is None


@pytest.mark.parametrize(
    ("side", "reason", "then"),
    [
        ("BUY", "timeout", "안전을 위해 이 종목은 이번 장이 끝날 때까지 더 사지 않아요."),
        ("BUY", "restart", "주문이 확인될 때까지 이 종목은 더 사지 않아요."),
        ("SELL", "timeout", "아직 팔 수 있는 수량이 남아 있으면 그만큼만 다시 매도해요."),
    ],
)
def test_a_lost_answer_says_what_the_bot_does_and_does_not(side, reason, then):
    shown = say(EventKind.ORDER_UNKNOWN, side=side, qty=2, limit="142.60", reason=reason)
    assert "2주 · 지정가 $142.60" in shown
    assert "같은 주문을 두 번 보내지 않아요." in shown
    assert shown.endswith(then)


def test_a_sale_by_hand_says_whose_shares_they_were_and_that_the_stop_follows():
    both = say(EventKind.MANUAL_SOLD, name_ko="엔비디아", qty=3, ours=2, price="150.00", left=5)
    assert both == (
        "🙋 KIS 앱에서 직접 매도하신 것 같습니다 · NVDA 엔비디아\n직접 매도: 3주 · $150.00\n직접 보유분 1주 · 봇 보유분 2주\n"
        "봇 보유분은 5주 남았어요. 손절가는 그대로이고, 남은 수량만 지켜요."
    )
    assert say(EventKind.MANUAL_SOLD, qty=3, ours=0, price="1", left=7).endswith("봇 보유분은 그대로예요.")
    assert say(EventKind.MANUAL_SOLD, qty=7, ours=7, price="1", left=0).endswith("더 지킬 것이 없어요.")


def test_troubles_say_what_to_do():
    assert "25초 어긋나서" in say(EventKind.TROUBLE, where="clock", what="clock_skew", seconds=25)
    assert "주식이 계좌에 생겼어요: 4주" in say(EventKind.TROUBLE, where="reconcile", what="shares_appeared", qty=4)
    bust = say(EventKind.TROUBLE, where="reconcile", what="fill_taken_back", qty=3)
    assert "사라졌어요: 3주." in bust
    assert "봇 보유분에서 뺐고" in bust
    bust = say(EventKind.TROUBLE, where="reconcile", what="sale_taken_back", qty=2)
    assert "사라졌어요: 2주." in bust
    assert "봇이 팔지 않아요" in bust
    assert "주문 2건이 10분째" in say(EventKind.TROUBLE, where="reconcile", what="orders_vanished", qty=2)
    assert say(EventKind.TROUBLE, where="reconcile", what="several_orders_match") is None, "it is asked on a card"


def test_what_is_urgent_is_loud_whatever_is_switched_off():
    assert loudness(EventKind.UNWATCHED, age_s=20) == (False, True)
    assert loudness(EventKind.STATE_CHANGED, state="reducing", before="active", reason="broker_sick") == (False, True)
    assert loudness(EventKind.STATE_CHANGED, state="active", before="halted", reason="halt_file") == (True, False)
    assert loudness(EventKind.WATCHED) == (True, False)
    assert loudness(EventKind.UNFROZEN) == (True, False)
    assert loudness(EventKind.MANUAL_SOLD, qty=1, ours=1, price="1") == (False, False)
    assert loudness(EventKind.MANUAL_SOLD, qty=1, ours=0, price="1") == (True, False)
    assert loudness(EventKind.GUARDIAN_TOOK_OVER, qty=1, price="1") == (False, False)


def test_a_liquidation_has_a_message_of_its_own():
    assert say(EventKind.SELL_STARTED, qty=7, reason="PANIC") is None
    assert say(EventKind.SELL_STARTED, qty=7, reason="STOP") == "📤 매도 시작 · NVDA 7주 · 손절가 도달"


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_is_told_somewhere(kind):
    values = {"state": "reducing", "before": "active", "reason": "broker_sick", "side": "BUY", "qty": 1, "price": "1"}
    for t in (KO, EN):
        assert (notice(event(kind, **values), ON, t) is None) == (kind in SILENT)
    assert ON_BOARD - {EventKind.BUY_COMPLETE} <= SILENT


def test_every_reply_key_has_words():
    assert set(TOASTS) == set(ReplyKey)
    for t in (KO, EN):
        assert all("{" not in toast(Reply(ok=False, key=key), t) for key in ReplyKey)


def test_every_reason_purpose_and_state_has_words():
    assert {r.value for r in RefusalReason} <= set(REFUSALS)
    assert {p.value for p in Purpose} <= set(PURPOSES)
    assert {s.value for s in TradingState} == set(STATES)


def literals(call: ast.Call, position: int, keyword: str) -> set[str]:
    """The texts that a call may pass at a position or by a keyword; constants of the module are looked up."""
    nodes = [k.value for k in call.keywords if k.arg == keyword]
    nodes += [call.args[position]] if len(call.args) > position >= 0 else []
    return {
        n.value for node in nodes for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }


def said_by_the_trader() -> tuple[set[str], set[str], set[str]]:
    """What the trader's machine gives as reasons: of ended plans, of locked tickers, and its kinds of trouble."""
    ended, locked, troubles = set(), set(), set()
    for path in sorted((ROOT / "core" / "stages" / "trade").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name == "end_plan":
                ended |= literals(call, 3, "reason")
            elif name == "_stop_buying":
                ended |= literals(call, 1, "reason")
            elif name == "lock":
                locked |= literals(call, 1, "reason")
            elif name == "emit":
                troubles |= literals(call, -1, "what")
    return ended, locked, troubles


def test_every_reason_that_the_trader_gives_has_words():
    ended, locked, troubles = said_by_the_trader()
    assert {"frozen", "order_unknown", "nothing_filled", "paused"} <= ended, "the search looks at the right calls"
    assert ended <= set(ENDINGS)
    assert {"order_unknown", "cooldown"} <= locked <= set(REFUSALS)
    assert {"clock_skew", "shares_appeared", "fill_taken_back", "sale_taken_back"} <= troubles <= set(TROUBLES)
    assert set(FROZEN) == {"split", "missing"}
    assert set(FROZEN_TITLES) == {SPLIT, MISSING, KNOWN}


def test_status_names_each_block_with_its_times_and_how_to_go_on():
    state = a_status(
        state=TradingState.REDUCING,
        paused=False,
        entry_blocks=("broker_sick",),
        blocks=(
            Block(reason="broker_sick", since=NOW - dt.timedelta(minutes=3)),
            Block(reason="stop_streak", since=NOW - dt.timedelta(days=2), until=NOW + dt.timedelta(hours=5)),
        ),
    )
    shown = [seen(line) for line in status_views.switches(state, NOW, KO)]
    assert shown == [
        "🟠 매매 상태: 신규 매수 중지",
        "• 증권사 응답을 믿을 수 없음 · 00:28 KST부터 · /resume 할 때까지",
        "• 하루 손절 횟수 한도 도달 · 11월 19일 (목) 00:31 KST부터 · 11월 21일 (토) 05:31 KST까지",
        "손절과 매도는 계속해요.",
        "다시 시작하려면 /resume",
        "🔴 지금은 매수하지 않음: 증권사 응답을 믿을 수 없음",
    ]
    fine = a_status(state=TradingState.ACTIVE, paused=False, entries_open=True, entry_blocks=())
    assert [seen(line) for line in status_views.switches(fine, NOW, EN)] == [
        "🟢 Trading: Normal",
        "🟢 Buying is possible",
    ]
    halted = a_status(state=TradingState.HALTED, paused=False, entry_blocks=("halt_file", "outside_window"))
    assert "remove the file HALT" in status_views.switches(halted, NOW, EN)[2]


def test_a_position_shows_the_owners_own_shares_and_what_must_be_checked():
    shown = seen(status_views.position_lines(position(own_qty=3, frozen="missing"), NOW, KO))
    assert shown.endswith("   직접 보유분: 3주\n   🧊 확인 필요: 주식 수가 모자람")


def test_resume_against_a_halt_file_says_that_only_the_terminal_can_lift_it():
    refused = Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "halt_file"})
    assert seen(resumed(refused, KO).text) == (
        "⛔ 아직이에요: HALT 파일이 매수를 막고 있어요\n일부러 둔 파일이라 터미널에서만 풀 수 있어요.\n"
        "상태 폴더의 HALT 파일을 지운 뒤 /resume 을 다시 보내 주세요."
    )
    assert "paused" in seen(resumed(Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "paused"}), EN).text)
