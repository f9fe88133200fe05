"""/backtest and candidates of a search, as they wait, as a shadow, where something is impossible."""

import datetime as dt

import msgspec
from bot_samples import NOW

from bot.candidates import refused
from bot.settings import fields
from bot.views import backtest, candidates
from core.model.backtested import Caution, RunSummary, Warned
from core.model.candidate import Candidate, Change, Doubt, Pair, Shadow, Stage, Stance
from core.model.params import Params
from core.model.safety import Caps
from ports.research import Why
from view_samples.world import Samples

FIRST, LAST = dt.date(2026, 10, 26), dt.date(2026, 11, 20)
RUN = RunSummary(
    first=FIRST,
    last=LAST,
    sessions=20,
    trips=12,
    wins=7,
    return_krw_pct=3.21,
    result_krw=321_400,
    max_drawdown_pct=4.08,
    win_rate_pct=58.3,
    market_pct=1.14,
    cautions=(Warned(Caution.FEW_SESSIONS, 20), Warned(Caution.FEW_TRIPS, 12), Warned(Caution.UNCHECKED)),
)
EVERY = msgspec.structs.replace(RUN, cautions=tuple(Warned(each, 3) for each in Caution), market_pct=None, mode="auto")
NOTHING = RunSummary(
    first=FIRST,
    last=FIRST,
    sessions=1,
    trips=0,
    wins=0,
    return_krw_pct=None,
    result_krw=0,
    max_drawdown_pct=None,
    win_rate_pct=None,
    mode="watch",
)
CANDIDATE = Candidate(
    id="0123456789ab",
    made_at=NOW,
    study="seohak-expectancy-3f2a1b4c5d6e",
    goal="expectancy",
    data_hash="9c1f" * 16,
    first=dt.date(2025, 1, 2),
    last=dt.date(2026, 11, 13),
    trials=120,
    changes=(
        Change(key="trading.take_profit_pct", old=30.0, new=40.0),
        Change(key="trading.stop_loss_pct", old=-15.0, new=-8.0),
    ),
    base={"trading.split_count": 10},
    found=Pair(inside=4.35, outside=0.92, trips_inside=214, trips_outside=71),
    present=Pair(inside=1.66, outside=-0.21, trips_inside=198, trips_outside=69),
    walked=Pair(inside=4.6, outside=1.1),
    doubts=(Doubt.DISAGREES,),
)
SHADOWED = Shadow(
    since=dt.date(2026, 11, 16),
    last_on=LAST,
    tried_on=LAST,
    present=msgspec.structs.replace(RUN, sessions=5, trips=4, result_krw=-42_100, return_krw_pct=-0.42),
    candidate=msgspec.structs.replace(RUN, sessions=5, trips=5, result_krw=118_300, return_krw_pct=1.18),
)
MOVED = [Change(key="trading.split_count", old=10, new=5), Change(key="scanner.min_price", old=1.0, new=2.0)]
STRANGE = msgspec.structs.replace(
    CANDIDATE,
    goal="luck",
    changes=(
        Change(key="trading.take_profit_pct", old=30.0, new=5000.0),
        Change(key="trading.wizardry", old=1, new=2),
        Change(key="trading.mode", old="approve", new="auto"),
        Change(key="trading.total_buy_amount", old=1_000_000, new=9_000_000),
    ),
    found=Pair(inside=2.0, outside=None),
    doubts=tuple(Doubt),
)
CROSSED = msgspec.structs.replace(CANDIDATE, changes=(Change(key="analyzer.ema_fast", old=5, new=60),))
CAPS = Caps(max_plan_krw=2_000_000)
OPEN, SHADOW = Stance(), Stance(stage=Stage.SHADOW, told=True, shadow=SHADOWED)


def card(candidate=CANDIDATE, stance=OPEN, **how):
    return lambda t: candidates.card(candidate, stance, t, **how)


def shadow(**changes):
    return card(stance=msgspec.structs.replace(SHADOW, shadow=msgspec.structs.replace(SHADOWED, **changes)))


SAMPLES: Samples = {
    "backtest.running": lambda t: backtest.running(FIRST, LAST, 20, "0123456789ab", t),
    "backtest.finished": lambda t: backtest.finished(FIRST, LAST, t),
    "backtest.over": backtest.over,
    **{f"backtest.failed-{why}": (lambda t, why=why: backtest.failed(why, "15", t)) for why in Why},
    "backtest.result": lambda t: backtest.result(RUN, t),
    "backtest.result-every_caution": lambda t: backtest.result(EVERY, t),
    "backtest.result-nothing": lambda t: backtest.result(NOTHING, t),
    "backtest.period": lambda _: backtest.period(FIRST, LAST),
    "backtest.percent": lambda t: backtest.percent(None, t),
    "backtest.usage": lambda t: backtest.usage("yesterday", 250, t),
    "backtest.no_data": backtest.no_data,
    "backtest.no_days": lambda t: backtest.no_days(FIRST, LAST, 20, t),
    "backtest.damaged": lambda t: backtest.damaged("manifest.json is damaged", t),
    "backtest.unavailable": backtest.unavailable,
    "candidates.card": card(),
    "candidates.card-moved": card(moved=MOVED),
    "candidates.card-refused": card(STRANGE, refused=refused(STRANGE, Params(), {}, CAPS)),
    "candidates.card-crossed": card(CROSSED, refused=refused(CROSSED, Params(), {}, Caps())),
    "candidates.card-viewer": card(acting=False),
    "candidates.card-applied": card(stance=Stance(stage=Stage.APPLIED, told=True)),
    "candidates.card-shadow": shadow(),
    "candidates.card-shadow_begins": shadow(candidate=None, present=None, tried_on=None, last_on=None),
    "candidates.card-shadow_failed": shadow(trouble=Why.SLOW.value),
    "candidates.moved_first": lambda t: candidates.moved_first(CANDIDATE, MOVED, t),
    "candidates.in_force": lambda t: candidates.in_force(CANDIDATE, t),
    "candidates.gone": candidates.gone,
    "candidates.unreadable": lambda t: candidates.unreadable("Permission denied", t),
    "candidates.listed": lambda t: candidates.listed([(CANDIDATE, OPEN), (CROSSED, SHADOW)], (), t),
    "candidates.listed-none": lambda t: candidates.listed((), (), t),
    "candidates.listed-decided": lambda t: candidates.listed((), [(CANDIDATE, Stance(stage=Stage.DROPPED))], t),
    "candidates.next_button": lambda t: candidates.next_button(CANDIDATE, fields()["trading.stop_loss_pct"], 1, t).text,
}
