"""KIS's list of US symbols (the .cod master files, kis.md section 8): ticker, exchange and names."""

import datetime as dt
import logging
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import requests

from adapters.kis.wire import symbol_of, ticker_of
from core.model.instrument import Exchange, Listing

__all__ = [
    "MasterRow",
    "fetch_listings",
    "fetch_rows",
    "load_master",
    "parse_master",
    "symbol_of",
    "ticker_of",
    "type_of",
]

log = logging.getLogger(__name__)
FILES = ("nasmst.cod.zip", "nysmst.cod.zip", "amsmst.cod.zip")
MAX_AGE = dt.timedelta(hours=24)
TIMEOUT_S = (3.0, 20.0)

SYMBOL = re.compile(r"[A-Z0-9./]{1,16}", re.ASCII)
ENCODING = "cp949"
COLUMNS = 24
EXCHANGES = {exchange.quote_code: exchange for exchange in Exchange}
KINDS = {"1": "INDEX", "2": "STOCK", "3": "ETP", "4": "WARRANT"}


class MasterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One listed US security as KIS knows it; `ticker` in the form of the other vendors, `symbol` in KIS's."""

    ticker: str
    symbol: str
    exchange: Exchange
    name_ko: str
    name: str
    kind: str


def parse_master(data: bytes) -> Iterator[MasterRow]:
    """The rows of one file, which has no header; lines that are too short or of another country are skipped."""
    for line in data.decode(ENCODING, errors="replace").splitlines():
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) < COLUMNS - 1 or columns[2] not in EXCHANGES or not SYMBOL.fullmatch(columns[4]):
            continue
        yield MasterRow(
            ticker=ticker_of(columns[4]),
            symbol=columns[4],
            exchange=EXCHANGES[columns[2]],
            name_ko=columns[6],
            name=columns[7],
            kind=KINDS.get(columns[8], columns[8]),
        )


def load_master(path: Path) -> dict[str, MasterRow]:
    """Rows by ticker from a .cod file, the .zip KIS offers, or a folder of either. Raises OSError, BadZipFile."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.name.lower().endswith((".cod", ".cod.zip")))
        return {ticker: row for file in files for ticker, row in load_master(file).items()}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = b"\n".join(archive.read(name) for name in archive.namelist() if name.lower().endswith(".cod"))
    else:
        data = path.read_bytes()
    return {row.ticker: row for row in parse_master(data)}


# The files know shares and funds only; the names tell the rest, in Korean or in English.
TYPE_WORDS = (
    ("PFD", ("우선주", " PFD", " PREF")),
    ("WARRANT", ("워런트", "WTS")),
    ("UNIT", ("유닛", " UNIT 1 ")),
    ("BOND", ("채권", " NOTES", "DEBENTURE")),
    ("ADRC", ("(ADR)", " ADS", " ADR")),
)


def type_of(row: MasterRow) -> str:
    """The security's type in the codes of the other vendor (CS, ADRC, ETF, …), as far as kind and names tell."""
    if row.kind != "STOCK":
        return {"ETP": "ETF"}.get(row.kind, row.kind)
    names = f"{row.name_ko} {row.name.upper()} "
    return next((code for code, words in TYPE_WORDS if any(word in names for word in words)), "CS")


def fetch_listings(base_url: str, folder: Path) -> dict[str, Listing]:
    """Every US security that KIS lists: its venue and its Korean name. Blocks like `fetch_rows`."""
    rows = fetch_rows(base_url, folder)
    return {t: Listing(ticker=t, exchange=row.exchange, name_ko=row.name_ko) for t, row in rows.items()}


def fetch_rows(base_url: str, folder: Path) -> dict[str, MasterRow]:
    """Every US security that KIS lists, from its public files, at most a day old where KIS can be reached.

    Blocks. Files that can't be renewed serve on; empty where there never were any.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        path = folder / name
        if path.exists() and time.time() - path.stat().st_mtime < MAX_AGE.total_seconds():
            continue
        try:
            _download(f"{base_url.rstrip('/')}/common/master/{name}", path)
        except (requests.RequestException, OSError, zipfile.BadZipFile) as error:
            log.warning("KIS's %s can't be renewed: %s", name, type(error).__name__)
    return load_master(folder)


def _download(url: str, path: Path) -> None:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, timeout=TIMEOUT_S)
    answer.raise_for_status()
    partial = path.with_suffix(".part")
    partial.write_bytes(answer.content)
    if not load_master(partial):
        partial.unlink()
        raise zipfile.BadZipFile(path.name)
    partial.replace(path)
