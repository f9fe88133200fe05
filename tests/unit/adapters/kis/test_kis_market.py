"""KIS's rankings and charts as our nouns: units by what agrees, codes by their place, types by names."""

import datetime as dt

import pytest

from adapters.kis.answer import Answer
from adapters.kis.market import CHART, KisMarket, bar_of, minutes_code, shares_of, volume_code
from adapters.kis.master import MasterRow, type_of
from core.model.instrument import Exchange
from ports.broker import Urgency

# as in KIS's documents
TSLA = {"symb": "TSLA", "last": "160.9500", "valx": "508239862", "shar": "3157750000", "rate": "-4.09"}
CHART_ROW = {
    "tymd": "20240222", "xymd": "20240222", "xhms": "155500", "kymd": "20240223", "khms": "055500",
    "open": "197.7200", "high": "197.9900", "low": "197.1700", "last": "197.3800", "evol": "1810184", "eamt": "357462976",
}  # fmt: skip


class Gateway:
    """Answers with rows and remembers what was asked."""

    def __init__(self, *rows: object) -> None:
        self.rows, self.asked = list(rows), []

    async def query(self, path, tr_id, params, urgency, *, more=False, quote=False):
        self.asked.append((path, tr_id, dict(params), urgency, more, quote))
        return Answer(status=200, body={"rt_cd": "0", "output2": self.rows}, code="", tr_cont="")


@pytest.mark.parametrize(
    ("changed", "shares"),
    [
        ({}, 3_157_750_000),
        ({"shar": "3157750"}, 3_157_750_000),
        ({"valx": "0"}, 3_157_750_000),
        ({"valx": "508"}, None),
        ({"shar": "0"}, None),
        ({"shar": "many"}, None),
        ({"shar": ""}, None),
    ],
)
def test_shares_are_counted_in_the_unit_that_agrees_with_the_market_cap(changed, shares):
    assert shares_of(TSLA | changed, cap="valx", unit=1000) == shares


def test_the_details_give_the_market_cap_in_dollars():
    row = {"shar": "3173990000", "last": "245.0100", "tomv": "777659289900"}
    assert shares_of(row, cap="tomv", unit=1) == 3_173_990_000


@pytest.mark.parametrize(("minutes", "code"), [(1, "0"), (2, "1"), (5, "3"), (10, "4"), (15, "5"), (30, "7"), (4, "2")])
def test_the_look_back_is_kiss_longest_that_is_not_longer(minutes, code):
    assert minutes_code(minutes) == code


@pytest.mark.parametrize(("least", "code"), [(0, "0"), (99, "0"), (5_000, "2"), (10_000, "3"), (99_999_999, "6")])
def test_the_volume_bound_leaves_out_nothing_that_is_wanted(least, code):
    assert volume_code(least) == code


def test_a_charts_time_is_new_yorks_and_the_beginning_of_the_bar():
    bar = bar_of("TSLA", CHART_ROW)
    assert bar.start_at == dt.datetime(2024, 2, 22, 20, 55, tzinfo=dt.UTC)
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (197.72, 197.99, 197.17, 197.38, 1_810_184)


@pytest.mark.parametrize("changed", [{"xhms": ""}, {"xhms": "256000"}, {"high": "1"}, {"evol": "-1"}, {"last": "x"}])
def test_a_row_that_is_no_bar_is_none(changed):
    assert bar_of("TSLA", CHART_ROW | changed) is None


async def test_rows_that_are_not_understood_are_counted_and_the_others_live():
    ranked = {"symb": "BRK/B", "last": "500.10", "n_rate": "6.10", "knam": "버크셔", "enam": "BERKSHIRE"}
    gateway = Gateway(ranked, ranked | {"last": "abc"}, ranked | {"symb": ""}, ranked | {"last": "0"}, "nonsense")
    market = KisMarket(gateway)
    (mover,) = await market.risers(Exchange.NYSE, 5, 5000)
    assert (mover.ticker, mover.exchange, mover.grown_pct, mover.name_ko) == ("BRK.B", Exchange.NYSE, 6.1, "버크셔")
    assert market.refused == 1


async def test_everything_is_asked_at_the_lowest_rank_and_without_the_account():
    gateway = Gateway()
    market = KisMarket(gateway)
    await market.risers(Exchange.NASD, 5, 5000)
    await market.surges(Exchange.NASD, 1, 5000)
    await market.search(Exchange.NASD, least_price=1, least_rate=5, least_cap=5e7, least_volume=5000)
    await market.bars("BRK.B", Exchange.NYSE, before=dt.datetime(2026, 11, 18, 19, 30, tzinfo=dt.UTC))
    await market.shares("BRK.B", Exchange.NYSE)
    assert {(urgency, quote) for *_, urgency, _, quote in gateway.asked} == {(Urgency.FEED, True)}
    assert not any("CANO" in params for _, _, params, *_ in gateway.asked)
    (chart,) = [params for path, _, params, *_ in gateway.asked if path == CHART]
    assert (chart["SYMB"], chart["EXCD"], chart["NEXT"], chart["KEYB"]) == ("BRK/B", "NYS", "1", "20261118142900")


@pytest.mark.parametrize(
    ("kind", "name_ko", "name", "code"),
    [
        ("STOCK", "애플", "APPLE INC", "CS"),
        ("STOCK", "알리바바 그룹 홀딩(ADR)", "ALIBABA GROUP HOLDING LTD SPON ADS EACH REP 8 ORD SHS", "ADRC"),
        (
            "STOCK",
            "뱅크오브아메리카 우선주 L(7.250%)",
            "BANK OF AMERICA CORPORATION 7.25% NON-CUM PERP CONV PFD SER",
            "PFD",
        ),
        ("STOCK", "애클래리언 콜 워런트(2027-04-21)", "ACLARION INC C/WTS 21/04/2027 (TO PUR COM)", "WARRANT"),
        ("STOCK", "아이메이 헬스 테크놀로지 유닛", "AIMEI HEALTH TECHNOLOGY CO LTD UNIT 1 ORD SHS & 1 RT", "UNIT"),
        ("STOCK", "애버커스 글로벌 매니지먼트 선순위채권", "ABACUS GLOBAL MANAGEMENT INC 9.875% SENIOR NOTES", "BOND"),
        ("STOCK", "퍼스트 커뮤니티", "FIRST COMMUNITY CORP(SC)", "CS"),
        ("ETP", "SPDR S&P 500", "SPDR S&P 500 ETF TRUST", "ETF"),
        ("WARRANT", "", "", "WARRANT"),
    ],
)
def test_a_type_is_told_by_kind_and_names(kind, name_ko, name, code):
    row = MasterRow(ticker="X", symbol="X", exchange=Exchange.NASD, name_ko=name_ko, name=name, kind=kind)
    assert type_of(row) == code
