"""What the samples share: one stock, its plan, a session, an account; and what a sample is."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal

from bot_samples import NOW, event

from bot.i18n import Translator
from bot.views.base import View
from bot.views.notices import Notice
from bot.views.pinned import Held, Standing
from core.model.bar import MINUTE_MS, Bar
from core.model.commands import Reply, ReplyKey
from core.model.instrument import Exchange, Instrument
from core.model.messages import EventKind
from core.model.params import Params
from core.model.position import Plan, PlanState
from core.model.safety import TradingState
from core.model.session import MarketSession

PARAMS = Params()
SESSION = MarketSession(
    on=NOW.date(),
    pre_open_at=NOW - dt.timedelta(hours=7),
    open_at=NOW - dt.timedelta(hours=1),
    close_at=NOW + dt.timedelta(hours=5, minutes=29),
    post_close_at=NOW + dt.timedelta(hours=9),
)
SOON = NOW + dt.timedelta(minutes=10)
DONE = Reply(ok=True, key=ReplyKey.DONE)
REFUSED = Reply(ok=False, key=ReplyKey.REFUSED, values={"reason": "stale_data"})
NVDA = Instrument(ticker="NVDA", name="NVIDIA Corp", name_ko="엔비디아")
HELD = Held(ticker="NVDA", qty=7, stop_price=Decimal("121.72"), name="NVIDIA Corp", name_ko="엔비디아")
STANDING = Standing(at=NOW, held=(HELD,), state=TradingState.ACTIVE)
BAR = Bar("NVDA", int(NOW.timestamp() * 1000) - MINUTE_MS, 142.0, 143.0, 141.0, 142.5, 100)
PLAN = Plan(
    id="plan1",
    nonce="n1",
    signal_id="sig",
    ticker="NVDA",
    exchange=Exchange.NASD,
    name="NVIDIA Corp",
    name_ko="엔비디아",
    state=PlanState.PROPOSED,
    budget_krw=Decimal(1_000_000),
    budget_usd=Decimal("714.28"),
    krw_per_usd=Decimal(1400),
    reference_price=Decimal("142.50"),
    tranches=10,
    interval_s=60,
    created_at=NOW,
    expires_at=SOON,
)
BOUGHT = event(
    EventKind.BUY_COMPLETE,
    qty=7,
    tranches=10,
    of=10,
    avg_price="143.20",
    total_krw="1002400",
    target_price="186.16",
    stop_price="121.72",
    complete=True,
)
SOLD = event(
    EventKind.SOLD,
    "NVDA",
    qty=7,
    sell_price="188.50",
    avg_price="143.20",
    pnl_pct="31.63",
    pnl_krw="317200",
    reason="TREND_BROKEN",
    conditions="macd_turned_negative",
)


Shown = View | Notice | str | None
Samples = Mapping[str, Callable[[Translator], Shown]]
