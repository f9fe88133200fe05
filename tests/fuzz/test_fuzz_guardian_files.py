"""Damaged files of trader and guardian: nothing crashes, no nonsense is believed, no good row is lost for a bad one."""

import datetime as dt
import hashlib
import hmac
import json
import math
import random
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from services import guardian_files
from services.fence import lock_holder, read_epoch, read_some
from services.guardian_files import read_heartbeat, read_protection
from services.protect import guardian_sales
from tests.fuzz.mutants import damaged, fuzz, mutate, wire

AT = dt.datetime(2026, 11, 18, 15, 0, tzinfo=dt.UTC)
KEY = b"k" * 32
MONO, WALL = 50_000.0, AT.timestamp()
ROWS: tuple[dict[str, object], ...] = (
    {"ticker": "QBIT", "exchange": "NASD", "qty": 120, "stop_price": "8.5000", "own": 0, "policy": "stop", "orders": {"20261117-31": 100, "20261118-32": 20}, "selling": 20},
    {"ticker": "BRK.B", "exchange": "NYSE", "qty": 3, "stop_price": "410.25", "own": 2, "policy": "hold", "orders": {}, "selling": 0},
    {"ticker": "HELI", "exchange": "AMEX", "qty": 9000, "stop_price": "0.4321", "own": 10, "policy": "stop"},
)  # fmt: skip
DOCUMENT = {"seq": 41, "written_at": AT.isoformat(), "venue": "kis_real", "positions": list(ROWS), "buying": ["NVDA"]}
SALES: tuple[dict[str, object], ...] = (
    {"event": "took_over", "heartbeat_age_s": 16.2, "positions": 2, "wall": WALL},
    {"event": "selling", "key": "k1", "ticker": "QBIT", "qty": 120, "limit": "8.46", "sent_at": AT.isoformat()},
    {"event": "sold", "key": "k1", "ticker": "QBIT", "qty": 120, "limit": "8.46", "ord_dt": "20261118", "odno": "31", "sent_at": AT.isoformat()},
    {"event": "selling", "key": "k2", "ticker": "HELI", "qty": 9, "limit": "0.43", "sent_at": AT.isoformat()},
    {"event": "refused", "key": "k2", "code": "APBK0918"},
    {"event": "selling", "key": "k3", "ticker": "BRK.B", "qty": 3, "limit": "408.2", "sent_at": AT.isoformat()},
    {"event": "handed_back", "wall": WALL},
)  # fmt: skip
BEAT = {
    "pid": "4711", "started": "991", "mono": "49999.5", "at": AT.isoformat(), "version": "0.1.0", "standby": "no",
    "epoch": "7 trader", "market_open": "True", "stops": json.dumps({"QBIT": 49_998.0, "HELI": 49_990.0}),
}  # fmt: skip


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Files by name, instead of sixty thousand real ones; a name that is not there can't be read."""
    files: dict[str, bytes] = {}

    def read(path: Path, most: int = 4096) -> bytes | None:
        content = files.get(path.name)
        return content if content is not None and len(content) <= most else None

    def read_bytes(path: Path) -> bytes:
        if path.name not in files:
            raise FileNotFoundError(path.name)
        return files[path.name]

    for module in ("services.guardian_files", "services.protect", "services.fence"):
        monkeypatch.setattr(f"{module}.read_some", read)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    yield files
    monkeypatch.undo()


def signed(body: bytes, key: bytes = KEY) -> bytes:
    return body + b"\n" + hmac.new(key, body, hashlib.sha256).hexdigest().encode() + b"\n"


def money(value: object) -> Decimal | None:
    """A positive price up to ten million, however it is written: the file is signed, and protection is worth more than form."""
    if isinstance(value, bool | list | dict) or value is None:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 < found <= 10_000_000 else None


def sensible(row: object) -> bool:
    """Whether a line of protect.json protects something that can be sold."""
    if not isinstance(row, dict):
        return False
    ticker, qty = row.get("ticker"), row.get("qty")
    if not isinstance(ticker, str) or not re.fullmatch(r"[!-~]{1,16}", ticker):
        return False
    known = row.get("exchange") in ("NASD", "NYSE", "AMEX") if isinstance(row.get("exchange"), str) else False
    whole = type(qty) is int and 0 < qty <= 10_000_000
    return known and whole and money(row.get("stop_price")) is not None


def test_protect_json_protects_what_makes_sense_and_nothing_else(disk: dict[str, bytes]) -> None:
    folder = Path("state")

    def check(rng: random.Random, notes: list[object]) -> None:
        document: object = DOCUMENT
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            document = mutate(rng, document)
        body = damaged(rng, wire(document), 0.15).replace(b"\n", b" ")
        genuine = rng.random() < 0.85
        content = signed(body) if genuine else damaged(rng, signed(body, rng.choice((KEY, b"x" * 32))), 1.0)
        notes.append(content)
        disk.clear()
        disk["protect.key"] = KEY
        disk["protect.json"] = content
        previous = rng.random() < 0.3
        if previous:
            disk["protect.previous.json"] = signed(wire({**DOCUMENT, "seq": 40, "positions": [ROWS[0]]}))
        found = read_protection(folder)
        if found is None:
            assert not previous, "a genuine previous version was not taken"
            assert not genuine or document is not DOCUMENT or body != wire(DOCUMENT), "a good file was refused"
            return
        if previous and found.seq == 40 and len(found.rows) == 1:
            # the previous version stands in; the newer one was not genuine, or no document
            return
        lines, mac = content.split(b"\n", 1)
        assert hmac.new(KEY, lines, hashlib.sha256).hexdigest().encode() == mac.strip(), "an unsigned file was believed"
        raw = json.loads(lines)
        rows = [row for row in raw["positions"] if sensible(row)]
        assert {r.ticker for r in found.rows} == {row["ticker"] for row in rows}, "a row was lost, or nonsense believed"
        for row in found.rows:
            source = next(r for r in rows if r["ticker"] == row.ticker)
            assert (row.exchange, row.qty, row.stop_price) == (
                source["exchange"],
                source["qty"],
                money(source["stop_price"]),
            )
            assert row.own is None or (row.own == source["own"] and 0 <= row.own <= 10_000_000)
            assert row.hold == (source.get("policy") == "hold")
            assert row.orders is None or row.orders == source["orders"]
            assert all(type(n) is int and 0 <= n <= 10_000_000 for n in (row.orders or {}).values())
            assert row.selling == 0 or (row.selling == source["selling"] and 0 < row.selling <= 10_000_000)
        assert type(found.seq) is int
        assert all(isinstance(t, str) for t in (*found.buying, found.venue, found.written_at))

    fuzz("protect.json", check)


def test_the_guardians_sales_are_whole_positive_and_none_is_lost(disk: dict[str, bytes]) -> None:
    folder = Path("state")

    def check(rng: random.Random, notes: list[object]) -> None:
        lines = [wire(fields) for fields in SALES]
        at = rng.randrange(len(lines))
        lines[at] = damaged(rng, wire(mutate(rng, SALES[at])), 0.4)
        if rng.random() < 0.2:
            lines.insert(at, damaged(rng, lines[at], 1.0))
        content = b"\n".join(lines) + (b"\n" if rng.random() < 0.8 else b"")
        notes.append(content)
        disk.clear()
        disk["guardian.ndjson"] = content
        sales = list(guardian_sales(folder, AT))
        assert len({s.key for s in sales}) == len(sales), "a sale came twice"
        for sale in sales:
            assert type(sale.qty) is int
            assert 0 < sale.qty <= 10_000_000, "a sale of no, or impossibly many, shares"
            assert sale.limit.is_finite()
            assert 0 < sale.limit <= 10_000_000, "a sale at no price"
            assert sale.ticker, "a sale of nothing"
            assert sale.ticker.isascii()
            assert sale.sent_at.tzinfo is not None
            assert sale.ref is None or (sale.ref.odno.isascii() and sale.ref.odno.isdigit()), (
                "an order number that is none"
            )
            assert sale.ref is None or (sale.ref.ord_dt.isascii() and sale.ref.ord_dt.isdigit()), (
                "an order date that is none"
            )
            assert sale.key
        # one line is hurt; what the others say must be booked
        told: dict[str, bool] = {}
        for number, fields in enumerate(SALES):
            if number != at and fields["event"] in {"selling", "sold"}:
                told[str(fields["key"])] = True
        refused = [n for n, fields in enumerate(SALES) if fields["event"] == "refused"]
        for key in told:
            if key == "k2" and refused != [at]:
                continue
            renamed = any(
                isinstance(f := guardian_files.parse(line), dict)
                and f.get("event") == "refused"
                and str(f.get("key")) == key
                for line in lines
            )
            assert renamed or key in {s.key for s in sales}, "a sale was lost because of another line"

    fuzz("guardian.ndjson", check)


def test_a_guardian_starts_on_any_journal_and_keeps_what_it_must_know(disk: dict[str, bytes]) -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        lines = [wire(fields) for fields in SALES]
        at = rng.randrange(len(lines))
        lines[at] = damaged(rng, wire(mutate(rng, SALES[at])), 0.4)
        content = b"\n".join(lines) + (b"\n" if rng.random() < 0.8 else b"")
        notes.append(content)
        disk.clear()
        disk["guardian.ndjson"] = content
        journal = guardian_files.Journal(Path("no-such-folder"), lambda: WALL)
        kinds = [fields["event"] for fields in journal.events]
        if at != 0:
            assert "took_over" in kinds, "a takeover was forgotten because of another line"
        if at != len(SALES) - 1:
            assert "handed_back" in kinds
        assert all(isinstance(fields, dict) for fields in journal.since("took_over"))
        journal.compact(frozenset({"k1"}))

    fuzz("guardian journal", check)


def test_any_heartbeat_gives_an_age_and_never_one_below_zero(disk: dict[str, bytes]) -> None:
    folder = Path("no-such-folder")

    def check(rng: random.Random, notes: list[object]) -> None:
        document = mutate(rng, BEAT) if rng.random() < 0.9 else BEAT
        content = damaged(rng, wire(document), 0.25)
        notes.append(content)
        disk.clear()
        disk["trader"] = content
        beat = read_heartbeat(folder, MONO, WALL)
        assert not math.isnan(beat.age_s), "an age that is no number"
        assert beat.age_s >= 0, "an age below zero"
        assert 0 <= beat.pid < 2**31
        assert type(beat.fresh) is bool
        for ticker in ("QBIT", "HELI", "GONE"):
            unseen = beat.unseen_s(ticker, MONO - 60, MONO)
            assert math.isfinite(unseen)
            assert unseen >= 0, "a look in the future counts as one"
        if beat.stops is not None:
            assert all(isinstance(t, str) and math.isfinite(at) for t, at in beat.stops.items())
        if beat.fresh:
            raw = json.loads(content)
            assert MONO - 15 <= float(raw["mono"]) <= MONO, "a beat counts as fresh that is not"
        if document is BEAT and content == wire(BEAT):
            assert beat.age_s == 0.5
            assert beat.pid == 4711

    fuzz("heartbeats", check)


def test_epoch_and_lock_files_are_texts_and_objects_whatever_is_in_them(disk: dict[str, bytes]) -> None:
    folder = Path("state")
    holder = {"who": "trader", "pid": 4711, "started": "991", "mono": 49_999.5, "epoch": "7 trader"}

    def check(rng: random.Random, notes: list[object]) -> None:
        disk.clear()
        disk["epoch"] = damaged(rng, b"7 trader\n", 0.8)
        disk["orders.lock"] = damaged(rng, wire(mutate(rng, holder)), 0.5)
        notes += disk.values()
        epoch = read_epoch(folder)
        assert isinstance(epoch, str)
        assert "\n" not in epoch.strip("\n") or disk["epoch"].strip().count(b"\n")
        assert isinstance(lock_holder(folder), dict)

    fuzz("epoch and lock", check)


def test_read_some_refuses_what_is_too_long_to_be_ours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4096)
    assert read_some(path) == b"x" * 4096
    path.write_bytes(b"x" * 4097)
    assert read_some(path) is None
