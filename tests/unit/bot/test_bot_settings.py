"""Settings: every key is on the screen with words, unit and bounds; what people type is understood or refused by name."""

import msgspec
import pytest

from bot.i18n import Translator
from bot.keyboards import LIMIT, Act, encode
from bot.settings import ELSEWHERE, Problem, cap_of, check, fields, parse, search, toggled, value_of, with_overrides
from bot.views import settings as views
from bot.views.keys import CHOICES, LABELS, SECTIONS, UNITS
from bot.views.meanings import MEANINGS
from config.params import params_from
from core.model.params import Params
from core.model.safety import Caps

KO, EN = Translator("ko"), Translator("en")
PARAMS = Params()
ALL = list(fields().values())


def test_every_key_of_the_configuration_is_there_with_words():
    keys = {
        f"{section}.{name}"
        for section in Params.__struct_fields__
        for name in getattr(PARAMS, section).__struct_fields__
    }
    assert set(fields()) == keys == set(LABELS) == set(MEANINGS)
    assert {f.section for f in ALL} == set(SECTIONS)
    assert {f.unit for f in ALL if f.unit not in {"", "%"}} <= set(UNITS)
    assert {c for f in ALL for c in f.choices if c != "Asia/Seoul"} <= set(CHOICES)
    assert set(ELSEWHERE) <= keys


@pytest.mark.parametrize("field", ALL, ids=lambda f: f.key)
def test_each_default_is_valid_and_its_screen_fits(field):
    value = value_of(PARAMS, field.key)
    assert value == field.default
    for t in (KO, EN):
        assert field.key in views.key(field, value, t).text
        assert views.shown(field, value, t)
    assert len(encode(Act.SETTINGS, "key", field.key)) <= LIMIT
    if field.kind in {"int", "float"}:
        assert field.low is not None
        assert field.high is not None
        assert parse(field, str(value)) == value
        assert check(PARAMS, {}, field, value) is None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("trading.total_buy_amount", "₩1,500,000", 1_500_000),
        ("trading.total_buy_amount", "150만원", 1_500_000),
        ("trading.stop_loss_pct", "-12.5%", -12.5),
        ("trading.split_count", " 5 ", 5),
        ("scanner.timeframe", "3min", "3min"),
        ("notification.alert_on_buy", "끄기", False),
        ("notification.alert_on_buy", "ON", True),
        ("notification.report_time", "07:15", "07:15"),
        ("schedule.active_trading_after", "open+45m", "open+45m"),
    ],
)
def test_values_as_people_write_them(key, text, value):
    found = parse(fields()[key], text)
    assert found == value
    assert type(found) is type(value)
    assert check(PARAMS, {}, fields()[key], value) is None


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("trading.max_positions", "many", "number"),
        ("trading.max_positions", "2.5", "number"),
        ("trading.max_positions", "1e3", "number"),
        ("trading.max_positions", "nan", "number"),
        ("trading.max_positions", "51", "range"),
        ("trading.stop_loss_pct", "15", "range"),
        ("scanner.timeframe", "7min", "choice"),
        ("notification.alert_on_buy", "maybe", "choice"),
        ("notification.report_time", "25:00", "pattern"),
        ("notification.report_time", "7:15", "pattern"),
    ],
)
def test_a_problem_names_key_value_and_bounds(key, text, kind):
    problem = parse(fields()[key], text)
    assert isinstance(problem, Problem)
    assert problem.kind == kind
    said = "\n".join(views.trouble(problem, KO))
    assert key in said
    assert text in said
    bounds = views.limits(fields()[key], KO)
    assert bounds is not None
    assert bounds in said


def test_keys_that_contradict_each_other_are_refused():
    problem = check(PARAMS, {}, fields()["analyzer.ema_fast"], 30)
    assert problem is not None
    assert (problem.kind, problem.other) == ("smaller", "analyzer.ema_slow")
    turned = check(PARAMS, {"analyzer.ema_fast": 15}, fields()["analyzer.ema_slow"], 10)
    assert turned is not None
    assert turned.field.key == "analyzer.ema_fast"


def test_bars_of_seconds_need_an_age_that_they_can_have():
    seconds = msgspec.structs.replace(PARAMS, scanner=msgspec.structs.replace(PARAMS.scanner, aggregates="second"))
    age = fields()["trading.max_data_age_sec"]
    problem = check(seconds, {}, age, 9)
    assert problem is not None
    assert (problem.kind, problem.other) == ("seconds", "10")
    assert check(seconds, {}, age, 10) is None
    assert check(PARAMS, {}, age, 5) is None


def test_overrides_lie_over_the_file_and_unknown_ones_are_left_out():
    params = with_overrides(
        PARAMS, {"trading.max_positions": 8, "gone.key": 1, "trading.gone": 2, "trading.split_count": None}
    )
    assert params == msgspec.structs.replace(PARAMS, trading=msgspec.structs.replace(PARAMS.trading, max_positions=8))


def test_real_money_is_never_reachable_from_chat():
    venue = fields()["trading.venue"]
    assert venue.elsewhere == "terminal"
    assert "./seohak go-live" in views.key(venue, "paper", KO).text
    section = views.keys(
        "trading", [f for f in ALL if f.section == "trading"], {f.key: value_of(PARAMS, f.key) for f in ALL}, KO
    )
    assert section.keyboard is not None
    data = [b.callback_data for row in section.keyboard.inline_keyboard for b in row]
    assert "s:key:trading.venue" not in data


@pytest.mark.parametrize("section", list(SECTIONS))
def test_a_section_fits_one_message_and_one_keyboard(section):
    mine = [f for f in ALL if f.section == section]
    view = views.keys(section, mine, {f.key: value_of(PARAMS, f.key) for f in mine}, KO)
    assert len(view.text) < 4096
    assert view.keyboard is not None
    assert sum(len(row) for row in view.keyboard.inline_keyboard) <= 100


def test_a_note_of_the_unit_is_said_once_in_the_bounds():
    field = fields()["trading.max_stops_per_day"]
    assert views.limits(field, KO) == "허용 범위: 0 ~ 1,000회 (0 = 제한 없음)"
    assert views.limits(field, EN) == "Allowed: 0 to 1,000 stops (0 = no limit)"


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("trading.max_positions", 6, True),
        ("trading.max_positions", 7, False),
        ("trading.stop_loss_pct", -20.0, True),
        ("trading.stop_loss_pct", -20.5, False),
        ("trading.daily_loss_limit", 0, False),
        ("trading.daily_loss_limit", 100_000, True),
        ("trading.split_count", 20, True),
        ("analyzer.ema_fast", 6, True),
    ],
)
def test_a_hard_cap_is_the_end(key, value, fits):
    caps = Caps(max_positions=6, widest_stop_pct=-20.0, max_daily_loss_krw=100_000)
    problem = check(PARAMS, {}, fields()[key], value, caps)
    assert (problem is None) == fits
    if problem is not None:
        assert (problem.kind, problem.given) == ("cap", str(value))
        for t in (KO, EN):
            shown = views.key(fields()[key], value, t, problem=problem, cap=cap_of(fields()[key], caps)).text
            assert f"<code>{problem.other}</code>" in shown
            assert "<code>caps.toml</code>" in shown
    assert check(PARAMS, {}, fields()[key], value) is None


NAMES = {key: [KO.plain(name), EN.plain(name)] for key, name in LABELS.items()}


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("손절", ["trading.stop_loss_pct"]),
        ("STOP LOSS", ["trading.stop_loss_pct"]),
        ("stop_loss_pct", ["trading.stop_loss_pct"]),
        ("timeframe", ["scanner.timeframe", "analyzer.timeframe"]),
        ("rsi 과매수", ["analyzer.rsi_overbought"]),
        ("하루", [k for k in LABELS if "하루" in KO.plain(LABELS[k])]),
        ("", []),
        ("???", []),
        ("nonsense", []),
    ],
)
def test_a_key_is_found_by_what_people_call_it(words, keys):
    assert search(words, NAMES) == keys


@pytest.mark.parametrize("key", list(LABELS))
def test_every_key_is_found_by_its_own_names(key):
    for words in (key, *NAMES[key]):
        assert key in search(words, NAMES)


def test_a_list_is_kept_as_text_and_put_in_force_as_a_list():
    field = fields()["scanner.security_types"]
    assert (field.kind, field.default) == ("list", "CS, ADRC")
    assert parse(field, "etf, cs") == "CS, ETF"
    assert parse(field, "") == ""
    assert isinstance(parse(field, "CS, XYZ"), Problem)
    assert check(PARAMS, {}, field, "CS, ETF") is None
    params = with_overrides(PARAMS, {field.key: "CS, ETF"})
    assert params.scanner.security_types == ("CS", "ETF")
    assert value_of(params, field.key) == "CS, ETF"
    assert with_overrides(PARAMS, {field.key: ""}).scanner.security_types == ()
    assert views.shown(field, "", KO) == "전체"


def test_a_tick_puts_in_and_takes_out_and_keeps_what_the_screen_does_not_know():
    field = fields()["scanner.security_types"]
    assert toggled(field, "CS, ADRC", "ADRC") == "CS"
    assert toggled(field, "ADRC", "CS") == "CS, ADRC"
    assert toggled(field, "CS, NYRS", "ETF") == "CS, ETF, NYRS"
    assert toggled(field, "CS", "CS") == ""


def test_services_and_bot_understand_the_same_overrides():
    overrides = {"scanner.security_types": "CS, ETF", "trading.split_count": 4, "analyzer.bollinger_deviations": 2.5}
    assert params_from({}, overrides) == with_overrides(Params(), overrides)
