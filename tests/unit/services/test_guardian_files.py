"""What the guardian reads and writes: whatever the bytes are, a valid line is protected and nothing raises."""

import datetime as dt
import hashlib
import hmac
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from services.guardian_files import parse, protected_row, read_heartbeat, read_protection, scaled_now, us_date
from services.guardian_rules import Protected

KEY = b"k" * 32
GOOD = {"ticker": "NVDA", "exchange": "NASD", "qty": 10, "stop_price": "90.5", "own": 3, "policy": "stop"}
ROW = Protected("NVDA", "NASD", 10, Decimal("90.5"), 3)


def leave(state: Path, document: object, *, name: str = "protect.json", key: bytes = KEY, raw: bytes = b"") -> None:
    (state / "protect.key").write_bytes(KEY)
    body = raw or json.dumps(document).encode()
    digest = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
    (state / name).write_bytes(body + b"\n" + digest + b"\n")


def rows(state: Path) -> list[Protected] | None:
    found = read_protection(state)
    return None if found is None else list(found.rows)


def document(*positions: object, **fields: object) -> dict[str, object]:
    return {"seq": 3, "written_at": "at", "venue": "kis_real", "positions": list(positions), **fields}


def test_a_genuine_file_is_read_with_everything_in_it(tmp_path: Path) -> None:
    leave(tmp_path, document(GOOD, buying=["AMD"], unknown={"a": 1}))
    found = read_protection(tmp_path)
    assert found is not None
    assert (found.seq, found.written_at, found.venue, found.rows, found.buying) == (
        3,
        "at",
        "kis_real",
        (ROW,),
        ("AMD",),
    )


def test_a_file_of_the_first_version_is_read_too(tmp_path: Path) -> None:
    old = {k: v for k, v in GOOD.items() if k not in {"own", "policy"}}
    leave(tmp_path, {"positions": [old]})
    found = read_protection(tmp_path)
    assert found is not None
    assert (found.seq, found.venue, found.buying) == (0, "", ())
    assert found.rows == (Protected("NVDA", "NASD", 10, Decimal("90.5"), None),)


@pytest.mark.parametrize(
    "change",
    [
        {"ticker": ""},
        {"ticker": "X" * 17},
        {"ticker": 5},
        {"ticker": "엔비디아"},
        {"exchange": "XXXX"},
        {"exchange": None},
        {"exchange": ["NASD"]},
        {"qty": -1},
        {"qty": 1.5},
        {"qty": "10"},
        {"qty": True},
        {"qty": None},
        {"qty": 10_000_001},
        {"stop_price": "NaN"},
        {"stop_price": "Infinity"},
        {"stop_price": "-1"},
        {"stop_price": "0"},
        {"stop_price": "1e999"},
        {"stop_price": "10000000.01"},
        {"stop_price": ""},
        {"stop_price": None},
        {"stop_price": []},
    ],
)
def test_a_line_that_makes_no_sense_costs_no_other_its_protection(
    tmp_path: Path, change: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path, document({**GOOD, **change}, GOOD))
    assert rows(tmp_path) == [ROW]
    assert "makes no sense" in caplog.text


@pytest.mark.parametrize("entry", [None, 5, "x", [], {}])
def test_a_line_that_is_no_line_costs_nothing(tmp_path: Path, entry: object) -> None:
    leave(tmp_path, document(entry, GOOD))
    assert rows(tmp_path) == [ROW]


def test_an_empty_position_is_no_mistake(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave(tmp_path, document({**GOOD, "qty": 0}))
    assert rows(tmp_path) == []
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"qty": 1}, {"qty": 1}),
        ({"qty": 10_000_000}, {"qty": 10_000_000}),
        ({"ticker": "X" * 16}, {"ticker": "X" * 16}),
        ({"exchange": "AMEX"}, {"exchange": "AMEX"}),
        ({"stop_price": "10000000"}, {"stop_price": Decimal(10_000_000)}),
        ({"stop_price": 90.5}, {}),
        ({"own": 0}, {"own": 0}),
        ({"own": 10_000_000}, {"own": 10_000_000}),
        ({"own": -1}, {"own": None}),
        ({"own": 10_000_001}, {"own": None}),
        ({"own": "3"}, {"own": None}),
        ({"own": True}, {"own": None}),
        ({"policy": "hold"}, {"hold": True}),
        ({"policy": "of tomorrow"}, {"hold": False}),
        ({"policy": None}, {"hold": False}),
        ({}, {"orders": None, "selling": 0}),
        ({"orders": {"20261117-1": 10, "20261117-2": 0}}, {"orders": {"20261117-1": 10, "20261117-2": 0}}),
        ({"orders": {}}, {"orders": {}}),
        ({"orders": {"a": 10_000_000}}, {"orders": {"a": 10_000_000}}),
        ({"orders": {"a": 10_000_001}}, {"orders": None}),
        ({"orders": {"a": 1, "b": -1}}, {"orders": None}),
        ({"orders": {"a": True}}, {"orders": None}),
        ({"orders": {"a": "1"}}, {"orders": None}),
        ({"orders": [1]}, {"orders": None}),
        ({"selling": 1}, {"selling": 1}),
        ({"selling": 10_000_000}, {"selling": 10_000_000}),
        ({"selling": 10_000_001}, {"selling": 0}),
        ({"selling": -1}, {"selling": 0}),
        ({"selling": True}, {"selling": 0}),
        ({"selling": "5"}, {"selling": 0}),
    ],
)
def test_every_value_has_its_bounds(change: dict[str, object], expected: dict[str, object]) -> None:
    row = protected_row({**GOOD, **change})
    assert row is not None
    for name, value in expected.items():
        assert getattr(row, name) == value


def test_of_two_lines_for_one_ticker_the_first_counts(tmp_path: Path) -> None:
    leave(tmp_path, document(GOOD, {**GOOD, "qty": 99}))
    assert rows(tmp_path) == [ROW]


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"[]",
        b"{}",
        b'{"positions": 5}',
        b'{"positions": null}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"positions": NaN}',
        b" ",
    ],
)
def test_a_signed_file_that_says_nothing_is_none(tmp_path: Path, raw: bytes) -> None:
    leave(tmp_path, None, raw=raw)
    assert rows(tmp_path) is None


def test_numbers_beyond_all_bounds_are_bad_lines_only(tmp_path: Path) -> None:
    raw = json.dumps(document(GOOD)).replace('"qty": 10', '"qty": 1e999').encode()
    leave(tmp_path, None, raw=raw)
    assert rows(tmp_path) == []
    leave(tmp_path, None, raw=json.dumps(document(GOOD)).replace('"seq": 3', '"seq": NaN').encode())
    found = read_protection(tmp_path)
    assert found is not None
    assert found.seq == 0


@pytest.mark.parametrize(("padding", "found"), [(0, True), (1, False)])
def test_a_file_longer_than_a_megabyte_is_not_ours(tmp_path: Path, padding: int, found: bool) -> None:
    bare = len(json.dumps(document(GOOD, pad="")).encode()) + 66
    leave(tmp_path, document(GOOD, pad="x" * (1_000_000 - bare + padding)))
    assert (tmp_path / "protect.json").stat().st_size == 1_000_000 + padding
    assert (rows(tmp_path) == [ROW]) is found


def test_a_forged_file_is_ignored_and_the_genuine_one_before_it_used(tmp_path: Path) -> None:
    leave(tmp_path, document(GOOD), name="protect.previous.json")
    leave(tmp_path, document({**GOOD, "qty": 999}), key=b"other")
    assert rows(tmp_path) == [ROW]


@pytest.mark.parametrize("cut", [0, 10, 60, -2, -60])
def test_a_torn_file_falls_back_to_the_one_before(tmp_path: Path, cut: int) -> None:
    leave(tmp_path, document(GOOD), name="protect.previous.json")
    leave(tmp_path, document({**GOOD, "qty": 7}))
    path = tmp_path / "protect.json"
    path.write_bytes(path.read_bytes()[:cut])
    assert rows(tmp_path) == [ROW]


def test_without_a_key_or_with_another_nothing_is_genuine(tmp_path: Path) -> None:
    leave(tmp_path, document(GOOD))
    (tmp_path / "protect.key").write_bytes(b"x" * 32)
    assert rows(tmp_path) is None
    (tmp_path / "protect.key").unlink()
    assert rows(tmp_path) is None
    assert rows(tmp_path / "nowhere") is None


# -- the heartbeat -------------------------------------------------------------------------------------


def beat(state: Path, content: object, *, mtime: float | None = None) -> None:
    path = state / "beats" / "trader"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    if mtime is not None:
        os.utime(path, (mtime, mtime))


def test_a_heartbeat_tells_everything_as_text(tmp_path: Path) -> None:
    beat(
        tmp_path,
        {
            "mono": "95.5",
            "pid": "7",
            "started": "123",
            "standby": "yes",
            "epoch": "1 trader",
            "stops": '{"NVDA": 90, "AMD": "x", "TSLA": "91.5"}',
            "market_open": "False",
        },
    )
    found = read_heartbeat(tmp_path, 100.0, 0.0)
    assert (found.age_s, found.pid, found.started, found.standby, found.fenced, found.market_open) == (
        4.5,
        7,
        "123",
        True,
        True,
        False,
    )
    assert found.stops == {"NVDA": 90.0, "TSLA": 91.5}


def test_the_age_is_by_the_monotonic_clock_whatever_the_file_says(tmp_path: Path) -> None:
    beat(tmp_path, {"mono": "95"}, mtime=0.0)
    assert read_heartbeat(tmp_path, 100.0, 1e9).age_s == 5.0
    assert read_heartbeat(tmp_path, 95.0, 1e9).age_s == 0.0
    assert read_heartbeat(tmp_path, 94.9, 1e9).age_s == float("inf"), "from before the machine started again"


@pytest.mark.parametrize(
    "content", [{}, {"mono": "x"}, {"mono": "nan"}, {"mono": "1e999"}, {"mono": None}, b"", b"[]", b"{"]
)
def test_an_old_or_broken_heartbeat_is_as_old_as_its_file(tmp_path: Path, content: object) -> None:
    beat(tmp_path, content, mtime=1000.0)
    assert read_heartbeat(tmp_path, 5.0, 1004.0).age_s == 4.0
    assert read_heartbeat(tmp_path, 5.0, 990.0).age_s == 0.0


def test_no_heartbeat_is_infinitely_old(tmp_path: Path) -> None:
    found = read_heartbeat(tmp_path, 5.0, 5.0)
    assert found.age_s == float("inf")
    assert (found.pid, found.started, found.standby, found.fenced, found.market_open, found.stops) == (
        0,
        "",
        False,
        False,
        True,
        None,
    )


@pytest.mark.parametrize(
    ("pid", "found"),
    [("-1", 0), ("0", 0), ("x", 0), (None, 0), ("2147483648", 0), ("2147483647", 2147483647), ("1", 1)],
)
def test_a_process_number_is_one_or_none(tmp_path: Path, pid: str | None, found: int) -> None:
    beat(tmp_path, {"mono": "1", "pid": pid})
    assert read_heartbeat(tmp_path, 1.0, 0.0).pid == found


@pytest.mark.parametrize(("stops", "found"), [("{}", {}), ("[]", None), ("x", None), (5, None), ({"A": 1}, {"A": 1.0})])
def test_looks_at_stops_are_an_object_or_none(tmp_path: Path, stops: object, found: object) -> None:
    beat(tmp_path, {"mono": "1", "stops": stops})
    assert read_heartbeat(tmp_path, 1.0, 0.0).stops == found


# -- time ----------------------------------------------------------------------------------------------


def test_the_us_date_is_new_yorks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEOHAK_CLOCK_ORIGIN", raising=False)
    wall = dt.datetime(2026, 11, 18, 4, 59, tzinfo=dt.UTC).timestamp()
    assert us_date(wall) == "20261117"
    assert us_date(wall + 60) == "20261118"
    assert us_date(wall, -1) == "20261116"
    assert scaled_now(wall).isoformat() == "2026-11-18T04:59:00+00:00"


def test_the_us_date_follows_the_sandboxs_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEOHAK_CLOCK_ORIGIN", "2026-11-18T12:00:00+09:00")
    monkeypatch.setenv("SEOHAK_CLOCK_STARTED", "1000")
    assert us_date(1_000.0) == "20261117"
    assert scaled_now(1_060.0).isoformat() == "2026-11-18T03:01:00+00:00"
    monkeypatch.setenv("SEOHAK_CLOCK_SPEED", "60")
    assert scaled_now(1_060.0).isoformat() == "2026-11-18T04:00:00+00:00"


def test_json_that_is_none_is_none() -> None:
    assert parse(b"{") is None
    assert parse(b'{"a": 1}') == {"a": 1}
