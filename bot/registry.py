"""The one table of commands: menus, /help, plain words and the gate are made from it."""

from bot.handlers import alerts, emergency, finding, guardian, preferences, results, state, trading
from bot.i18n import mark
from bot.spec import CommandSpec, Group

COMMANDS: tuple[CommandSpec, ...] = (
    CommandSpec("start", Group.STATE, mark("What this bot does"), state.start, words=("시작",)),
    CommandSpec("help", Group.STATE, mark("Every command"), state.help_, words=("도움말", "도움", "명령어")),
    CommandSpec("status", Group.STATE, mark("The whole state"), state.status, words=("상태", "현황")),
    CommandSpec(
        "positions",
        Group.STATE,
        mark("What is held"),
        state.positions,
        words=("포지션", "보유", "보유종목", "포트폴리오"),
    ),
    CommandSpec("orders", Group.STATE, mark("Open orders"), state.orders, words=("주문", "미체결")),
    CommandSpec("balance", Group.STATE, mark("Buying power and today's sums"), state.balance, words=("잔고", "예수금")),
    CommandSpec("health", Group.STATE, mark("Are all parts well?"), state.health, words=("건강", "점검")),
    CommandSpec(
        "guardian",
        Group.STATE,
        mark("Who guards the stops, and what is promised"),
        guardian.guardian,
        words=("감시견", "손절보장"),
    ),
    CommandSpec(
        "schedule", Group.STATE, mark("The session's times in Korea"), state.schedule, words=("일정", "스케줄")
    ),
    CommandSpec("version", Group.STATE, mark("Which version runs"), state.version, words=("버전",)),
    CommandSpec(
        "discoveries", Group.FINDING, mark("The newest finds"), finding.discoveries, words=("발굴", "발굴종목")
    ),
    CommandSpec(
        "signals", Group.FINDING, mark("The newest signals"), finding.signals, hint="[NVDA]", words=("시그널", "신호")
    ),
    CommandSpec("chart", Group.FINDING, mark("A chart"), finding.chart, hint="NVDA [1m|5m]", words=("차트",), needs=1),
    CommandSpec(
        "why", Group.FINDING, mark("Why a signal came"), finding.why, hint="NVDA", words=("왜", "이유"), needs=1
    ),
    CommandSpec(
        "mode",
        Group.TRADING,
        mark("Auto, approve or watch"),
        trading.mode,
        hint="[auto|approve|watch]",
        words=("모드",),
        changes=True,
    ),
    CommandSpec(
        "pause",
        Group.TRADING,
        mark("Stop buying for now"),
        trading.pause,
        words=("멈춰", "일시정지", "정지"),
        changes=True,
    ),
    CommandSpec(
        "resume", Group.TRADING, mark("Allow buying again"), trading.resume, words=("재개", "다시시작"), changes=True
    ),
    CommandSpec(
        "buy",
        Group.TRADING,
        mark("Propose a buy by hand"),
        trading.buy,
        hint="NVDA [₩500,000]",
        words=("매수", "사줘"),
        changes=True,
        needs=1,
    ),
    CommandSpec(
        "sell",
        Group.TRADING,
        mark("Sell all or a part"),
        trading.sell,
        hint="NVDA [50%]",
        words=("매도", "팔아"),
        changes=True,
        needs=1,
    ),
    CommandSpec(
        "ignore",
        Group.TRADING,
        mark("Ignore a proposal or stop its tranches"),
        trading.ignore,
        hint="NVDA",
        words=("무시",),
        changes=True,
        needs=1,
    ),
    CommandSpec(
        "cancel",
        Group.TRADING,
        mark("Cancel open buys"),
        trading.cancel,
        hint="[NVDA]",
        words=("취소",),
        changes=True,
    ),
    CommandSpec("locks", Group.TRADING, mark("Locked tickers"), trading.locks, words=("잠금",)),
    CommandSpec(
        "unlock",
        Group.TRADING,
        mark("Unlock a ticker"),
        trading.unlock,
        hint="NVDA",
        words=("잠금해제",),
        changes=True,
        needs=1,
    ),
    CommandSpec(
        "panic",
        Group.EMERGENCY,
        mark("Stop all buying at once"),
        emergency.panic,
        words=("패닉", "긴급정지", "긴급", "비상"),
        changes=True,
        urgent=True,
    ),
    CommandSpec(
        "handback",
        Group.EMERGENCY,
        mark("Give the watch back from the guardian to the trader"),
        guardian.handback,
        words=("감시돌려주기",),
        changes=True,
    ),
    CommandSpec(
        "report",
        Group.RESULTS,
        mark("Results with a picture"),
        results.report,
        hint="[day|week|month]",
        words=("리포트", "보고서", "성과"),
    ),
    CommandSpec("trades", Group.RESULTS, mark("Fills of the last day"), results.trades, words=("체결", "거래내역")),
    CommandSpec(
        "settings",
        Group.SETTINGS,
        mark("Change the settings"),
        None,
        hint="[stop_loss]",
        words=("설정",),
        changes=True,
    ),
    CommandSpec(
        "alerts",
        Group.SETTINGS,
        mark("What is told, and how loud"),
        alerts.alerts,
        hint="[23:00-07:00]",
        words=("알림", "알림설정"),
    ),
    CommandSpec("lang", Group.SETTINGS, mark("Language"), preferences.lang, hint="[ko|en]", words=("언어", "language")),
)
