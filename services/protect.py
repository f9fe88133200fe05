"""The trader's side of the fence: protect.json for the guardian, the guardian's sales, and the lock on orders."""

import contextlib
import datetime as dt
import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from core.model.order import BrokerRef
from core.model.position import Position
from core.stages.trade.inputs import GuardianSold
from services.fence import OrdersLock, read_some, replace
from services.guardian_files import (
    ADOPTED,
    JOURNAL,
    MOST_QTY,
    MOST_USD,
    TICKER,
    parse,
    read_json,
    read_protection,
    sale_key,
)
from services.guardian_rules import HUNG_AFTER_S
from services.runtime import Runtime

log = logging.getLogger(__name__)
FILE, KEY_FILE = "protect.json", "protect.key"
STANDBY_S = 0.25
# the journal is made shorter at 1 MB; this is only a fence around memory
MOST_JOURNAL = 64_000_000
SPLIT = "split"


def protection_key(state_dir: Path) -> bytes:
    """The signing key of this installation, made on first use (mode 0600)."""
    path = state_dir / KEY_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        return key


def write_protection(
    state_dir: Path,
    positions: Iterable[Position],
    *,
    seq: int,
    at: str,
    venue: str,
    buying: Iterable[str] = (),
    orders: Mapping[str, Mapping[str, int]] | None = None,
    selling: Mapping[str, int] | None = None,
) -> None:
    """Replace protect.json: body, then HMAC-SHA256 of the body's exact bytes on a second line. Raises OSError.

    `buying` are tickers of which an order to buy may live: the guardian cancels it when it takes over. By ticker, `orders`
    are the orders that are counted, with their filled shares, and `selling` the shares in sales that live. The number in
    the file grows from process to process, whatever `seq` begins with.
    """
    before = read_protection(state_dir)
    body = json.dumps(
        {
            "seq": max(seq, before.seq + 1 if before is not None else 0),
            "written_at": at,
            "venue": venue,
            "positions": [
                _row(p, (orders or {}).get(p.ticker, {}), (selling or {}).get(p.ticker, 0)) for p in positions
            ],
            "buying": sorted(buying),
        },
        sort_keys=True,
    ).encode()
    digest = hmac.new(protection_key(state_dir), body, hashlib.sha256).hexdigest().encode()
    path = state_dir / FILE
    if path.exists():
        _keep_previous(path)
    replace(path, body + b"\n" + digest + b"\n")


def _row(position: Position, orders: Mapping[str, int], selling: int) -> dict[str, object]:
    return {
        "ticker": position.ticker,
        "exchange": position.exchange.value,
        "qty": position.qty,
        "stop_price": str(position.stop_price),
        "own": position.own_qty,
        "orders": dict(orders),
        "selling": selling,
        "policy": "hold" if position.frozen == SPLIT else "stop",
    }


def _keep_previous(path: Path) -> None:
    """A second name for the file of now, so that there is a whole one at every instant."""
    fresh = path.with_suffix(".previous.tmp")
    # some file systems have no second names; then there is no previous version
    with contextlib.suppress(OSError):
        fresh.unlink(missing_ok=True)
        fresh.hardlink_to(path)
        fresh.replace(path.with_suffix(".previous.json"))


def guardian_sales(state_dir: Path, at: dt.datetime) -> Iterator[GuardianSold]:
    """The guardian's sales in the order of sending, one for each key; the machine recognises those it has adopted.

    A sale without an answer in the journal (the guardian or the connection died) has no `ref`; a refused one is none.
    """
    sales: dict[str, GuardianSold] = {}
    for line in (read_some(state_dir / JOURNAL, MOST_JOURNAL) or b"").split(b"\n"):
        # the last line may be torn by a power cut
        fields = parse(line)
        if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
            continue
        event, key = fields.get("event"), sale_key(fields)
        if event == "refused":
            sales.pop(key, None)
        elif event in {"selling", "sold"} and key:
            sale = _sale(fields, key, at)
            if sale is None:
                log.error("a sale in the guardian's journal makes no sense: %s", key)
            elif event == "sold" or key not in sales:
                sales[key] = sale
    yield from sales.values()


def _sale(fields: dict[str, object], key: str, at: dt.datetime) -> GuardianSold | None:
    try:
        qty, limit = int(str(fields["qty"])), Decimal(str(fields["limit"]))
        sent_at = dt.datetime.fromisoformat(str(fields.get("sent_at", at.isoformat())))
        odno = str(fields.get("odno", ""))
        ord_dt, ticker = str(fields["ord_dt"]) if odno else "", fields["ticker"]
        ref = BrokerRef(ord_dt, "", odno) if odno else None
    except (KeyError, ValueError, InvalidOperation):
        return None
    if not isinstance(ticker, str) or not TICKER.fullmatch(ticker) or not 0 < qty <= MOST_QTY:
        return None
    if not limit.is_finite() or not 0 < limit <= MOST_USD or sent_at.tzinfo is None:
        return None
    if ref is not None and not (odno.isascii() and odno.isdigit() and ord_dt.isascii() and ord_dt.isdigit()):
        return None
    return GuardianSold(at=at, ticker=ticker, key=key, ref=ref, qty=qty, limit=limit, sent_at=sent_at)


def acknowledge_sales(state_dir: Path, keys: Iterable[str]) -> None:
    """Tell the guardian which sales are committed to our journal, so that it can drop them from its own."""
    try:
        replace(state_dir / ADOPTED, msgspec.json.encode(sorted(keys)))
    except OSError as error:
        # they stay in its journal, and the machine recognises them the next time
        log.warning("the guardian can't be told of the adopted sales: %s", error.strerror)


async def take_orders_lock(runtime: Runtime) -> OrdersLock | None:
    """Wait in standby until nobody else may send orders; None where the stop came first.

    While the guardian has them, our fresh heartbeat asks for them, and the guardian gives them back between two of its
    rounds. Call it before the recovery: the guardian's sales are complete only then.
    """
    state_dir = runtime.settings.state_dir
    lock = OrdersLock(state_dir, runtime.name, monotonic=runtime.monotonic)
    waited = False
    while not runtime.stop.is_set():
        runtime.note(standby="yes")
        # the beat comes before the lock: whoever holds it must not look dead
        await runtime.beat_once()
        if not _guardian_in_charge(state_dir, runtime.monotonic()) and lock.take():
            runtime.note(standby="no", epoch=lock.epoch)
            await runtime.beat_once()
            log.info("orders are ours, epoch %s", lock.epoch)
            return lock
        if not waited:
            log.warning("the guardian is in charge of the orders; waiting until it gives them back")
            waited = True
        await runtime.pause(STANDBY_S)
    return None


def _guardian_in_charge(state_dir: Path, mono: float) -> bool:
    """Whether the guardian was in charge a moment ago: one that has just died starts again and stays in charge."""
    beat = read_json(state_dir / "beats" / "guardian")
    if not isinstance(beat, dict) or beat.get("in_charge") != "True":
        return False
    try:
        age_s = mono - float(str(beat.get("mono")))
    except ValueError:
        return False
    return 0 <= age_s <= HUNG_AFTER_S
