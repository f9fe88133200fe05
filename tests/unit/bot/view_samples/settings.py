"""The settings: every key's page, what a change would do, the questions before it, its end, and the history."""

import datetime as dt
from decimal import Decimal

import msgspec
from bot_samples import NOW

from bot.history import Refusal, stamp
from bot.i18n import Translator
from bot.settings import Problem, fields
from bot.views import history, preview, settings
from bot.views.base import View, lines
from bot.views.keys import SECTIONS
from core.model.messages import Value
from core.rules.preview import (
    Approvals,
    AtRestart,
    Blind,
    Fact,
    Finds,
    Full,
    Level,
    Levels,
    LooserScreen,
    Loss,
    Next,
    OnlyNew,
    ScreenChanges,
    SignalsChange,
    Sizing,
    Spent,
    Unknown,
)
from ports.store import Override
from view_samples.world import Samples

KEYS = fields()
STOP, MOST, PAPER = KEYS["trading.stop_loss_pct"], KEYS["trading.max_positions"], KEYS["trading.paper_cash"]
KINDS, ASLEEP = KEYS["scanner.security_types"], KEYS["trading.asleep_hours"]
VALUES = {key: field.default for key, field in KEYS.items()}
HELD = Level(
    ticker="NVDA",
    name="NVIDIA Corp",
    name_ko="엔비디아",
    last_price=Decimal("150.00"),
    priced_at=NOW - dt.timedelta(minutes=5),
    stop=Decimal("121.72"),
    target=Decimal("186.16"),
)
BUYING = msgspec.structs.replace(
    HELD, ticker="AMD", name="Advanced Micro Devices", name_ko="AMD", next_stop=Decimal(129), next_target=Decimal(180)
)
HIT = msgspec.structs.replace(BUYING, ticker="TSLA", name="Tesla", name_ko="테슬라", next_stop=Decimal(151), sells=True)
OVER = msgspec.structs.replace(
    BUYING, ticker="INTC", name="Intel", name_ko="인텔", next_target=Decimal(149), asks=True, old=True
)
SIZING = Sizing(
    budget_krw=Decimal(1_000_000),
    tranches=10,
    tranche_krw=Decimal(100_000),
    qty=4,
    price_usd=Decimal(143),
    krw_per_usd=Decimal(1400),
    duration=dt.timedelta(minutes=9),
    buys_a_day=5,
)
FACTS: dict[str, Fact] = {
    "trader_away": Blind(Unknown.TRADER),
    "finds_away": Blind(Unknown.FINDS),
    "held": Levels((HELD,)),
    "buying": Levels((HELD, BUYING)),
    "sold_at_next_fill": Levels((HIT, OVER)),
    "sizing": SIZING,
    "sizing_over_the_day": msgspec.structs.replace(SIZING, buys_a_day=0),
    "full": Full(5, 3),
    "spent": Spent(Decimal(1_002_400), Decimal(997_600)),
    "all_spent": Spent(Decimal(1_002_400), Decimal(0)),
    "loss": Loss(Decimal(-50_000), stops=False),
    "loss_reached": Loss(Decimal(-50_000), stops=True),
    "no_finds": Finds(0, 0),
    "finds": Finds(12, 5),
    "looser": LooserScreen(),
    "screen": ScreenChanges(),
    "signals": SignalsChange(),
    "no_approvals": Approvals(0),
    "approvals": Approvals(2),
    "next": Next(NOW + dt.timedelta(hours=3)),
    "only_new": OnlyNew(),
    "at_restart": AtRestart(),
}
PROBLEMS = {
    "number": Problem(kind="number", field=MOST, given="many"),
    "range": Problem(kind="range", field=STOP, given="15"),
    "pattern": Problem(kind="pattern", field=ASLEEP, given="25-7"),
    "choice": Problem(kind="choice", field=KEYS["scanner.timeframe"], given="7min"),
    "switch": Problem(kind="choice", field=KEYS["notification.alert_on_buy"], given="maybe"),
    "smaller": Problem(kind="smaller", field=KEYS["analyzer.ema_fast"], given="30", other="analyzer.ema_slow"),
    "seconds": Problem(kind="seconds", field=KEYS["trading.max_data_age_sec"], given="6", other="10"),
    "cap": Problem(kind="cap", field=MOST, given="7", other="max_positions"),
    "invalid": Problem(kind="invalid", field=KINDS, given="CS, XYZ"),
}


def changed(key: str, old: Value, new: Value, minutes: int, by: str = "7") -> Override:
    return Override(key=key, old=old, new=new, by=by, at=NOW - dt.timedelta(minutes=minutes))


CHANGES = (
    changed("trading.stop_loss_pct", -15.0, -12.5, 2),
    changed("scanner.security_types", "CS, ADRC", "", 5, by="8"),
    changed("notification.alert_on_buy", True, False, 60),
    changed("scanner.timeframe", "3min", None, 90),
    changed("trading.asleep_hours", "", "01:00-06:00", 100),
    changed("trading.a_key_of_old", 1, 2, 200),
    changed("trading.max_positions", 5, 6, 300),
)


def asked(t: Translator, *facts: Fact, before: Value = -15.0, after: Value = -12.5, **more: object) -> View:
    """The question before a change of the stop."""
    return settings.confirm(STOP, before, after, t, token="ab12", now=NOW, facts=facts, **more)


def page(key: str, t: Translator) -> View:
    return settings.key(KEYS[key], VALUES[key], t)


def section(name: str, t: Translator) -> View:
    return settings.keys(name, [f for f in KEYS.values() if f.section == name], VALUES, t)


SAMPLES: Samples = {
    **{f"settings.key-{key}": (lambda t, key=key: page(key, t)) for key in KEYS},
    "settings.key-capped": lambda t: settings.key(MOST, 6, t, cap=6, written=5),
    "settings.key-refused": lambda t: settings.key(MOST, 6, t, problem=PROBLEMS["cap"], cap=6),
    "settings.key-ticking": lambda t: settings.key(KINDS, "CS, ADRC", t, chosen="CS, ETF"),
    **{
        f"settings.trouble-{kind}": (lambda t, problem=problem: "\n".join(settings.trouble(problem, t)))
        for kind, problem in PROBLEMS.items()
    },
    **{f"settings.keys-{name}": (lambda t, name=name: section(name, t)) for name in SECTIONS},
    "settings.sections": settings.sections,
    "settings.sections-unknown": lambda t: settings.sections(
        t, sought="나스닥 <3배>" if t.locale == "ko" else "leverage <3x>"
    ),
    "settings.found": lambda t: settings.found("timeframe", [KEYS["scanner.timeframe"], KEYS["analyzer.timeframe"]], t),
    "settings.label": lambda t: settings.label(STOP.key, t),
    "settings.unit_of": lambda t: settings.unit_of(MOST, t),
    "settings.limits": lambda t: settings.limits(STOP, t),
    "settings.capped": lambda t: settings.capped(STOP, -20.0, t),
    "settings.shown": lambda t: settings.shown(STOP, -12.5, t),
    "settings.shown-one": lambda t: settings.shown(MOST, 1, t),
    "settings.shown-everything": lambda t: settings.shown(KINDS, "", t),
    "settings.shown-nothing": lambda t: settings.shown(ASLEEP, "", t),
    "settings.shown-null": lambda t: settings.shown(ASLEEP, None, t),
    "settings.shown_choice": lambda t: settings.shown_choice(KEYS["notification.alert_on_buy"], "off", t),
    "settings.confirm": lambda t: asked(t, Levels((HELD, BUYING))),
    "settings.confirm-same": lambda t: asked(t, after=-15.0),
    "settings.confirm-risky": lambda t: asked(t, OnlyNew(), after=-20.0, risky=True),
    "settings.confirm-changed_meanwhile": lambda t: asked(t, OnlyNew(), before=-14.0, was=-15.0),
    "settings.sure": lambda t: settings.sure(STOP, -15.0, -20.0, "ab12", t),
    "settings.applied": lambda t: settings.applied(STOP, -15.0, -12.5, "1", t),
    "settings.applied-at_restart": lambda t: settings.applied(PAPER, 10_000_000, 20_000_000, "1", t),
    "settings.undone": lambda t: settings.undone(STOP, -12.5, -15.0, "1", t),
    "settings.timed_out": lambda t: settings.timed_out(STOP, t),
    **{
        f"preview.effect-{name}": (lambda t, fact=fact: lines(*preview.effect([fact], NOW, t)))
        for name, fact in FACTS.items()
    },
    "history.history": lambda t: history.history(CHANGES, 0, {stamp(c) for c in CHANGES[:2]}, "7", t),
    "history.history-last_page": lambda t: history.history(CHANGES, 1, (), "7", t),
    "history.history-empty": lambda t: history.history((), 0, (), "7", t),
    **{f"history.refused-{r.value}": (lambda t, r=r: history.refused(r, t)) for r in Refusal},
    "history.value": lambda t: history.value(STOP.key, None, t),
    "history.closed": lambda t: history.closed(CHANGES[:3], t),
    "history.closed-by_command": lambda t: history.closed((), t, by_command=True),
    "history.closed-nothing": lambda t: history.closed((), t),
}
