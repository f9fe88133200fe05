"""KIS's list of US symbols (the .cod master files, kis.md section 8): ticker, exchange and names."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.kis.wire import symbol_of, ticker_of
from core.model.instrument import Exchange

__all__ = ["MasterRow", "load_master", "parse_master", "symbol_of", "ticker_of"]

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
        if len(columns) < COLUMNS - 1 or columns[2] not in EXCHANGES or not columns[4]:
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
