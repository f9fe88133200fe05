"""Finds, charts, names, the watch list, /why and what became of finds that were not bought."""

from decimal import Decimal

import msgspec
from bot_samples import NOW, card, event, found, position, proposed, signal, trip

from bot.card import with_signal
from bot.i18n import Translator
from bot.views import (
    chart,
    discovery,
    foregone,
    tickers,
    watching,
    why,
)
from core.model.calibration import Bin
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.model.messages import Event, EventKind
from core.model.params import ScannerParams
from core.model.signal import Condition, Indicators, SignalType, Verdict
from view_samples.world import BAR, BOUGHT, NVDA, PARAMS, SESSION, Samples

MISSED = Foregone(
    key="k",
    ticker="NVDA",
    name="NVIDIA Corp",
    name_ko="엔비디아",
    cause=Cause.EXPIRED,
    at=NOW,
    price=Decimal("142.50"),
)
OUTCOME = Outcome(
    high_pct=Decimal(6),
    low_pct=Decimal("-1.2"),
    last_pct=Decimal("3.1"),
    ended=Ended.CLOSE,
    result_pct=Decimal("3.1"),
    bars=300,
)

PAST = Bin(low=80, high=90, cases=42, won=17)


def started(by: str = "auto") -> Event:
    return proposed(EventKind.PLAN_STARTED, by=by, auto=by != "7")


EVERYTHING = Verdict(
    signal=SignalType.BUY,
    confidence=87.0,
    met=(Condition.UPTREND, Condition.MACD_CROSS_UP, Condition.RSI_HEALTHY, Condition.BAND_BREAKOUT),
    unmet=tuple(
        c
        for c in Condition
        if c not in {Condition.UPTREND, Condition.MACD_CROSS_UP, Condition.RSI_HEALTHY, Condition.BAND_BREAKOUT}
    ),
    indicators=Indicators(
        close=142.5,
        ema_fast=142.0,
        ema_slow=140.0,
        macd=0.52,
        macd_signal=0.41,
        macd_histogram=0.11,
        rsi=62.4,
        band_upper=141.9,
        relative_volume=2.6,
        bars=12,
    ),
)


def story(t: Translator) -> list[str]:
    """What followed: who decided, what came of it, and that the picture is missing."""
    decided = card(proposed(), started("7"))
    after = why.afterwards(142.5, [], position(), 150.0, t)
    return [*why.decision(decided, frozenset({7}), t), *([after] if after else []), t(why.NO_PICTURE)]


CARDS: dict[str, tuple[Event, ...]] = {
    "changed": (
        proposed(),
        event(
            EventKind.PLAN_CHANGED,
            **(proposed().values | {"price": "146.90", "price_before": "142.50", "price_after": "146.90"}),
        ),
    ),
    "approved": (proposed(), started("7")),
    "auto": (proposed(), started()),
    "asleep": (proposed(), started("asleep")),
    "bought": (proposed(), started("7"), BOUGHT),
    "refused": (event(EventKind.PLAN_REFUSED, signal_id="sig", reason="max_positions"),),
    "ignored": (proposed(), event(EventKind.PLAN_IGNORED, by="7")),
    "stopped": (proposed(), started("7"), event(EventKind.PLAN_STOPPED, reason="owner", tranches_done=4)),
}


BY_KIS = msgspec.structs.replace(PARAMS, scanner=ScannerParams(feed="kis"))

SAMPLES: Samples = {
    "chart.caption": lambda t: chart.caption("NVDA", "NVIDIA Corp", BAR, 140.0, NOW, NOW, t),
    "chart.unknown_overlay": lambda t: chart.unknown_overlay("vwpa", ["vwap"], t),
    "chart.too_many_overlays": lambda t: chart.too_many_overlays(3, t),
    "chart.overlay_failed": lambda t: chart.overlay_failed(["vwap"], 1, t),
    "chart.theme_not_kept": chart.theme_not_kept,
    "discovery.facts": lambda t: discovery.facts(card(), PARAMS, t),
    "chart.caption-kis": lambda t: chart.caption("NVDA", "NVIDIA Corp", BAR, 140.0, NOW, NOW, t, source="kis"),
    "discovery.discovery-kis": lambda t: discovery.discovery(card(proposed()), BY_KIS, t, SESSION),
    "discovery.discovery": lambda t: discovery.discovery(card(proposed()), PARAMS, t, SESSION),
    "discovery.discovery-watch": lambda t: discovery.discovery(with_signal(None, signal(SignalType.WATCH)), PARAMS, t),
    **{
        f"discovery.state_line-{name}": (lambda t, events=events: discovery.state_line(card(*events), t))
        for name, events in CARDS.items()
    },
    "discovery.discovery-late": lambda t: discovery.discovery(
        msgspec.structs.replace(card(proposed()), delay_ms=900_000, trend="unknown"), PARAMS, t, SESSION
    ),
    "discovery.discovery-auto": lambda t: discovery.discovery(card(proposed(), started()), PARAMS, t, SESSION),
    "discovery.discovery-by_hand": lambda t: discovery.discovery(
        msgspec.structs.replace(card(proposed()), discovery=None), PARAMS, t, SESSION
    ),
    "discovery.past_line": lambda t: discovery.past_line(PAST, t),
    "discovery.discovery-past": lambda t: discovery.discovery(card(proposed()), PARAMS, t, SESSION, PAST),
    "discovery.progress_toast-nothing": lambda t: discovery.progress_toast(None, t),
    "discovery.state_line": lambda t: discovery.state_line(card(proposed(), event(EventKind.PLAN_EXPIRED)), t),
    "discovery.progress_toast": lambda t: discovery.progress_toast(card(proposed()), t),
    "discovery.row": lambda t: discovery.row(card(proposed()), NOW, t),
    "discovery.in_brief": lambda t: discovery.in_brief(card(proposed(), discovery=found()), t),
    "foregone.row": lambda t: foregone.row(MISSED, OUTCOME, t),
    "foregone.summary": lambda t: foregone.summary(Cause.EXPIRED, [(MISSED, OUTCOME)], t),
    "foregone.morning": lambda t: foregone.morning([(MISSED, OUTCOME)], t),
    "foregone.week": lambda t: foregone.week([(MISSED, OUTCOME)], t),
    "foregone.week-empty": lambda t: foregone.week([], t),
    "foregone.row-refused": lambda t: foregone.row(
        msgspec.structs.replace(MISSED, cause=Cause.REFUSED, reason="max_positions"), None, t
    ),
    **{
        f"foregone.summary-{cause.value}": (
            lambda t, cause=cause: foregone.summary(cause, [(MISSED, OUTCOME), (MISSED, None)], t)
        )
        for cause in Cause
    },
    "chart.unknown_overlay-nothing_near": lambda t: chart.unknown_overlay("zzz", [], t),
    "watching.listed-empty": lambda t: watching.listed([], 20, NOW, t),
    "tickers.choose": lambda t: tickers.choose("엔비", [NVDA], "n1", t),
    "tickers.chosen": lambda t: tickers.chosen("NVDA", NVDA, t),
    "watching.title": lambda t: watching.title("NVDA", NVDA, t),
    "watching.added": lambda t: watching.added("NVDA", 1, 20, t),
    **{
        f"watching.{f.__name__}": (lambda t, f=f: f("NVDA", t))
        for f in (watching.removed, watching.already, watching.absent)
    },
    "watching.full": lambda t: watching.full(20, t),
    "watching.listed": lambda t: watching.listed([("NVDA", NVDA, BAR), ("AMD", None, None)], 20, NOW, t),
    "why.afterwards": lambda t: why.afterwards(142.5, [], position(), 150.0, t),
    "why.afterwards-sold": lambda t: why.afterwards(142.5, [trip()], None, 150.0, t),
    "why.afterwards-went_on": lambda t: why.afterwards(142.5, [], None, 150.0, t),
    "why.why-everything": lambda t: why.why("NVDA", EVERYTHING, NOW, NOW, PARAMS.analyzer, story(t), t),
    "why.why": lambda t: why.why("NVDA", signal().verdict, NOW, NOW, PARAMS.analyzer, [], t),
}
