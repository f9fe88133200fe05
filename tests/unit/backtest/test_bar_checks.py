"""Each kind of bad row is refused or flagged with its file and line, and days are looked at as a whole."""

import csv
import datetime as dt
from pathlib import Path

import pytest
from bar_files import DAY, bars, flat_file, flat_row, imported, ms, reported, written

from backtest.data.checks import is_ticker, minutes_apart, near_ratio
from backtest.data.options import Label, ReadOptions
from backtest.data.store import Store
from core.model.bar import Bar

NEXT = DAY + dt.timedelta(days=1)
GOOD = flat_row("A", "09:30")


def row(ticker: str = "A", start: str = f"{ms('09:31')}000000", o="10", h="12", l="9", c="11", v="100") -> str:  # noqa: E741
    return f"{ticker},{v},{o},{c},{h},{l},{start},3"


REFUSED = [
    ("prices", row(l="0")),
    ("prices", row(l="-1")),
    ("prices", row(h="10.5")),
    ("prices", row(o="8")),
    ("prices", row(c="8.99")),
    ("prices", row(h="inf")),
    ("prices", row(c="nan")),
    ("prices", row(o="0", h="0", l="0", c="0")),
    ("volume", row(v="-1")),
    ("volume", row(v="nan")),
    ("volume", row(v="inf")),
    ("off_minute", row(start=f"{ms('09:31') + 1}000000")),
    ("off_minute", row(start=f"{ms('09:31') + 30_000}000000")),
    ("off_minute", row(start=f"{ms('09:31')}000001")),
    ("outside_hours", row(start=f"{ms('03:59')}000000")),
    ("outside_hours", row(start=f"{ms('20:00')}000000")),
    ("time", row(start="0")),
    ("time", row(start="-5")),
    ("time", row(start="9999999999999999999")),
    ("ticker", row(ticker="A B")),
    ("ticker", row(ticker="서학")),
    ("ticker", row(ticker="A" * 33)),
    ("ticker", row(ticker="")),
    ("number", row(o="ten")),
    ("malformed", "A,1,2"),
]


@pytest.mark.parametrize(("kind", "bad"), REFUSED)
def test_a_bad_row_is_refused_with_its_line_and_the_others_are_stored(tmp_path: Path, kind: str, bad: str) -> None:
    path = flat_file(tmp_path / "f.csv.gz", GOOD, bad, flat_row("A", "09:32"))
    (result,) = imported(tmp_path / "s", path)
    (found,) = reported(tmp_path / "s", result)
    assert (found["file"], found["line"], found["action"], found["kind"]) == ("f.csv.gz", "3", "refused", kind)
    assert [at[11:] for _, at, _, _ in bars(tmp_path / "s")] == ["09:30", "09:32"]
    assert result.source is not None
    assert (result.source.rows, result.source.stored, result.source.refused) == (3, 2, {kind: 1})


def test_what_is_odd_but_possible_is_stored_and_flagged_once_per_ticker(tmp_path: Path) -> None:
    rows = [
        flat_row("A", "09:32"), flat_row("A", "09:30"), flat_row("A", "09:31"), flat_row("A", "09:29"),
        flat_row("B", "09:28", volume=0.5), flat_row("B", "09:31", volume=2), flat_row("B", "09:32", volume=1.25),
    ]  # fmt: skip
    (result,) = imported(tmp_path / "s", flat_file(tmp_path / "f.csv.gz", *rows))
    assert result.source is not None
    assert (result.source.stored, result.source.refused) == (7, {})
    assert result.source.flagged == {"fractional_volume": 2, "out_of_order": 2}
    found = [(r["line"], r["action"], r["kind"], r["ticker"], r["rows"]) for r in reported(tmp_path / "s", result)]
    assert found == [("3", "flagged", "out_of_order", "A", "2"), ("6", "flagged", "fractional_volume", "B", "2")]


def test_the_rules_of_a_bar_are_those_of_the_core() -> None:
    for name in ["A", "BRK.B", "KIMpL", "NA", "", "A B", "é", "A" * 32, "A" * 33, "\t", "A\n", "a/b", "서학"]:
        try:
            Bar(name, ms("09:30"), 1.0, 1.0, 1.0, 1.0, 1.0)
            fine = True
        except ValueError:
            fine = False
        assert is_ticker(name) == fine, name


def test_bars_of_five_minutes_are_refused_as_what_they_are(tmp_path: Path) -> None:
    five = [flat_row("A", f"{h:02}:{m:02}") for h in range(10, 15) for m in range(0, 60, 5)]
    (result,) = imported(tmp_path / "s", flat_file(tmp_path / "f.csv.gz", *five))
    assert bars(tmp_path / "s") == []
    found = reported(tmp_path / "s", result)
    assert len(found) == len(five)
    assert {(r["kind"], r["text"]) for r in found} == {
        ("length", "not a bar of one minute: the bars are 5 minutes apart")
    }


def test_a_few_bars_that_happen_to_lie_apart_are_kept(tmp_path: Path) -> None:
    imported(tmp_path / "s", flat_file(tmp_path / "f.csv.gz", *(flat_row("A", f"10:{m}") for m in (10, 20, 40, 50))))
    assert len(bars(tmp_path / "s")) == 4


def test_a_grid_is_believed_when_chance_cannot_make_it() -> None:
    def starts(*minutes: int):
        import numpy as np

        return np.array(minutes, np.int64) * 60_000

    assert minutes_apart(starts(*range(0, 60, 2))) == 1
    assert minutes_apart(starts(*range(0, 62, 2))) == 2
    assert minutes_apart(starts(*range(1, 62, 2))) == 2
    assert minutes_apart(starts(*range(0, 62, 2), 3)) == 1
    assert minutes_apart(starts(*range(30, 450, 60))) == 60
    assert minutes_apart(starts(5)) == minutes_apart(starts()) == 1


# -- days -----------------------------------------------------------------------------------------


def day_report(root: Path, on: dt.date) -> list[tuple[str, str, str]]:
    with (root / "rejects" / "days" / f"{on}.csv").open(newline="") as file:
        return [(r["kind"], r["ticker"], r["text"]) for r in csv.DictReader(file)]


def session(*skipped: int, ticker: str = "A", on: dt.date = DAY) -> list[str]:
    clocks = [f"{9 + (30 + m) // 60:02}:{(30 + m) % 60:02}" for m in range(390)]
    return [flat_row(ticker, clock, on=on) for m, clock in enumerate(clocks) if m not in skipped]


def test_missing_minutes_of_a_steady_ticker_are_flagged(tmp_path: Path) -> None:
    rows = [*session(10, 11, 12, 300), *session(ticker="B"), *session(*range(5, 100), ticker="C")]
    imported(tmp_path, flat_file(tmp_path / "f.csv.gz", *rows))
    assert Store(tmp_path).manifest.days[str(DAY)].flags == {"gap": 2}
    assert day_report(tmp_path, DAY) == [("gap", "A", "3 minutes are missing"), ("gap", "A", "1 minute is missing")]


def test_a_gap_that_is_filled_later_is_flagged_no_more(tmp_path: Path) -> None:
    whole = session()
    imported(tmp_path, flat_file(tmp_path / "f.csv.gz", *whole[:50], *whole[51:]))
    imported(tmp_path, flat_file(tmp_path / "g.csv.gz", whole[50]))
    assert Store(tmp_path).manifest.days[str(DAY)].flags == {}
    assert not (tmp_path / "rejects" / "days" / f"{DAY}.csv").exists()


@pytest.mark.parametrize("order", [(DAY, NEXT), (NEXT, DAY)])
def test_a_suspected_split_is_flagged_whichever_day_comes_first(tmp_path: Path, order: tuple[dt.date, dt.date]) -> None:
    rows = {
        DAY: [row("A", f"{ms('15:59')}000000", "40", "40", "40", "40"), flat_row("B", "15:59")],
        NEXT: [flat_row("A", "09:30", on=NEXT), flat_row("B", "09:30", on=NEXT), flat_row("N", "09:30", on=NEXT)],
    }
    for on in order:
        imported(tmp_path, flat_file(tmp_path / f"{on}.csv.gz", *rows[on]))
    assert day_report(tmp_path, NEXT) == [("split", "A", "opens at 10 after 40: a 4:1 split?")]


def test_prices_weeks_apart_are_no_split(tmp_path: Path) -> None:
    later = DAY + dt.timedelta(days=14)
    imported(tmp_path, flat_file(tmp_path / "a.csv.gz", row("A", f"{ms('15:59')}000000", "40", "40", "40", "40")))
    imported(tmp_path, flat_file(tmp_path / "b.csv.gz", flat_row("A", "09:30", on=later)))
    assert Store(tmp_path).manifest.days[str(later)].flags == {}


@pytest.mark.parametrize(
    ("ratio", "whole"),
    [(2.0, 2), (0.5, 2), (0.1, 10), (9.7, 10), (1.0, 0), (1.5, 0), (0.6, 0), (2.3, 0), (1.9, 2), (1.85, 0), (50, 50)],
)
def test_ratios_near_whole_numbers_are_suspected(ratio: float, whole: int) -> None:
    assert near_ratio(ratio) == whole


def test_days_on_which_the_exchange_was_closed_are_flagged(tmp_path: Path) -> None:
    saturday = dt.date(2025, 1, 4)
    imported(tmp_path, flat_file(tmp_path / "f.csv.gz", flat_row("A", "10:00", on=saturday)))
    assert Store(tmp_path).manifest.days[str(saturday)].flags == {"no_session": 1}


def test_a_day_that_the_calendar_does_not_know_is_not_called_closed(tmp_path: Path) -> None:
    on = dt.date(1999, 1, 4)
    imported(tmp_path, flat_file(tmp_path / "f.csv.gz", flat_row("A", "10:00", on=on)))
    assert Store(tmp_path).manifest.days[str(on)].flags == {}


def test_times_in_the_wrong_zone_are_noticed(tmp_path: Path) -> None:
    """A session in Chicago's hours read as New York's is an hour early; in UTC read so it is mostly after the close."""
    text = "time,open,high,low,close,volume\n" + "".join(
        f"2025-01-06 {14 + (30 + m) // 60:02}:{(30 + m) % 60:02},10,12,9,11,100\n" for m in range(390)
    )
    options = ReadOptions(label=Label.START, timezone="America/New_York", ticker="A")
    (result,) = imported(tmp_path / "s", written(tmp_path / "f.csv", text), options=options)
    assert result.source is not None
    assert result.source.refused == {"outside_hours": 60}
    assert Store(tmp_path / "s").manifest.days[str(DAY)].flags == {"hours": 1}
