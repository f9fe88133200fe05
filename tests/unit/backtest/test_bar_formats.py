"""Files of each format come in as they are meant; what a file does not say is asked for and never guessed."""

import datetime as dt
import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bar_files import DAY, FLAT, bars, flat_file, flat_row, imported, ms, reported, written

from backtest.data.importer import Outcome, files_of
from backtest.data.manifest import DataProblem
from backtest.data.options import Format, Label, ReadOptions, Unit

START, END = ReadOptions(label=Label.START), ReadOptions(label=Label.END)
HEAD = "ticker,time,open,high,low,close,volume\n"


def problem(root: Path, path: Path, options: ReadOptions | None = None) -> str:
    """Why a file could not be imported: one line, and nothing stored."""
    (result,) = imported(root, path, options=options)
    assert result.outcome is Outcome.FAILED
    assert "\n" not in result.problem
    assert bars(root) == []
    return result.problem


# -- Polygon --------------------------------------------------------------------------------------


def test_a_flat_file_says_everything_itself_and_tickers_stay_text(tmp_path: Path) -> None:
    names = ["NA", "NAN", "TRUE", "NULL", "INF", "BRK.B", "KIMpL", "AAPL"]
    path = flat_file(tmp_path / "2025-01-06.csv.gz", *(flat_row(name, "09:30", 11) for name in names))
    (result,) = imported(tmp_path / "s", path)
    assert result.source is not None
    assert (result.outcome, result.source.format, result.source.rows) == (Outcome.IMPORTED, "polygon", len(names))
    assert bars(tmp_path / "s") == [(name, "2025-01-06 09:30", 11.0, 100.0) for name in sorted(names)]


def test_a_flat_file_without_compression_is_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "day.csv", "\n".join([FLAT, flat_row("A", "04:00"), flat_row("A", "19:59")]))
    imported(tmp_path / "s", path)
    assert [at for _, at, _, _ in bars(tmp_path / "s")] == ["2025-01-06 04:00", "2025-01-06 19:59"]


def test_daily_flat_files_are_not_minutes(tmp_path: Path) -> None:
    path = flat_file(tmp_path / "day.csv.gz", flat_row("A", "00:00"))
    (result,) = imported(tmp_path / "s", path)
    assert result.source is not None
    assert result.source.refused == {"outside_hours": 1}


@pytest.mark.parametrize("cut", [10, 60, -1, -8])
def test_a_file_that_is_cut_off_stores_nothing(tmp_path: Path, cut: int) -> None:
    whole = flat_file(tmp_path / "whole.csv.gz", *(flat_row("A", f"09:{m}") for m in range(30, 59))).read_bytes()
    path = written(tmp_path / "cut.csv.gz", whole[:cut])
    assert "cut off" in problem(tmp_path / "s", path)


def test_a_damaged_file_stores_nothing(tmp_path: Path) -> None:
    whole = bytearray(flat_file(tmp_path / "whole.csv.gz", flat_row("A", "09:30")).read_bytes())
    whole[-6] ^= 0xFF
    assert "damaged" in problem(tmp_path / "s", written(tmp_path / "bad.csv.gz", bytes(whole)))


# -- CSV ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "options"),
    [
        ("2025-01-06 09:30:00", ReadOptions(label=Label.START, timezone="America/New_York")),
        ("2025-01-06T09:30", ReadOptions(label=Label.START, timezone="America/New_York")),
        ("2025-01-06 14:30:00", ReadOptions(label=Label.START, timezone="UTC")),
        ("2025-01-06 23:30", ReadOptions(label=Label.START, timezone="Asia/Seoul")),
        ("2025-01-06T14:30:00Z", START),
        ("2025-01-06 09:30:00-05:00", START),
        ("2025-01-06T09:31:00-0500", END),
        ("20250106T0930", ReadOptions(label=Label.START, timezone="America/New_York")),
        ("01/06/2025 09:30", ReadOptions(label=Label.START, timezone="America/New_York", time_format="%m/%d/%Y %H:%M")),
        ("1736173800", START),
        ("1736173800.0", START),
        ("1736173860000", END),
        ("1736173800000000", START),
        ("1736173800000000000", START),
        ("1736173800000", ReadOptions(label=Label.START, time_unit=Unit.MS)),
    ],
)
def test_times_in_any_spelling_are_the_same_minute(tmp_path: Path, moment: str, options: ReadOptions) -> None:
    path = written(tmp_path / "f.csv", f"{HEAD}A,{moment},10,12,9,11,100\n")
    imported(tmp_path / "s", path, options=options)
    assert bars(tmp_path / "s") == [("A", "2025-01-06 09:30", 11.0, 100.0)]


def test_the_label_is_never_guessed(tmp_path: Path) -> None:
    path = written(tmp_path / "f.csv", f"{HEAD}A,1736173800,10,12,9,11,100\n")
    assert "--label start or --label end" in problem(tmp_path / "s", path)


@pytest.mark.parametrize("moment", ["2025-01-06 09:30:00", "20250106T0930"])
def test_the_time_zone_is_never_guessed(tmp_path: Path, moment: str) -> None:
    path = written(tmp_path / "f.csv", f"{HEAD}A,{moment},10,12,9,11,100\n")
    assert "--timezone" in problem(tmp_path / "s", path, START)


def test_summer_time_is_that_of_the_day(tmp_path: Path) -> None:
    options = ReadOptions(label=Label.START, timezone="America/New_York")
    rows = "".join(f"A,{on} 09:30,10,12,9,11,100\n" for on in ("2025-03-07", "2025-03-10"))
    imported(tmp_path / "s", written(tmp_path / "f.csv", HEAD + rows), options=options)
    assert [at for _, at, _, _ in bars(tmp_path / "s")] == ["2025-03-07 09:30", "2025-03-10 09:30"]


def test_columns_of_any_name_order_and_delimiter(tmp_path: Path) -> None:
    text = "\ufeffVol;Last;Lo;Hi;First;When;Sym;Other\n100;11;9;12;10;1736173800;A;x\n"
    columns = {
        "volume": "Vol",
        "close": "Last",
        "low": "Lo",
        "high": "Hi",
        "open": "First",
        "time": "When",
        "ticker": "Sym",
    }
    path = written(tmp_path / "f.txt", text)
    imported(tmp_path / "s", path, options=ReadOptions(label=Label.START, columns=columns))
    assert bars(tmp_path / "s") == [("A", "2025-01-06 09:30", 11.0, 100.0)]


@pytest.mark.parametrize(
    ("format_", "moments"),
    [
        ("%m/%d/%Y %H:%M", ["02/30/2025 09:30", "13/01/2025 09:30", "01/06/2025 09:30x", "1/6", ""]),
        ("", ["2025-02-30 09:30", "2025-01-06 24:01", "2025-01-06 9.30", "soon", ""]),
    ],
)
def test_days_that_do_not_exist_are_refused(tmp_path: Path, format_: str, moments: list[str]) -> None:
    good = "01/06/2025 09:30" if format_ else "2025-01-06 09:30"
    text = HEAD + "".join(f"A,{moment},10,12,9,11,100\n" for moment in (good, *moments))
    options = ReadOptions(label=Label.START, timezone="America/New_York", time_format=format_)
    (result,) = imported(tmp_path / "s", written(tmp_path / "f.csv", text), options=options)
    assert [bar[1] for bar in bars(tmp_path / "s")] == ["2025-01-06 09:30"]
    found = [(int(r["line"]), r["kind"]) for r in reported(tmp_path / "s", result)]
    assert found == [(line, "time") for line in range(3, 3 + len(moments))]


def test_an_offset_in_a_format_counts(tmp_path: Path) -> None:
    path = written(tmp_path / "f.csv", f"{HEAD}A,06.01.2025 15:30 +0100,10,12,9,11,100\n")
    imported(tmp_path / "s", path, options=ReadOptions(label=Label.START, time_format="%d.%m.%Y %H:%M %z"))
    assert [bar[1] for bar in bars(tmp_path / "s")] == ["2025-01-06 09:30"]


def test_date_and_time_in_two_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "AAPL.txt", "01/06/2025,09:31,10,12,9,11,100\n")
    options = ReadOptions(
        header=False,
        columns={"date": "1", "time": "2", "open": "3", "high": "4", "low": "5", "close": "6", "volume": "7"},
        time_format="%m/%d/%Y %H:%M",
        timezone="America/New_York",
        label=Label.END,
        ticker_from_name="{ticker}",
    )
    imported(tmp_path / "s", path, options=options)
    assert bars(tmp_path / "s") == [("AAPL", "2025-01-06 09:30", 11.0, 100.0)]


@pytest.mark.parametrize(
    ("name", "pattern", "ticker"),
    [
        ("BRK.B.csv", "{ticker}", "BRK.B"),
        ("AAPL_minute_1min.csv", "{ticker}_minute*", "AAPL"),
        ("us-KIMpL.csv.gz", "us-{ticker}", "KIMpL"),
    ],
)
def test_the_ticker_from_the_files_name(tmp_path: Path, name: str, pattern: str, ticker: str) -> None:
    text = b"time,open,high,low,close,volume\n1736173800,10,12,9,11,100\n"
    path = written(tmp_path / name, gzip.compress(text) if name.endswith("gz") else text)
    imported(tmp_path / "s", path, options=ReadOptions(label=Label.START, ticker_from_name=pattern))
    assert [bar[0] for bar in bars(tmp_path / "s")] == [ticker]


def test_an_end_beside_the_start_shows_bars_of_another_length(tmp_path: Path) -> None:
    head = "ticker,time,end,open,high,low,close,volume\n"
    rows = "A,1736173800,1736173860,10,12,9,11,100\nA,1736173860,1736174160,10,12,9,11,100\n"
    path = written(tmp_path / "f.csv", head + rows)
    options = ReadOptions(columns={"end": "end"})
    (result,) = imported(tmp_path / "s", path, options=options)
    assert [bar[1] for bar in bars(tmp_path / "s")] == ["2025-01-06 09:30"]
    assert [(row["line"], row["kind"]) for row in reported(tmp_path / "s", result)] == [("3", "length")]


def test_broken_rows_are_told_with_their_line(tmp_path: Path) -> None:
    rows = [
        b"A,1736173800,10,12,9,11,100",  # 2
        b"A,1736173860,10,12,9,11",
        b"A,1736173920,10,12,9,11,100,1",
        b"",  # 5
        b"A,1736173980,10,12,9,eleven,100",
        b"\xff,1736173980,10,12,9,11,100",
        b"A,yesterday,10,12,9,11,100",
        b",1736173980,10,12,9,11,100",  # 9
        b'"A",1736174040,10,12,9,11,"1,000"',
        b"A,1736174100,10,12,9,11,",
        b" A , 1736174160 , 10,12,9, 11 ,100",  # 12
        b"A,1736174220,10,12,9,1_1,100",
        b"A,99999999999999999999,10,12,9,11,100",
        b"",
        b"",
    ]
    path = written(tmp_path / "f.csv", HEAD.encode() + b"\n".join(rows))
    (result,) = imported(tmp_path / "s", path, options=START)
    assert [bar[1][11:] for bar in bars(tmp_path / "s")] == ["09:30", "09:36"]
    found = sorted((int(row["line"]), row["kind"]) for row in reported(tmp_path / "s", result))
    assert found == [
        (3, "malformed"), (4, "malformed"), (5, "malformed"), (6, "number"), (7, "ticker"), (8, "time"),
        (9, "ticker"), (10, "malformed"), (11, "number"), (13, "number"), (14, "time"),
    ]  # fmt: skip
    assert result.source is not None
    assert result.source.rows == 13


@pytest.mark.parametrize("head", [HEAD, HEAD.replace("ticker", '"ticker"'), HEAD.replace("open", '"open"')])
def test_quotes_around_values_are_no_part_of_them(tmp_path: Path, head: str) -> None:
    path = written(
        tmp_path / "f.csv", f'{head}"A","1736173800","10","12","9","11","100"\nB,1736173800,10,12,9,11,100\n'
    )
    imported(tmp_path / "s", path, options=START)
    assert [bar[0] for bar in bars(tmp_path / "s")] == ["A", "B"]


def test_a_stray_quote_costs_its_row_only(tmp_path: Path) -> None:
    rows = ["A,1736173800,10,12,9,11,100", 'A,"1736173860,10,12,9"x,11,100', "A,1736173920,10,12,9,11,100"]
    (result,) = imported(tmp_path / "s", written(tmp_path / "f.csv", HEAD + "\n".join(rows)), options=START)
    assert [bar[1][11:] for bar in bars(tmp_path / "s")] == ["09:30", "09:32"]
    assert [(r["line"], r["kind"]) for r in reported(tmp_path / "s", result)] == [("3", "number")]


@pytest.mark.parametrize("more", [1, 5])
def test_a_quote_that_is_never_closed_among_quoted_rows_is_told(tmp_path: Path, more: int) -> None:
    rows = ["A,1736173800,10,12,9,11,100", '"A,1736173860,10,12,9,11,100'] + ["A,1736173920,10,12,9,11,100"] * more
    path = written(tmp_path / "f.csv", HEAD.replace("ticker", '"ticker"') + "\n".join(rows))
    assert "row 3: a quote is not closed" in problem(tmp_path / "s", path, START)


def test_lines_stay_right_over_many_blocks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("backtest.data.csvfile.BLOCK", 256)
    rows, wrong = [], []
    for i in range(400):
        line = i + 2
        if i % 7 == 3:
            rows.append("A,1")
            wrong.append((line, "malformed"))
        elif i % 11 == 5:
            rows.append(f"A,{1736173800 + 60 * i},10,12,9,oops,100")
            wrong.append((line, "number"))
        elif i % 13 == 6:
            rows.append("")
            wrong.append((line, "malformed"))
        else:
            rows.append(f"A,{1736173800 + 60 * i},10,12,9,11,100")
    path = written(tmp_path / "f.csv", HEAD + "\n".join(rows))
    (result,) = imported(tmp_path / "s", path, options=START)
    assert sorted((int(row["line"]), row["kind"]) for row in reported(tmp_path / "s", result)) == wrong
    assert len(bars(tmp_path / "s")) == 400 - len(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty"),
        (HEAD.encode(), "no rows"),
        (b"\x00\x01\x02\x03", "not text"),
        ("time,open\n".encode("utf-16"), "UTF-16"),
        (b"\xff\xfa,time\n1,2\n", "not UTF-8"),
        (b"time,open,high,low,close,volume\n1,1,1,1,1,1\n", "--ticker"),
        (b"ticker,open,high,low,close,volume\nA,1,1,1,1,1\n", "--columns time="),
        (b"ticker,time,ts,open,high,low,close,volume\nA,1,1,1,1,1,1,1\n", "time or ts"),
        (b"ticker,time,time,open,high,low,close,volume\nA,1,1,1,1,1,1,1\n", "twice"),
        (b"PAR1 and no more", "no readable Parquet"),
        (b"PK\x03\x04 and no more", "damaged"),
    ],
)
def test_a_file_that_cant_be_meant_is_one_line_that_says_what_to_do(tmp_path: Path, text: bytes, words: str) -> None:
    assert words in problem(tmp_path / "s", written(tmp_path / "f.csv", text), START)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": {"price": "x"}},
        {"timezone": "New York"},
        {"timezone": "../../etc/passwd"},
        {"time_format": "%s"},
        {"time_format": "%d %d"},
        {"ticker": "A", "ticker_from_name": "{ticker}"},
        {"ticker_from_name": "minute"},
        {"delimiter": ";;"},
        {"header": False},
    ],
)
def test_options_that_cant_be_meant_are_refused_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(DataProblem, match="--"):
        ReadOptions(**wrong)


# -- Parquet --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (pa.array([1736173800000]), START),
        (pa.array([1736173800], pa.uint64()), START),
        (pa.array([1736173800.0]), START),
        (pa.array([dt.datetime(2025, 1, 6, 14, 30, tzinfo=dt.UTC)], pa.timestamp("ns", "UTC")), START),
        (pa.array([dt.datetime(2025, 1, 6, 9, 30, tzinfo=dt.UTC)], pa.timestamp("s")),
         ReadOptions(label=Label.START, timezone="America/New_York")),
        (pa.array(["2025-01-06T14:30:00Z"]), START),
        (pa.array(["2025-01-06T14:30:00Z"]).dictionary_encode(), START),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int64(), pa.string(), pa.decimal128(24, 4)])
def test_parquet_of_any_types(tmp_path: Path, column: pa.Array, options: ReadOptions, kind: pa.DataType) -> None:
    numbers = {name: pa.array([value]).cast(kind) for name, value in zip("ohlcv", [10, 12, 9, 11, 100], strict=True)}
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table({"symbol": pa.array(["NA"]).dictionary_encode(), "timestamp": column, **numbers}), path)
    imported(tmp_path / "s", path, options=options)
    assert bars(tmp_path / "s") == [("NA", "2025-01-06 09:30", 11.0, 100.0)]


def test_parquet_rows_that_are_absent_are_told_by_number(tmp_path: Path) -> None:
    table = {
        "ticker": ["A", None, "A", "A", "A"],
        "ts": [ms("09:30"), ms("09:31"), None, ms("09:33"), ms("09:34")],
        "open": [10.0] * 5, "high": [12.0] * 5, "low": [9.0] * 5, "close": [11.0, 11.0, 11.0, None, float("nan")],
        "volume": [100] * 5,
    }  # fmt: skip
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table(table), path)
    (result,) = imported(tmp_path / "s", path, options=START)
    found = [(row["line"], row["kind"]) for row in reported(tmp_path / "s", result)]
    assert sorted(found) == [("2", "ticker"), ("3", "time"), ("4", "number"), ("5", "prices")]


# -- Lean -----------------------------------------------------------------------------------------


def lean(path: Path, text: str, member: str = "20250106_brk.b_minute_trade.csv") -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(member, text)
    return written(path, data.getvalue())


def test_a_lean_zip_says_everything_itself(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "minute" / "brk.b" / "20250106_trade.zip"
    lean(
        path,
        "34200000,100000,123400,99900,112345,100\n34260000,1,2,3,4,5\n34320000,1,2\nx,1,2,3,4,5\n86400000,1,1,1,1,1",
    )
    (result,) = imported(tmp_path / "s", path)
    assert bars(tmp_path / "s") == [("BRK.B", "2025-01-06 09:30", 11.2345, 100.0)]
    found = sorted((row["line"], row["kind"]) for row in reported(tmp_path / "s", result))
    assert found == [("2", "prices"), ("3", "malformed"), ("4", "time"), ("5", "time")]


def test_a_lean_zip_counts_wall_clock_time_on_the_day_the_clocks_change(tmp_path: Path) -> None:
    path = tmp_path / "equity" / "usa" / "minute" / "a" / "20250309_trade.zip"
    lean(path, "36000000,10000,10000,10000,10000,1", "20250309_a_minute_trade.csv")
    imported(tmp_path / "s", path)
    assert [bar[1] for bar in bars(tmp_path / "s")] == ["2025-03-09 10:00"]


@pytest.mark.parametrize(
    ("place", "member", "words"),
    [
        ("equity/usa/minute/a", "20250106_a_minute_quote.csv", "holds quotes"),
        ("equity/usa/minute/a", "readme.txt", "not one of Lean's"),
        ("equity/usa/minute/a", "20251306_a_minute_trade.csv", "not a date"),
        ("crypto/gdax/minute/a", "20250106_a_minute_trade.csv", "--format lean"),
    ],
)
def test_other_zips_are_not_bars(tmp_path: Path, place: str, member: str, words: str) -> None:
    path = lean(tmp_path / place / "20250106_trade.zip", "34200000,1,1,1,1,1", member)
    assert words in problem(tmp_path / "s", path)


def test_a_lean_zip_elsewhere_is_read_when_it_is_said_to_be_one(tmp_path: Path) -> None:
    path = lean(tmp_path / "20250106_trade.zip", "34200000,10000,10000,10000,10000,1")
    imported(tmp_path / "s", path, options=ReadOptions(format=Format.LEAN))
    assert bars(tmp_path / "s") == [("BRK.B", "2025-01-06 09:30", 1.0, 1.0)]


# -- folders --------------------------------------------------------------------------------------


def test_folders_are_walked_and_what_is_left_alone_is_counted(tmp_path: Path) -> None:
    names = [
        "b/2025-01-06.csv.gz",
        "a.parquet",
        "a/20250106_trade.zip",
        "a/20250106_quote.zip",
        "notes.md",
        ".hidden.csv",
    ]
    for name in names:
        written(tmp_path / name, "x")
    chosen, left = files_of([tmp_path, tmp_path / "a.parquet"])
    assert [str(path.relative_to(tmp_path)) for path in chosen] == [
        "a/20250106_trade.zip", "a.parquet", "b/2025-01-06.csv.gz",
    ]  # fmt: skip
    assert sorted(path.name for path in left) == ["20250106_quote.zip", "notes.md"]
    with pytest.raises(DataProblem, match="not a file"):
        files_of([tmp_path / "absent.csv"])
    assert DAY.isoformat() in names[0]
