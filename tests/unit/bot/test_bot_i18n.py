"""Catalogues are complete and agree with the source; numbers read as people write them; languages do not leak."""

import datetime as dt
import re
import shutil
import string
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from bot.i18n import FOLDER, Markup, Translator, language, load_catalog, translators

ROOT = Path(__file__).parents[3]
KEYWORDS = {"t": None, "plain": None, "mark": None}
KO, EN = Translator("ko"), Translator("en")
NOW = dt.datetime(2026, 11, 20, 15, 31, tzinfo=dt.UTC)


def source_messages() -> set[str]:
    found = extract_from_dir(ROOT / "bot", [("**.py", "python")], keywords=KEYWORDS)
    return {str(message) for _, _, message, _, _ in found}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def tags(text: str) -> list[str]:
    return re.findall(r"</?[a-z]+>", text)


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_the_catalogue_is_complete_and_not_fuzzy(locale):
    with (FOLDER / locale / "LC_MESSAGES" / "seohak.po").open("rb") as file:
        catalog = read_po(file, locale=locale)
    known = {m.id for m in catalog if m.id and m.string and not m.fuzzy}
    assert source_messages() - known == set(), "run the two commands in babel.cfg and translate"
    assert known - source_messages() == set()


def test_the_template_is_up_to_date():
    with (FOLDER / "seohak.pot").open("rb") as file:
        assert {m.id for m in read_po(file) if m.id} == source_messages()


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_placeholders_and_tags_agree(locale):
    for source, text in load_catalog(locale).items():
        assert placeholders(source) == placeholders(text), source
        assert sorted(tags(source)) == sorted(tags(text)), source


def test_english_says_what_the_source_says():
    assert all(source == text for source, text in load_catalog("en").items())


def test_korean_never_puts_a_particle_after_a_value():
    for text in load_catalog("ko").values():
        assert not re.search(r"\{\w+\}(은|는|이|가|을|를|와|과|로|으로)(?=[\s.,]|$)", text), text


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext is not installed")
@pytest.mark.parametrize("locale", ["ko", "en"])
def test_gettext_itself_accepts_the_catalogue(locale, tmp_path):
    po = FOLDER / locale / "LC_MESSAGES" / "seohak.po"
    subprocess.run(["msgfmt", "-c", "-o", str(tmp_path / "out.mo"), str(po)], check=True, capture_output=True)


def test_money_and_changes():
    assert KO.krw(Decimal(1002400)) == "₩1,002,400"
    assert KO.krw(Decimal("-150000.5")) == "-₩150,001"
    assert KO.krw_signed(Decimal(317200)) == "+₩317,200"
    assert KO.krw_signed(Decimal(0)) == "₩0"
    assert KO.usd(Decimal("142.5")) == EN.usd(142.5) == "$142.50"
    assert KO.usd(Decimal("0.1234")) == "$0.1234"
    assert KO.usd_signed(Decimal("0.5")) == "+$0.50"
    assert KO.usd_signed(Decimal("-1234.567")) == "-$1,234.57"
    assert [KO.pct(x) for x in (31.63, Decimal(-5), 0, Decimal("-0.04"), 1234.5)] == [
        "+31.6%",
        "-5.0%",
        "+0.0%",
        "+0.0%",
        "+1,234.5%",
    ]
    assert [KO.level_pct(Decimal(x)) for x in ("30.0001", "-15.001", "-7.5")] == ["+30%", "-15%", "-7.5%"]
    assert [KO.cap(x) for x in (3.5e12, 1e9, 999_999_999, 5e7, 12_000, 10)] == [
        "$3.5T",
        "$1.0B",
        "$1.0B",
        "$50.0M",
        "$12.0K",
        "$10",
    ]
    assert (KO.cap(None), EN.cap(None)) == ("알 수 없음", "unknown")


def test_times_are_korean_and_spans_are_words():
    assert KO.time(NOW) == "00:31 KST"
    assert KO.when(NOW) == "11월 21일 (토) 00:31 KST"
    assert EN.when(NOW) == "Sat, Nov 21 00:31 KST"
    assert [KO.age(NOW - dt.timedelta(seconds=s), NOW) for s in (0, 45, 300, 7200)] == [
        "방금",
        "45초 전",
        "5분 전",
        "2시간 전",
    ]
    assert [KO.span(dt.timedelta(minutes=m)) for m in (5, 200, 3 * 1440 + 60)] == ["5분", "3시간 20분", "3일 1시간"]
    assert EN.span(dt.timedelta(minutes=200)) == "3 h 20 min"


def test_values_are_escaped_once_and_markup_is_kept():
    assert KO("Name: {name}", name="<b>AT&T</b>") == "종목명: &lt;b&gt;AT&amp;T&lt;/b&gt;"
    assert KO("Name: {name}", name=Markup("<b>x</b>")) == "종목명: <b>x</b>"
    assert KO.plain("Reason: {reason}", reason="a<b") == "사유: a<b"


def test_languages_do_not_leak():
    both = translators()
    shown = [both[k]("Ticker: {ticker}", ticker="X") for k in ("ko", "en", "ko")]
    assert shown == ["티커: X", "Ticker: X", "티커: X"]


@pytest.mark.parametrize(
    ("code", "expected"), [("ko-KR", "ko"), ("en", "en"), ("EN-us", "en"), ("fr", None), (None, None), ("", None)]
)
def test_language_tags(code, expected):
    assert language(code) == expected
