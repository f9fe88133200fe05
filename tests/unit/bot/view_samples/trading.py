"""Proposals, fills, questions about shares, replies to commands, the second factor, selling everything."""

import datetime as dt
from decimal import Decimal

from bot_samples import NOW, a_status, event, position

from bot.question import Kind, Question, Stage
from bot.secondfactor import Verdict
from bot.views import (
    confirm,
    fills,
    liquidation,
    pending,
    questions,
    replies,
)
from bot.views.liquidation import Liquidation, Sale
from bot.views.pending import Waiting
from core.model.commands import Reply, ReplyKey
from core.model.messages import EventKind
from view_samples.world import BOUGHT, DONE, PLAN, REFUSED, SESSION, SOLD, SOON, Samples

FILLED = event(
    EventKind.TRANCHE_FILLED,
    tranche=3,
    of=10,
    qty=1,
    price="142.6",
    total_qty=3,
    avg_price="142.55",
    invested_krw="598710",
    stop_price="121.17",
    target_price="185.32",
)


# which question can end so, where it is not the one of shares bought by hand
ENDED = {
    Stage.SETTLED: Kind.FROZEN,
    Stage.RESOLVED: Kind.FROZEN,
    Stage.OURS: Kind.MATCHING,
    Stage.NOT_OURS: Kind.MATCHING,
}
TOLD = {
    ReplyKey.ALREADY_DECIDED: {"state": "RUNNING"},
    ReplyKey.REFUSED: {"reason": "stale_data"},
    ReplyKey.CHANGED: {"price_before": "142.50", "price_after": "146.90"},
}


def asked(kind: Kind, **changes: object) -> Question:
    base: dict[str, object] = {
        "key": "k",
        "nonce": "n1",
        "kind": kind,
        "ticker": "NVDA",
        "subject": "s",
        "at": NOW,
        "events": (),
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "qty": 3,
        "price": Decimal("142.50"),
        "held": 70,
        "expected": 7,
        "side": "BUY",
    }
    return Question(**(base | changes))


SAMPLES: Samples = {
    "confirm.code_wanted": confirm.code_wanted,
    **{
        f"confirm.code_refused-{v.value}": (lambda t, v=v: confirm.code_refused(v, t))
        for v in Verdict
        if v is not Verdict.GOOD
    },
    "confirm.locked": confirm.locked,
    "confirm.secret_unreadable": confirm.secret_unreadable,
    "confirm.word_wrong": confirm.word_wrong,
    "fills.progress": lambda t: fills.progress(FILLED, t),
    "fills.progress_end": lambda t: fills.progress_end("NVDA", 4, 10, complete=False, t=t),
    "fills.buy_complete": lambda t: fills.buy_complete(BOUGHT, t),
    "fills.sold": lambda t: fills.sold(SOLD, t),
    "fills.sold-stop": lambda t: fills.sold(
        event(
            EventKind.SOLD,
            "NVDA",
            **(
                SOLD.values
                | {
                    "reason": "STOP",
                    "conditions": "stop_reached",
                    "sell_price": "121.40",
                    "pnl_pct": "-15.2",
                    "pnl_krw": "-152300",
                }
            ),
        ),
        t,
    ),
    "fills.sold-part": lambda t: fills.sold(
        event(
            EventKind.SOLD,
            "NVDA",
            **(SOLD.values | {"reason": "COMMAND", "conditions": "", "qty": 1, "remaining_qty": 6}),
        ),
        t,
    ),
    "fills.buy_complete-stopped": lambda t: fills.buy_complete(
        event(
            EventKind.BUY_COMPLETE,
            **(BOUGHT.values | {"qty": 3, "tranche": 4, "complete": False, "total_krw": "429600"}),
        ),
        t,
    ),
    "fills.progress_end-complete": lambda t: fills.progress_end("NVDA", 10, 10, complete=True, t=t),
    "fills.sale_reason": lambda t: fills.sale_reason(SOLD.values, t),
    "liquidation.liquidation": lambda t: liquidation.liquidation(
        Liquidation(
            started_at=NOW,
            sales=(
                Sale(ticker="NVDA", name="NVIDIA Corp", name_ko="엔비디아", qty=7, pnl_krw=Decimal(317_200)),
                Sale(ticker="AMD", qty=2),
                Sale(ticker="TSLA", qty=1, waits=True),
            ),
        ),
        t,
    ),
    "liquidation.liquidation-ended": lambda t: liquidation.liquidation(
        Liquidation(
            started_at=NOW - dt.timedelta(minutes=3),
            ended_at=NOW,
            sales=(Sale(ticker="NVDA", name="NVIDIA Corp", name_ko="엔비디아", qty=7, pnl_krw=Decimal(317_200)),),
        ),
        t,
    ),
    "liquidation.nothing_held": liquidation.nothing_held,
    "pending.pending": lambda t: pending.pending([Waiting(plan=PLAN, worst_case_krw=Decimal(150_000))] * 2, "n1", t),
    "pending.pending-empty": lambda t: pending.pending([], "n1", t),
    "pending.several": lambda t: pending.several(2, t),
    "pending.decided": lambda t: pending.decided(
        [("NVDA", Reply(ok=True, key=ReplyKey.APPROVED)), ("AMD", REFUSED)], t
    ),
    **{
        f"pending.outcome-{key.value}": (
            lambda t, key=key: pending.outcome(Reply(ok=False, key=key, values=TOLD.get(key, {})), t)
        )
        for key in (*pending.OUTCOMES, ReplyKey.ALREADY_DECIDED, ReplyKey.REFUSED, ReplyKey.UNKNOWN_PLAN)
    },
    "pending.outcome-unreachable": lambda t: pending.outcome(None, t),
    **{
        f"questions.question-{k.value}": (
            lambda t, k=k: questions.question(asked(k, reason="split" if k is Kind.FROZEN else ""), t)
        )
        for k in Kind
    },
    **{
        f"questions.question-{s.value}": (
            lambda t, s=s: questions.question(asked(ENDED.get(s, Kind.MANUAL), stage=s, decided_at=NOW), t)
        )
        for s in Stage
        if s is not Stage.OPEN
    },
    "questions.question-missing": lambda t: questions.question(
        asked(Kind.FROZEN, reason="missing", held=4, obstacle="selling"), t
    ),
    "questions.question-reverse_split": lambda t: questions.question(
        asked(Kind.FROZEN, reason="split", held=1, expected=10), t
    ),
    "questions.question-known_split": lambda t: questions.question(
        asked(Kind.FROZEN, reason="known_split", held=10, expected=12), t
    ),
    "questions.question-odd_split": lambda t: questions.question(asked(Kind.FROZEN, reason="split", held=10), t),
    "questions.question-guarded": lambda t: questions.question(
        asked(
            Kind.MANUAL,
            stage=Stage.ADOPTED,
            decided_at=NOW,
            held=0,
            stop_price=Decimal("121.13"),
            target_price=Decimal("185.25"),
        ),
        t,
    ),
    **{
        f"questions.toast-{s.value}": (lambda t, s=s: questions.toast(asked(Kind.MANUAL, stage=s), t))
        for s in questions.TOASTS
    },
    "questions.toast-not_now": lambda t: questions.toast(asked(Kind.MANUAL, obstacle="selling"), t),
    "questions.more_bought": lambda t: questions.more_bought(asked(Kind.MANUAL), 2, t),
    "questions.told_late": lambda t: questions.told_late(asked(Kind.MANUAL, stage=Stage.ADOPTED, decided_at=NOW), t),
    **{
        f"replies.toast-{key.value}": (
            lambda t, key=key: replies.toast(Reply(ok=False, key=key, values=TOLD.get(key, {})), t)
        )
        for key in ReplyKey
    },
    **{
        f"replies.toast-bare_{key.value}": (lambda t, key=key: replies.toast(Reply(ok=False, key=key), t))
        for key in replies.BARE
    },
    "replies.outcome": lambda t: replies.outcome(REFUSED, t),
    **{
        f"replies.{f.__name__}": f
        for f in (
            replies.unreachable,
            replies.unreachable_toast,
            replies.checking,
            replies.stale_button,
            replies.dismissed,
        )
    },
    "replies.panicked": lambda t: replies.panicked(
        Reply(ok=True, key=ReplyKey.DONE, values={"stopped": 1}, status=a_status()), "n1", t
    ),
    "replies.panic_unreachable": lambda t: replies.panic_unreachable(t, halted=True),
    "replies.panic_preview": lambda t: replies.panic_preview(a_status(), SESSION, NOW, t, coded=True),
    "replies.panicked-before": lambda t: replies.panicked(Reply(ok=True, key=ReplyKey.NOTHING_TO_DO), "n1", t),
    "replies.panic_unreachable-not_written": lambda t: replies.panic_unreachable(t, halted=False),
    "replies.panic_preview-closed": lambda t: replies.panic_preview(
        a_status(krw_per_usd=Decimal(1400), plans=(PLAN,)), SESSION, SESSION.pre_open_at, t, coded=False
    ),
    "replies.resumed-halt_file": lambda t: replies.resumed(
        Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "halt_file"}), t
    ),
    "replies.sell_preview": lambda t: replies.sell_preview(position(), 50, "n1", NOW, t),
    "replies.selling": lambda t: replies.selling("NVDA", DONE, t),
    "replies.not_held": lambda t: replies.not_held("NVDA", t),
    "replies.proposed": lambda t: replies.proposed("NVDA", DONE, t),
    "replies.resume_question": lambda t: replies.resume_question("n1", t),
    "replies.resumed": lambda t: replies.resumed(DONE, t),
    "replies.paused": lambda t: replies.paused(DONE, t),
    "replies.mode": lambda t: replies.mode("approve", t),
    "replies.mode_set": lambda t: replies.mode_set("auto", DONE, t),
    "replies.muted": lambda t: replies.muted("NVDA", SOON, t),
}
