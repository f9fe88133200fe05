"""What a report writes: lines, terminal, JSON, one HTML file, pictures, the table for the discovery card."""

import datetime as dt
import html.parser
import io
import json
import os
import re
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image
from rich.console import Console

import charts
from backtest.report.facts import assumptions, run_facts
from backtest.report.html import html_report
from backtest.report.json_report import json_report
from backtest.report.lines import DASH, SECTIONS, sections, shown, span, value_at
from backtest.report.metrics import measure
from backtest.report.picture import ENGLISH, KOREAN, picture
from backtest.report.svg import axis, thinned
from backtest.report.terminal import terminal_report
from backtest.report.write import draw, write_report
from config.calibration import read_calibration
from core.model.order import Purpose
from tests.unit.backtest.result_samples import MONDAY, D, result, season, trip

GOLDEN = Path(__file__).parent / "report_golden.json"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "backtest.md"
WRITE = os.environ.get("SEOHAK_SNAPSHOTS") == "write"
SEASON = season(70)
MEASURED = measure(SEASON, runs=200)
NOTHING = result()
SMALL = result([1010, 1000, 1030], [trip(20), trip(-10, reason="STOP", ticker="AMD")], market={MONDAY: 500.0})


class Page(html.parser.HTMLParser):
    """Tags that open and close, what they point to, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pointers: list[str] = []
        self.words: list[str] = []
        self.count: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.pointers += [
            f"{name}={value}" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}
        ]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def page(run, measured=None) -> Page:
    return Page(html_report(run, measured or measure(run, runs=50)))


def printed(run, measured=None, width=120) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(terminal_report(run, measured or measure(run, runs=50)))
    return out.getvalue()


# -- lines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "%", DASH),
        (12.345, "%", "12.35%"),
        (12.3, "+%", "+12.30%"),
        (-0.5, "+%", "-0.50%"),
        (D("1234.5"), "USD", "$1,234.50"),
        (D("-1234.5"), "+USD", "-$1,234.50"),
        (D("12"), "+KRW", "+₩12"),
        (D("0.004"), "+USD", "$0.00"),
        (1, "days", "1 day"),
        (0, "days", "0 days"),
        (1234, "count", "1,234"),
        (MONDAY, "date", "2025-01-06"),
        (1.5, "", "1.50"),
        (200.0, "minutes", "3 h 20 min"),
    ],
)
def test_figures_are_shown_with_their_unit(value, unit, text) -> None:
    assert shown(value, unit) == text


def test_durations() -> None:
    assert [span(m) for m in (0.4, 59, 60, 1439, 3120)] == ["0 min", "59 min", "1 h 0 min", "23 h 59 min", "2 d 4 h"]


def test_every_figure_has_a_line() -> None:
    """A figure that nobody can read is none; dates and amounts that only help others are left out by name."""
    shown_paths = {field.path for _, _, fields in SECTIONS for field in fields}
    silent = {
        "equity.drawdown.pct",
        "equity.drawdown.recovered_on",
        "trips.losses",
        "trips.average_win_krw",
        "trips.average_loss_krw",
        "account.bought_usd",
        "account.sold_usd",
        "market.sessions",
    }
    every = {
        f"{part}.{name}"
        for part in ("equity", "trips", "account", "market")
        for name in getattr(MEASURED, part).__struct_fields__
    } - {"equity.drawdown"}
    every |= {f"equity.drawdown.{name}" for name in MEASURED.equity.drawdown.__struct_fields__}
    assert every - shown_paths == silent
    for path in shown_paths:
        value_at(MEASURED, path)


def test_every_definition_stands_in_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8")
    missing = [f.label for _, _, fields in SECTIONS for f in fields if f"| {f.label} | {f.definition} |" not in text]
    assert missing == []


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("run", [SEASON, NOTHING, SMALL], ids=["season", "nothing", "small"])
def test_the_terminal_shows_every_figure_and_table(run, width) -> None:
    text = printed(run, width=width)
    measured = measure(run, runs=50)
    for section in sections(measured):
        assert section.title in text
        assert all(line.label in text for line in section.lines)
    for title in (
        "By reason",
        "By hour",
        "By confidence",
        "By ticker",
        "By month",
        "Confidence and",
        "Refused",
        "Assump",
    ):
        assert title in text
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_many_tickers_are_cut_and_the_cut_is_told() -> None:
    text = printed(SEASON, MEASURED)
    rows = MEASURED.tables.by_ticker
    assert f"{len(rows) - 20} more in between" in text
    assert rows[0].key in text
    assert rows[-1].key in text


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_the_json_of_a_small_run_is_as_it_was_read_last() -> None:
    written = json_report(SMALL, measure(SMALL, runs=50))
    if WRITE:
        GOLDEN.write_bytes(written)
    assert json.loads(written) == json.loads(GOLDEN.read_bytes())


def walk(value, key=""):
    if isinstance(value, dict):
        for name, each in value.items():
            yield from walk(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each, key)
    else:
        yield key, value


@pytest.mark.parametrize("run", [SEASON, NOTHING, SMALL], ids=["season", "nothing", "small"])
def test_numbers_are_numbers_and_rounded(run) -> None:
    document = json.loads(json_report(run, measure(run, runs=50)))
    for key, value in walk(document):
        if key.endswith(("_pct", "_usd", "_krw", "price", "sharpe", "count", "trips")):
            assert value is None or isinstance(value, int | float), key
        if key.endswith("_krw"):
            assert value is None or isinstance(value, int), key
        if isinstance(value, float):
            assert round(value, 6) == value


def test_the_keys_do_not_depend_on_what_happened() -> None:
    empty, full = json.loads(json_report(NOTHING, measure(NOTHING))), json.loads(json_report(SEASON, MEASURED))
    assert empty.keys() == full.keys()
    for part in ("equity", "trips", "account"):
        assert empty["metrics"][part].keys() == full["metrics"][part].keys()
    assert empty["metrics"]["market"] is None
    assert len(full["days"]) == 70
    assert full["round_trips"][0]["opened_at"].endswith("Z")


def test_the_same_run_gives_the_same_bytes() -> None:
    assert json_report(SEASON, measure(SEASON)) == json_report(season(70), measure(season(70)))
    assert html_report(SEASON, MEASURED) == html_report(season(70), measure(season(70), runs=200))


# -- HTML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [SEASON, NOTHING, SMALL], ids=["season", "nothing", "small"])
def test_the_page_loads_nothing_and_closes_what_it_opens(run) -> None:
    text = html_report(run, measure(run, runs=50))
    found = Page(text)
    assert (found.open, found.pointers) == ([], [])
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<iframe", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport"' in text


def test_the_page_has_every_figure_table_and_assumption() -> None:
    words = page(SEASON, MEASURED).words
    told = "\n".join(words)
    for section in sections(MEASURED):
        assert section.title in told
        for line in section.lines:
            assert line.label in words
            assert line.definition in told
            assert line.value in words
    groups = MEASURED.tables
    for rows in (groups.by_reason, groups.by_hour, groups.by_confidence, groups.by_ticker, groups.by_month):
        assert all(row.key in words for row in rows)
    assert all(count.key in words for count in (*groups.refused, *groups.events))
    for fact in (*assumptions(SEASON), *run_facts(SEASON)):
        assert fact.what in words
        assert fact.value in words
    assert SEASON.data_hash in words
    assert SEASON.config_hash in words
    assert all(warning in words for warning in MEASURED.warnings)
    for title in ("Equity", "Months", "Best round trips", "Worst round trips", "Confidence and what came of it"):
        assert title in words


def test_the_page_has_its_plots() -> None:
    assert page(SEASON, MEASURED).count["svg"] == 5
    assert page(NOTHING).count.get("svg", 0) == 0


def test_a_run_with_very_many_tickers_stays_a_page() -> None:
    run = result([1000], [trip(n, ticker=f"T{n}") for n in range(1, 301)])
    words = page(run).words
    assert "100 more in between: report.json" in words
    assert {"T300", "T201", "T100"} <= set(words)
    assert "T150" not in words


def test_words_of_a_run_cannot_become_tags() -> None:
    evil = msgspec.structs.replace(
        SMALL, version='<b onload="x">', notes=("<script>alert(1)</script>",), refused={"<i>": 1},
        trips=(trip(1, ticker="<u>"), trip(-1)),
    )  # fmt: skip
    text = html_report(evil, measure(evil, runs=50))
    assert not re.search(r"<script|<i>|<u>|<b onload", text)
    assert "<script>alert(1)</script>" in unescape(text)


def test_a_long_run_is_thinned_to_what_a_screen_can_show() -> None:
    kept = thinned(5_000)
    assert (len(kept), kept[0], kept[-1]) == (800, 0, 4_999)
    assert thinned(3).tolist() == [0, 1, 2]
    assert thinned(1).tolist() == [0]


def test_an_axis_holds_its_values() -> None:
    for values in ([1.0], [0.0, 0.0], [-5.0, 3.0], [7_000.0, 7_000.0]):
        for tight in (False, True):
            at = axis(np.array(values), 0.0, tight=tight).at(np.array([*values, 0.0]))
            assert ((at >= 0) & (at <= 1)).all()


# -- pictures ---------------------------------------------------------------------------------------------------------


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("words", [KOREAN, ENGLISH], ids=["ko", "en"])
@pytest.mark.parametrize("run", [SEASON, NOTHING, SMALL], ids=["season", "nothing", "small"])
def test_the_picture_is_not_blank_and_has_telegrams_shape(run, words) -> None:
    seen = pixels(draw(run, measure(run, runs=50), words))
    high, wide, _ = seen.shape
    assert wide == 1100
    assert high + wide <= 10_000
    assert high / wide < 20
    assert len(np.unique(seen.astype(np.int64) @ [65_536, 256, 1])) > 50


@pytest.mark.parametrize("words", [KOREAN, ENGLISH], ids=["ko", "en"])
def test_the_typeface_has_every_letter_of_the_picture(words) -> None:
    known = FT2Font(str(Path(charts.__file__).parent / "fonts" / "Pretendard-Regular.otf")).get_charmap()
    texts = [value for name in words.__slots__ if isinstance(value := getattr(words, name), str)]
    assert not {letter for text in (*texts, *words.reasons.values()) for letter in text if ord(letter) not in known}
    assert set(words.reasons) == {purpose.value for purpose in Purpose} - {"ENTRY"}


def test_the_two_languages_are_two_pictures() -> None:
    assert draw(SMALL, measure(SMALL, runs=50), KOREAN) != draw(SMALL, measure(SMALL, runs=50), ENGLISH)


def test_the_picture_tells_the_run_in_won() -> None:
    spec = picture(SEASON, MEASURED, KOREAN)
    assert spec.pnl_krw[0] == 0.0
    assert spec.pnl_krw[-1] == pytest.approx(float(SEASON.days[-1].equity_krw) - SEASON.cash_krw)
    assert sum(day.pnl_krw for day in spec.extras.days) == pytest.approx(spec.pnl_krw[-1])
    assert (np.diff(spec.at_ms) > 0).all()
    assert [stat.value for stat in spec.stats][3] == "134"
    start = dt.datetime.fromtimestamp(int(spec.at_ms[1]) / 1000, ZoneInfo(spec.tz))
    assert start.date() == SEASON.days[0].on
    days = picture(season(12), measure(season(12), runs=50))
    assert (days.extras.days_title, len(days.extras.days)) == (ENGLISH.days, 12)


def test_a_run_without_a_purchase_is_a_friendly_picture() -> None:
    idle = result([1000, 1000])
    spec = picture(idle, measure(idle), KOREAN)
    assert (len(spec.at_ms), spec.trips, spec.extras.days) == (0, (), ())


# -- the folder -------------------------------------------------------------------------------------------------------


def test_a_report_is_a_folder_of_files(tmp_path) -> None:
    paths = write_report(SMALL, tmp_path / "runs" / "one")
    names = {path.name for path in (tmp_path / "runs" / "one").iterdir()}
    assert names == {"report.html", "report.json", "picture.ko.png", "picture.en.png", "calibration.json"}
    assert {getattr(paths, name).name for name in paths.__struct_fields__} == names
    assert json.loads(paths.json.read_bytes())["metrics"]["trips"]["trips"] == 2
    table = read_calibration(paths.calibration.parent)
    assert table is not None
    assert [(each.cases, each.won, each.rate_pct) for each in table.bins] == [(2, 1, None)]


def test_a_second_report_replaces_the_first(tmp_path) -> None:
    write_report(SMALL, tmp_path)
    paths = write_report(NOTHING, tmp_path)
    assert json.loads(paths.json.read_bytes())["round_trips"] == []
    assert len(list(tmp_path.iterdir())) == 5
