"""Finds, charts, names, the watch list, /why and what became of finds that were not bought."""

from decimal import Decimal

from bot_samples import NOW, card, event, found, position, proposed, signal

from bot.card import with_signal
from bot.views import (
    chart,
    discovery,
    foregone,
    tickers,
    watching,
    why,
)
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.model.messages import EventKind
from core.model.signal import SignalType
from view_samples.world import BAR, NVDA, PARAMS, SESSION, Samples

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


SAMPLES: Samples = {
    "chart.caption": lambda t: chart.caption("NVDA", "NVIDIA Corp", BAR, 140.0, NOW, NOW, t),
    "chart.unknown_overlay": lambda t: chart.unknown_overlay("vwpa", ["vwap"], t),
    "chart.too_many_overlays": lambda t: chart.too_many_overlays(3, t),
    "chart.overlay_failed": lambda t: chart.overlay_failed(["vwap"], 1, t),
    "chart.theme_not_kept": chart.theme_not_kept,
    "discovery.facts": lambda t: discovery.facts(card(), PARAMS, t),
    "discovery.discovery": lambda t: discovery.discovery(card(proposed()), PARAMS, t, SESSION),
    "discovery.discovery-watch": lambda t: discovery.discovery(with_signal(None, signal(SignalType.WATCH)), PARAMS, t),
    "discovery.state_line": lambda t: discovery.state_line(card(proposed(), event(EventKind.PLAN_EXPIRED)), t),
    "discovery.progress_toast": lambda t: discovery.progress_toast(card(proposed()), t),
    "discovery.row": lambda t: discovery.row(card(proposed()), NOW, t),
    "discovery.in_brief": lambda t: discovery.in_brief(card(proposed(), discovery=found()), t),
    "foregone.row": lambda t: foregone.row(MISSED, OUTCOME, t),
    "foregone.summary": lambda t: foregone.summary(Cause.EXPIRED, [(MISSED, OUTCOME)], t),
    "foregone.morning": lambda t: foregone.morning([(MISSED, OUTCOME)], t),
    "foregone.week": lambda t: foregone.week([(MISSED, OUTCOME)], t),
    "foregone.week-empty": lambda t: foregone.week([], t),
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
    "why.why": lambda t: why.why("NVDA", signal().verdict, NOW, NOW, PARAMS.analyzer, [], t),
}
