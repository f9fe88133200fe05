"""What trader and guardian leave each other in files: protect.json, and the guardian's own record of its sales."""

import datetime as dt
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from core.model.order import BrokerRef
from core.model.position import Position
from core.stages.trade.inputs import GuardianSold

FILE, KEY_FILE = "protect.json", "protect.key"


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


def write_protection(state_dir: Path, positions: Iterable[Position], *, seq: int, at: str, venue: str) -> None:
    """Replace protect.json: body, then HMAC-SHA256 of the body's exact bytes on a second line."""
    body = json.dumps(
        {
            "seq": seq,
            "written_at": at,
            "venue": venue,
            "positions": [
                {
                    "ticker": p.ticker,
                    "exchange": p.exchange.value,
                    "qty": p.qty,
                    "stop_price": str(p.stop_price),
                }
                for p in positions
            ],
        },
        sort_keys=True,
    ).encode()
    digest = hmac.new(protection_key(state_dir), body, hashlib.sha256).hexdigest().encode()
    path = state_dir / FILE
    partial = path.with_suffix(".tmp")
    with partial.open("wb") as file:
        file.write(body + b"\n" + digest + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.replace(path.with_suffix(".previous.json"))
    partial.replace(path)
    directory = os.open(state_dir, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def guardian_sales(state_dir: Path, at: dt.datetime) -> Iterator[GuardianSold]:
    """The sales that the guardian recorded; the machine recognises those it has already adopted."""
    try:
        lines = (state_dir / "guardian.ndjson").read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            # the last line may be torn by a power cut; its "selling" line before it is whole
            continue
        if fields.get("event") == "sold":
            yield GuardianSold(
                at=at,
                ticker=fields["ticker"],
                ref=BrokerRef(fields["ord_dt"], "", fields["odno"]),
                qty=int(fields["qty"]),
                limit=Decimal(fields["limit"]),
            )
