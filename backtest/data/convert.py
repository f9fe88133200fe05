"""Columns of loose values (text, numbers, timestamps) as the columns of bars, with a reason for every row that fails."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backtest.data.day import BoolArray, CodeArray, IntArray
from backtest.data.manifest import DataProblem
from backtest.data.options import PER_SECOND, Label, Layout, ReadOptions, Unit, needs_label
from backtest.data.rows import Action, Chunk, Finding, Kind, Rows, shown
from core.model.bar import MINUTE_MS, FloatArray

# 1980 and 2100: a number outside them in one unit is a date inside them in another
EARLIEST_S, LATEST_S = 315_532_800, 4_102_444_800
NO_TIME = -(2**62)
QUARTER_S = 900
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ZONELESS = "{}: its times have no zone: say --timezone America/New_York (or UTC, ...)"
# so many rows tell what the times of a file are
FIRST = 1000
DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}[ T]|\d{4}-\d{2}-\d{2}$")
# what may stand around a value: the CSV reader leaves quotes alone where the header has none
AROUND = ' \t\r"'


class Plan(msgspec.Struct, kw_only=True):
    """How the columns of one file become bars; `unit` and `written` are found out where the times begin."""

    path: Path
    layout: Layout
    label: Label
    ticker: str = ""
    timezone: str = ""
    unit: Unit | None = None
    written: bool | None = None
    time_format: str = ""


def plan_of(path: Path, layout: Layout, options: ReadOptions) -> Plan:
    """Of a generic file. Raises DataProblem where the label is needed and was not said."""
    return Plan(
        path=path,
        layout=layout,
        # a column with the bar's end makes the other one its start
        label=Label.START if layout.end else needs_label(path, options),
        ticker=options.ticker_of(path),
        timezone=options.timezone,
        unit=options.time_unit,
        time_format=options.time_format,
    )


def chunk_of(columns: dict[str, pa.Array], lines: IntArray, plan: Plan) -> Chunk:
    """One batch of a file as bars; what can't be read is a finding with its line."""
    layout = plan.layout
    count = len(lines)
    names, code, bad = _tickers(columns[layout.ticker], count) if layout.ticker else ((plan.ticker,), *_one(count))
    reasons: list[tuple[Kind, BoolArray, Sequence[str]]] = [(Kind.TICKER, bad, [layout.ticker])]
    moments = columns[layout.time]
    if layout.date:
        moments = pc.binary_join_element_wise(_text(columns[layout.date]), _text(moments), " ")
    start, fine = _instants(moments, plan)
    if layout.end:
        ends, fine_ends = _instants(columns[layout.end], plan)
        reasons.append((Kind.TIME, (start == NO_TIME) | (ends == NO_TIME), [layout.date, layout.time, layout.end]))
        reasons.append((Kind.OFF_MINUTE, ~fine, [layout.date, layout.time]))
        reasons.append((Kind.LENGTH, (ends - start != MINUTE_MS) | ~fine_ends, [layout.time, layout.end]))
    else:
        reasons.append((Kind.TIME, start == NO_TIME, [layout.date, layout.time]))
        reasons.append((Kind.OFF_MINUTE, ~fine, [layout.date, layout.time]))
    values: list[FloatArray] = []
    for name in layout.values:
        number, unread = _numbers(columns[name])
        values.append(number)
        reasons.append((Kind.NUMBER, unread, [name]))
    refused = np.zeros(count, np.bool_)
    findings: list[Finding] = []
    for kind, mask, sources in reasons:
        fresh = np.flatnonzero(mask & ~refused)
        for i in fresh.tolist():
            said = " ".join(f"{name}={shown(columns[name][i].as_py())}" for name in sources if name)
            ticker = names[code[i]] if code[i] >= 0 else ""
            findings.append(Finding(int(lines[i]), Action.REFUSED, kind, shown(ticker, 32), text=said))
        refused |= mask
    if plan.label is Label.END:
        start = start - MINUTE_MS
    rows = Rows(names, code, start, lines, *values)
    return Chunk(rows.take(~refused) if findings else rows, findings)


def _one(count: int) -> tuple[CodeArray, BoolArray]:
    return np.zeros(count, np.int32), np.zeros(count, np.bool_)


def _tickers(column: pa.Array, count: int) -> tuple[tuple[str, ...], CodeArray, BoolArray]:
    """Names, an index per row (-1 where there is none), and what is no text."""
    if not _is_text(column.type) and not pa.types.is_dictionary(column.type):
        return (), np.full(count, -1, np.int32), np.ones(count, np.bool_)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    raw = encoded.dictionary.to_pylist() if _is_text(encoded.dictionary.type) else [None] * len(encoded.dictionary)
    names, bad = [], np.zeros(len(raw) + 1, np.bool_)
    for i, value in enumerate(raw):
        try:
            names.append((value.decode() if isinstance(value, bytes) else value or "").strip(AROUND))
        except UnicodeDecodeError:
            names.append("")
        bad[i] = not names[-1]
    bad[-1] = True
    code = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return tuple(names), code, bad[code]


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    )


def _text(column: pa.Array) -> pa.Array:
    """As text without blanks around it; what is not UTF-8 becomes null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_date(column.type):
        column = column.cast(pa.string())
    if not _is_text(column.type):
        column = column.cast(pa.string())
    try:
        return pc.utf8_trim(column.cast(pa.string()), AROUND)
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in column.to_pylist()], pa.string())


def _decoded(value: bytes | str | None) -> str | None:
    try:
        return value.decode().strip(AROUND) if isinstance(value, bytes) else value and value.strip(AROUND)
    except UnicodeDecodeError:
        return None


def _numbers(column: pa.Array) -> tuple[FloatArray, BoolArray]:
    """Floats, and which rows are none (their value is NaN); a NaN that was written as one is left to the checks."""
    if pa.types.is_boolean(column.type):
        return np.full(len(column), np.nan), np.ones(len(column), np.bool_)
    if _is_text(column.type) or pa.types.is_dictionary(column.type):
        column = _text(column)
    try:
        floats = pc.cast(column, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        floats = pa.array([_number(value) for value in column.to_pylist()], pa.float64())
    missing = floats.is_null().to_numpy(zero_copy_only=False)
    return floats.fill_null(float("nan")).to_numpy(zero_copy_only=False), missing


def _number(value: Any) -> float | None:
    """One value as a float; Python's own leniency (underscores) is not ours."""
    if not isinstance(value, str | int | float) or isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


# -- time ----------------------------------------------------------------------------------------


def _instants(column: pa.Array, plan: Plan) -> tuple[IntArray, BoolArray]:
    """Epoch milliseconds (NO_TIME where there is none), and whether they lie on a millisecond exactly."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        return _stamps(column, plan)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _epochs(column, plan)
    text = _text(column)
    if plan.time_format:
        return _parsed(text, plan, lambda value: dt.datetime.strptime(value, plan.time_format))  # noqa: DTZ007
    if plan.unit is None and _written_out(text, plan):
        return _written(text, plan)
    return _epochs(_whole_numbers(text), plan)


def _written_out(text: pa.Array, plan: Plan) -> bool:
    """Whether a file's times are dates rather than numbers: what most of its first ones are."""
    if plan.written is None:
        head = [value for value in text.to_pylist()[:FIRST] if value]
        numbers = sum(1 for value in head if value.replace(".", "", 1).isdigit())
        dates = sum(1 for value in head if DATE.match(value))
        if not dates and not numbers:
            return False
        plan.written = dates > numbers
    return plan.written


def _whole_numbers(text: pa.Array) -> pa.Array:
    try:
        return text.cast(pa.int64())
    except pa.ArrowInvalid:
        return pa.array([_whole(value) for value in text.to_pylist()], pa.int64())


def _whole(value: str | None) -> int | None:
    number, _, rest = (value or "").partition(".")
    if not (number.isascii() and number.isdigit() and len(number) < 20) or rest.strip("0"):
        return None
    return whole if (whole := int(number)) < 2**63 else None


def _epochs(column: pa.Array, plan: Plan) -> tuple[IntArray, BoolArray]:
    """Times that are numbers; their unit is said, or certain from their size."""
    if pa.types.is_floating(column.type):
        floats = column.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)
        whole = np.isfinite(floats) & (np.floor(floats) == floats) & (np.abs(floats) < 2**62)
        numbers, absent = np.where(whole, floats, 0).astype(np.int64), ~whole
    else:
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            column = pa.array([v if v is not None and v < 2**62 else None for v in column.to_pylist()], pa.int64())
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        absent = column.is_null().to_numpy(zero_copy_only=False)
    if plan.unit is None:
        plan.unit = _unit_of(numbers[~absent])
    if plan.unit is None:
        return np.full(len(numbers), NO_TIME), np.ones(len(numbers), np.bool_)
    per_second = PER_SECOND[plan.unit]
    inside = ~absent & (numbers >= EARLIEST_S * per_second) & (numbers < LATEST_S * per_second)
    exact = np.ones(len(numbers), np.bool_)
    if per_second >= 1000:
        exact = ~inside | (numbers % (per_second // 1000) == 0)
        ms = numbers // (per_second // 1000)
    else:
        ms = np.where(inside, numbers, 0) * 1000
    return np.where(inside, ms, NO_TIME), exact


def _unit_of(numbers: IntArray) -> Unit | None:
    """The unit in which most of the first numbers are instants of our time; the units' ranges do not overlap."""
    head = numbers[:FIRST]
    counts = {
        unit: int(np.count_nonzero((head >= EARLIEST_S * per_second) & (head < LATEST_S * per_second)))
        for unit, per_second in PER_SECOND.items()
    }
    unit = max(counts, key=counts.__getitem__)
    return unit if counts[unit] else None


def _stamps(column: pa.Array, plan: Plan) -> tuple[IntArray, BoolArray]:
    """Timestamps with a zone, or in the zone that was said."""
    unit = Unit(column.type.unit)
    numbers = column.cast(pa.int64())
    if column.type.tz is None:
        if not plan.timezone:
            raise DataProblem(ZONELESS.format(plan.path.name))
        local = numbers.fill_null(0).to_numpy(zero_copy_only=False)
        numbers = pa.array(_utc(local, unit, plan.timezone), mask=numbers.is_null().to_numpy(zero_copy_only=False))
    return _epochs(numbers, Plan(path=plan.path, layout=plan.layout, label=plan.label, unit=unit))


def _utc(local: IntArray, unit: Unit, timezone: str) -> IntArray:
    """Wall-clock times as instants, by Python's zones (Arrow needs the system's); offsets change on quarters of an hour."""
    zone, per_second = zoneinfo.ZoneInfo(timezone), PER_SECOND[unit]
    inside = (local >= EARLIEST_S * per_second) & (local < LATEST_S * per_second)
    quarters, which = np.unique(
        np.where(inside, local, EARLIEST_S * per_second) // (QUARTER_S * per_second), return_inverse=True
    )
    offsets = np.empty(len(quarters), np.int64)
    for i, quarter in enumerate(quarters.tolist()):
        wall = EPOCH.replace(tzinfo=zone) + dt.timedelta(seconds=quarter * QUARTER_S)
        offsets[i] = (wall.utcoffset() or dt.timedelta()) // dt.timedelta(seconds=1)
    return np.where(inside, local - offsets[which] * per_second, local)


def _written(text: pa.Array, plan: Plan) -> tuple[IntArray, BoolArray]:
    """ISO 8601, with offsets or in the zone that was said."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            stamps = text.cast(kind)
        except pa.ArrowInvalid:
            continue
        return _stamps(stamps, plan)
    return _parsed(text, plan, dt.datetime.fromisoformat)


def _parsed(text: pa.Array, plan: Plan, read: Callable[[str], dt.datetime]) -> tuple[IntArray, BoolArray]:
    """One by one, each spelling once: slower, and as strict as Python (Arrow's own strptime knows a 30th of February)."""
    zone = zoneinfo.ZoneInfo(plan.timezone) if plan.timezone else None

    def micros(value: str | None) -> int | None:
        try:
            at = read(value or "")
        except ValueError:
            return None
        if at.tzinfo is None and zone is None:
            raise DataProblem(ZONELESS.format(plan.path.name))
        return ((at if at.tzinfo else at.replace(tzinfo=zone)) - EPOCH) // dt.timedelta(microseconds=1)

    encoded = text.dictionary_encode()
    read_once = pa.array([micros(value) for value in encoded.dictionary.to_pylist()], pa.int64())
    plan = Plan(path=plan.path, layout=plan.layout, label=plan.label, unit=Unit.US)
    return _epochs(read_once.take(encoded.indices), plan)
