"""`ports.store.RecordStore`: the user's four tables, round trips and instruments."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.db import tables
from adapters.db.work import UnitOfWork
from core.model.instrument import Exchange, Instrument
from core.model.messages import Signal
from core.model.order import Side
from core.model.position import Position, RoundTrip
from ports.store import DailyReport, SignalRow, TradeRow

POSITION_COLUMNS = (
    "quantity",
    "avg_price",
    "current_price",
    "unrealized_pnl",
    "buy_count",
    "target_count",
    "stop_loss_price",
    "take_profit_price",
    "created_at",
    "updated_at",
    "details",
)
INSTRUMENT_COLUMNS = (
    "name",
    "name_ko",
    "exchange",
    "security_type",
    "active",
    "shares_outstanding",
    "updated_at",
)
CHUNK = 1000


class TradeDetails(msgspec.Struct, frozen=True):
    """What `trades.details` holds beside the user's columns, to the last digit; nothing in rows older than it."""

    usd: Decimal | None = None
    fee_usd: Decimal | None = None
    krw_per_usd: Decimal | None = None


class SqlRecordStore:
    """Every write is idempotent; the engine stays its opener's to dispose of. All methods raise StoreUnavailable."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._work = UnitOfWork(engine)

    async def add_signal(self, signal: Signal) -> None:
        """Once per message id."""
        row = {
            "message_id": signal.id,
            "ticker": signal.ticker,
            "signal_type": signal.verdict.signal.value,
            "confidence": Decimal(str(signal.verdict.confidence)),
            "indicators": msgspec.to_builtins(signal.verdict),
            "created_at": signal.created_at,
        }
        statement = self._work.insert_once(tables.signals, "message_id").values(row)
        await self._work.execute(statement)

    async def signals(self, *, limit: int, ticker: str = "") -> Sequence[SignalRow]:
        """The newest `limit` signals, newest first."""
        table = tables.signals
        query = select(table).order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
        if ticker:
            query = query.where(table.c.ticker == ticker)
        return [
            SignalRow(
                ticker=row["ticker"],
                signal_type=row["signal_type"],
                confidence=row["confidence"] if row["confidence"] is not None else Decimal(0),
                indicators=row["indicators"] or {},
                created_at=row["created_at"],
            )
            for row in await self._work.rows(query)
        ]

    async def add_trade(self, row: TradeRow) -> None:
        """Once per key."""
        values = {**msgspec.structs.asdict(row), "side": row.side.value}
        exact = TradeDetails(**{name: values.pop(name) for name in TradeDetails.__struct_fields__})
        values["details"] = msgspec.to_builtins(exact)
        statement = self._work.insert_once(tables.trades, "key").values(values)
        await self._work.execute(statement)

    async def trades(self, since: dt.datetime, until: dt.datetime) -> Sequence[TradeRow]:
        """Fills of `[since, until)`, oldest first."""
        table = tables.trades
        within = (table.c.created_at >= since, table.c.created_at < until)
        query = select(table).where(*within).order_by(table.c.created_at, table.c.id)
        return [
            TradeRow(
                key=row["key"] or f"row-{row['id']}",
                ticker=row["ticker"],
                side=Side(row["side"]),
                quantity=row["quantity"],
                price=row["price"],
                total_amount=row["total_amount"] if row["total_amount"] is not None else row["price"] * row["quantity"],
                signal_type=row["signal_type"] or "",
                created_at=row["created_at"],
                **msgspec.structs.asdict(msgspec.convert(row["details"] or {}, TradeDetails)),
            )
            for row in await self._work.rows(query)
        ]

    async def put_position(self, position: Position) -> None:
        """Insert or replace the ticker's row: columns for people, `details` exact."""
        row = {
            "ticker": position.ticker,
            "quantity": position.qty,
            "avg_price": position.avg_price,
            "current_price": position.last_price,
            "unrealized_pnl": position.unrealized_usd,
            "buy_count": position.buy_count,
            "target_count": position.target_count,
            "stop_loss_price": position.stop_price,
            "take_profit_price": position.target_price,
            "created_at": position.opened_at,
            "updated_at": position.priced_at,
            "details": msgspec.to_builtins(position),
        }
        statement = self._work.upsert(tables.positions, ["ticker"], POSITION_COLUMNS).values(row)
        await self._work.execute(statement)

    async def remove_position(self, ticker: str) -> None:
        """Nothing happens where there is none."""
        statement = delete(tables.positions).where(tables.positions.c.ticker == ticker)
        await self._work.execute(statement)

    async def positions(self) -> Sequence[Position]:
        """What the bot holds, by ticker; rows that a person inserted by hand have no details and are left out."""
        table = tables.positions
        query = select(table.c.details).where(table.c.details.is_not(None)).order_by(table.c.ticker)
        return [msgspec.convert(row["details"], Position) for row in await self._work.rows(query)]

    async def add_round_trip(self, key: str, trip: RoundTrip) -> None:
        """Once per key."""
        row = {
            "key": key,
            "ticker": trip.ticker,
            "quantity": trip.sell_qty,
            "avg_price": trip.avg_price,
            "sell_price": trip.sell_price,
            "pnl_usd": trip.pnl_usd,
            "pnl_krw": trip.pnl_krw,
            "reason": trip.reason,
            "opened_at": trip.opened_at,
            "closed_at": trip.closed_at,
            "details": msgspec.to_builtins(trip),
        }
        statement = self._work.insert_once(tables.round_trips, "key").values(row)
        await self._work.execute(statement)

    async def round_trips(self, since: dt.datetime, until: dt.datetime) -> Sequence[RoundTrip]:
        """Round trips closed in `[since, until)`, oldest first."""
        table = tables.round_trips
        within = (table.c.closed_at >= since, table.c.closed_at < until)
        query = select(table.c.details).where(*within).order_by(table.c.closed_at, table.c.id)
        return [msgspec.convert(row["details"], RoundTrip) for row in await self._work.rows(query)]

    async def put_report(self, report: DailyReport) -> None:
        """Insert or replace the session's report."""
        row = {
            "date": report.on,
            "total_trades": report.total_trades,
            "total_pnl": report.total_pnl,
            "win_rate": report.win_rate,
            "details": report.details,
        }
        changing = ("total_trades", "total_pnl", "win_rate", "details")
        statement = self._work.upsert(tables.daily_reports, ["date"], changing).values(row)
        await self._work.execute(statement)

    async def report(self, on: dt.date) -> DailyReport | None:
        """The report of a session date."""
        rows = await self._work.rows(select(tables.daily_reports).where(tables.daily_reports.c.date == on))
        for row in rows:
            return DailyReport(
                on=row["date"],
                total_trades=row["total_trades"] or 0,
                total_pnl=row["total_pnl"] if row["total_pnl"] is not None else Decimal(0),
                win_rate=row["win_rate"] if row["win_rate"] is not None else Decimal(0),
                details=row["details"] or {},
            )
        return None

    async def put_instruments(self, instruments: Sequence[Instrument], at: dt.datetime) -> None:
        """Insert or replace them all in one transaction; instruments not named stay as they are."""
        rows = [
            {**msgspec.structs.asdict(instrument), "exchange": instrument.exchange.value, "updated_at": at}
            for instrument in instruments
        ]
        statement = self._work.upsert(tables.instruments, ["ticker"], INSTRUMENT_COLUMNS)

        async def put(connection: AsyncConnection) -> None:
            for start in range(0, len(rows), CHUNK):
                await connection.execute(statement, rows[start : start + CHUNK])

        if rows:
            await self._work.write(put)

    async def instruments(self) -> Sequence[tuple[Instrument, dt.datetime]]:
        """Every instrument with the instant it was last put, by ticker."""
        rows = await self._work.rows(select(tables.instruments).order_by(tables.instruments.c.ticker))
        return [
            (
                Instrument(
                    ticker=row["ticker"],
                    name=row["name"],
                    name_ko=row["name_ko"],
                    exchange=Exchange(row["exchange"]),
                    security_type=row["security_type"],
                    active=row["active"],
                    shares_outstanding=row["shares_outstanding"],
                ),
                row["updated_at"],
            )
            for row in rows
        ]
