"""What people call a security: exact, part of a name, several, misspelt, unknown."""

import datetime as dt

import pytest

from bot.tickers import COMPLETE, Index, Tickers, folded, symbol
from core.model.instrument import Instrument
from ports.store import StoreUnavailable

NAMES = [
    ("NVDA", "NVIDIA Corp", "엔비디아"),
    ("TSLA", "Tesla, Inc. Common Stock", "테슬라"),
    ("AAPL", "Apple Inc.", "애플"),
    ("APLE", "Apple Hospitality REIT, Inc.", "애플 호스피탈리티 리츠"),
    ("BRK.B", "Berkshire Hathaway Inc. Class B", "버크셔 해서웨이 B"),
    ("F", "Ford Motor Company", "포드 모터"),
    ("FORD", "Forward Industries, Inc.", "포워드 인더스트리스"),
    ("GOOG", "Alphabet Inc. Class C", "알파벳 C"),
    ("GOOGL", "Alphabet Inc. Class A", "알파벳 A"),
]
INDEX = Index.of(Instrument(ticker=t, name=n, name_ko=k) for t, n, k in NAMES)
NOW = dt.datetime(2026, 11, 20, 15, tzinfo=dt.UTC)


def full() -> Index:
    more = [Instrument(ticker=f"Z{i}", name=f"Zeta number {i}") for i in range(COMPLETE)]
    return Index.of([*(Instrument(ticker=t, name=n, name_ko=k) for t, n, k in NAMES), *more])


@pytest.mark.parametrize(
    ("text", "ticker"),
    [("nvda", "NVDA"), ("$NVDA", "NVDA"), ("엔비디아", "NVDA"), ("Nvidia", "NVDA"), ("nvidia corp", "NVDA"),
     ("테슬라", "TSLA"), ("tesla", "TSLA"), ("애플", "AAPL"), ("apple", "AAPL"), ("brk/b", "BRK.B"), ("BRK-B", "BRK.B"),
     ("포드모터", "F"), ("FORD", "FORD")],
)  # fmt: skip
def test_a_ticker_or_a_whole_name_is_sure(text, ticker):
    found = INDEX.find(text)
    assert (found.ticker, found.sure) == (ticker, True)


@pytest.mark.parametrize(("text", "ticker"), [("엔비", "NVDA"), ("tesl", "TSLA"), ("버크셔", "BRK.B")])
def test_the_beginning_of_one_name_may_be_read_but_not_acted_on(text, ticker):
    found = INDEX.find(text)
    assert (found.ticker, found.sure) == (ticker, False)


def test_a_name_of_several_is_a_choice():
    found = INDEX.find("alphabet")
    assert (found.ticker, sorted(c.ticker for c in found.choices)) == ("", ["GOOG", "GOOGL"])


def test_a_choice_has_at_most_five():
    index = Index.of(Instrument(ticker=f"Z{i}", name=f"Zeta number {i}") for i in range(30))
    assert len(index.find("zeta").choices) == 5


@pytest.mark.parametrize(("text", "near"), [("엔비디야", "NVDA"), ("tesals", "TSLA"), ("nvidai", "NVDA")])
def test_a_typing_error_gets_a_suggestion_and_never_acts(text, near):
    found = full().find(text)
    assert (found.ticker, found.choices[0].ticker) == ("", near)


def test_an_unknown_ticker_is_believed_only_while_the_list_may_have_gaps():
    assert INDEX.find("QQQQQ").ticker == "QQQQQ"
    assert full().find("QQQQQ") == full().find("없는회사")


@pytest.mark.parametrize("text", ["", " ", "💥", "50%", "a" * 500, "<b>", "../../x", "엔" * 500])
def test_nonsense_is_nothing_at_all(text):
    found = full().find(text)
    assert not found.ticker


def test_symbols_and_names_are_folded():
    assert (symbol("brk/b"), symbol("애플"), symbol("TOOLONGTICKER")) == ("BRK.B", "", "")
    assert folded("Tesla, Inc. Common Stock") == folded("TESLA") == "tesla"


class Records:
    """A store that may be away."""

    def __init__(self) -> None:
        self.down, self.reads = False, 0

    async def instruments(self):
        self.reads += 1
        if self.down:
            raise StoreUnavailable("down")
        return [(Instrument(ticker=t, name=n, name_ko=k), NOW) for t, n, k in NAMES]


class Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self):
        return self.at


async def test_names_of_several_words_leave_the_rest_of_the_arguments():
    tickers = Tickers(Records(), Clock())
    found, rest = await tickers.take(("버크셔", "해서웨이", "B", "5m"))
    assert (found.ticker, found.sure, rest) == ("BRK.B", True, ("5m",))
    found, rest = await tickers.take(("애플", "50%"))
    assert (found.ticker, rest) == ("AAPL", ("50%",))


async def test_names_read_once_outlive_the_database():
    records, clock = Records(), Clock()
    tickers = Tickers(records, clock)
    await tickers.take(("애플",))
    records.down = True
    clock.at += dt.timedelta(days=1)
    found, _ = await tickers.take(("애플",))
    assert (found.ticker, records.reads) == ("AAPL", 2)


async def test_without_any_names_a_ticker_still_works():
    records = Records()
    records.down = True
    tickers = Tickers(records, Clock())
    assert (await tickers.take(("nvda",)))[0].ticker == "NVDA"
    assert (await tickers.take(("엔비디아",)))[0].ticker == ""
