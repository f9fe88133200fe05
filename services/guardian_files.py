"""The guardian's files: what the trader leaves it, and what it leaves the trader. Standard library only."""

import datetime as dt
import hashlib
import hmac
import json
import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from services.fence import read_some, replace
from services.guardian_rules import Heartbeat, Protected, Protection

log = logging.getLogger("guardian")
MOST_BYTES = 1_000_000
MOST_QTY, MOST_USD = 10_000_000, Decimal(10_000_000)
TICKER = re.compile(r"[!-~]{1,16}", re.ASCII)
EXCHANGES = ("NASD", "NYSE", "AMEX")
JOURNAL, PREVIOUS, ADOPTED = "guardian.ndjson", "guardian.previous.ndjson", "guardian.adopted"
# what a guardian that starts again must know; the rest of the journal is for the trader
REMEMBERED = frozenset({"took_over", "resumed", "handed_back", "watching", "gone"})
SALES = frozenset({"selling", "sold"})
Fields = dict[str, object]


def scaled_now(wall: float) -> dt.datetime:
    """The instant (UTC) of a wall clock's seconds, on the sandbox's scaled clock where there is one."""
    if origin := os.environ.get("SEOHAK_CLOCK_ORIGIN"):
        elapsed = wall - float(os.environ["SEOHAK_CLOCK_STARTED"])
        speed = float(os.environ.get("SEOHAK_CLOCK_SPEED", "1"))
        return (dt.datetime.fromisoformat(origin) + dt.timedelta(seconds=elapsed * speed)).astimezone(dt.UTC)
    return dt.datetime.fromtimestamp(wall, dt.UTC)


def us_date(wall: float, days: int = 0) -> str:
    """The New York date as KIS writes it, `days` later."""
    day = scaled_now(wall).astimezone(ZoneInfo("America/New_York")) + dt.timedelta(days=days)
    return day.strftime("%Y%m%d")


def read_json(path: Path) -> object:
    """The JSON of a small file, None where there is none."""
    content = read_some(path, MOST_BYTES)
    return None if content is None else parse(content)


def parse(content: bytes) -> object:
    """JSON, or None where it is none; whatever the bytes are, this does not raise."""
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found


def protected_row(row: object) -> Protected | None:
    """One line of protect.json; None where it makes no sense or protects nothing."""
    if not isinstance(row, dict):
        return None
    ticker, exchange, qty, own = row.get("ticker"), row.get("exchange"), row.get("qty"), row.get("own")
    if not isinstance(ticker, str) or not TICKER.fullmatch(ticker):
        return None
    if exchange not in EXCHANGES or type(qty) is not int or not 0 < qty <= MOST_QTY:
        return None
    try:
        stop = Decimal(str(row.get("stop_price"))[:32])
    except InvalidOperation:
        return None
    if not stop.is_finite() or not 0 < stop <= MOST_USD:
        return None
    # a nonsensical number of own shares must not cost the position its protection: the guardian works it out itself
    known = type(own) is int and 0 <= own <= MOST_QTY
    hold, selling = row.get("policy") == "hold", row.get("selling")
    pending = selling if type(selling) is int and 0 <= selling <= MOST_QTY else 0
    return Protected(
        ticker, str(exchange), qty, stop, own if known else None, hold, _orders(row.get("orders")), pending
    )


def _orders(value: object) -> dict[str, int] | None:
    """Filled shares by order; None, as in an old file, where that makes no sense."""
    if not isinstance(value, dict) or not all(type(n) is int and 0 <= n <= MOST_QTY for n in value.values()):
        return None
    return value


def read_protection(state_dir: Path) -> Protection | None:
    """The genuine protect.json, else its previous version, else None. Lines that make no sense are left out."""
    try:
        key = (state_dir / "protect.key").read_bytes()
    except OSError:
        return None
    for name in ("protect.json", "protect.previous.json"):
        content = read_some(state_dir / name, MOST_BYTES)
        body, _, rest = (content or b"").partition(b"\n")
        if not hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest().encode(), rest.removesuffix(b"\n")):
            continue
        document = parse(body)
        if isinstance(document, dict) and isinstance(document.get("positions"), list):
            return _protection(document)
    return None


def _protection(document: Fields) -> Protection:
    rows: dict[str, Protected] = {}
    listed = document["positions"]
    assert isinstance(listed, list)
    for entry in listed:
        row = protected_row(entry)
        if row is not None:
            rows.setdefault(row.ticker, row)
        elif not isinstance(entry, dict) or entry.get("qty") != 0:
            log.error("a line of protect.json makes no sense and is left out")
    seq, buying = document.get("seq"), document.get("buying")
    tickers = tuple(str(t) for t in buying) if isinstance(buying, list) else ()
    return Protection(
        seq=seq if type(seq) is int else 0,
        written_at=str(document.get("written_at", "")),
        venue=str(document.get("venue", "")),
        rows=tuple(rows.values()),
        buying=tickers,
    )


def _number(value: object) -> float | None:
    """A finite number, also when it was written as text."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_heartbeat(state_dir: Path, mono: float, wall: float) -> Heartbeat:
    """The trader's last sign of life, by the monotonic clock of this boot; old formats by the file's date."""
    path = state_dir / "beats" / "trader"
    found = read_json(path)
    beat: Mapping[str, object] = found if isinstance(found, dict) else {}
    beaten = _number(beat.get("mono"))
    if beaten is not None:
        # a beat from the future is one from before the machine started again
        age = mono - beaten if beaten <= mono else math.inf
    else:
        try:
            age = max(0.0, wall - path.stat().st_mtime)
        except OSError:
            age = math.inf
    pid, stops = _number(beat.get("pid")), beat.get("stops")
    looks = parse(stops.encode(errors="replace")) if isinstance(stops, str) else stops
    return Heartbeat(
        age_s=age,
        pid=int(pid) if pid is not None and 0 < pid < 2**31 else 0,
        started=str(beat.get("started", "")),
        standby=beat.get("standby") == "yes",
        fenced="epoch" in beat,
        market_open=beat.get("market_open") != "False",
        stops={t: n for t, v in looks.items() if (n := _number(v)) is not None} if isinstance(looks, dict) else None,
    )


def sale_key(fields: Mapping[str, object]) -> str:
    """What identifies a sale in the journal; the first version wrote nothing but the order's number."""
    if key := fields.get("key"):
        return str(key)
    return f"{fields.get('ord_dt')}:{fields.get('odno')}" if fields.get("odno") else ""


class Journal:
    """guardian.ndjson: what the guardian did, for the trader and for a guardian that starts again.

    A line is on the disk before what it tells of is done; where the disk does not take it, it waits in memory.
    """

    def __init__(self, state_dir: Path, wall: Callable[[], float]) -> None:
        self._path, self._wall = state_dir / JOURNAL, wall
        self._waiting: list[bytes] = []
        self.events: list[Fields] = [fields for _, fields in self._lines() if fields.get("event") in REMEMBERED]

    def _lines(self) -> list[tuple[bytes, Fields]]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except OSError:
            return []
        found = [(line, fields) for line in lines if isinstance(fields := parse(line), dict)]
        # an event that is no text can't be looked up
        return [(line, fields) for line, fields in found if isinstance(fields.get("event"), str)]

    def record(self, **fields: object) -> None:
        """Append one line and sync it; never raises."""
        log.warning("%s", fields)
        fields["wall"] = self._wall()
        if fields["event"] in REMEMBERED:
            self.events.append(fields)
        self._waiting.append(json.dumps(fields).encode() + b"\n")
        self.flush()

    def flush(self) -> None:
        """Try to write what waits."""
        if not self._waiting:
            return
        try:
            with self._path.open("a+b") as file:
                size = self._append(file.fileno())
        except OSError as error:
            log.error("%d lines of the journal wait in memory: %s", len(self._waiting), error.strerror)
            return
        self._waiting.clear()
        if size > MOST_BYTES:
            self.compact(frozenset())

    def _append(self, descriptor: int) -> int:
        size = os.fstat(descriptor).st_size
        # a torn last line must not swallow the next one
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + b"".join(self._waiting)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        return os.fstat(descriptor).st_size

    def since(self, event: str) -> list[Fields]:
        """What was recorded after the last `event`, sales left out."""
        last = max((n for n, fields in enumerate(self.events) if fields.get("event") == event), default=-1)
        return self.events[last + 1 :]

    def compact(self, adopted: frozenset[str]) -> None:
        """Drop refused sales, those that the trader has adopted, and what is older than the last two hand-backs."""
        lines = self._lines()
        if not lines:
            return
        done = adopted | {sale_key(f) for _, f in lines if f.get("event") == "refused"}
        ends = [n for n, (_, f) in enumerate(lines) if f.get("event") == "handed_back"]
        begin = ends[-3] + 1 if len(ends) > 2 else 0
        kept = [
            line
            for n, (line, f) in enumerate(lines)
            if (f.get("event") in SALES and sale_key(f) not in done) or (n >= begin and f.get("event") in REMEMBERED)
        ]
        try:
            previous = self._path.with_name(PREVIOUS)
            previous.unlink(missing_ok=True)
            previous.hardlink_to(self._path)
            replace(self._path, b"".join(line + b"\n" for line in kept))
        except OSError as error:
            log.error("the journal can't be made shorter: %s", error.strerror)

    def compact_adopted(self) -> None:
        """Drop what the trader says it has booked; nothing without such a message."""
        path = self._path.with_name(ADOPTED)
        keys = read_json(path) if path.exists() else None
        if isinstance(keys, list):
            self.compact(frozenset(str(k) for k in keys))
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s can't be removed: %s", ADOPTED, error.strerror)
