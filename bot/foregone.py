"""The ledger of finds that were not bought: written when a card ends, resolved after the close, told in the morning."""

import datetime as dt
import logging
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from bot.card import CardModel, Phase
from bot.deps import BotDeps
from core.model.bar import Bar
from core.model.foregone import Cause, Foregone, Outcome
from core.model.params import TradingParams
from core.model.session import MarketSession
from core.rules.foregone import follow
from ports.market_data import ReferenceUnavailable
from ports.store import StoreUnavailable

log = logging.getLogger(__name__)
CAUSES = {
    Phase.IGNORED: Cause.IGNORED,
    Phase.EXPIRED: Cause.EXPIRED,
    Phase.REFUSED: Cause.REFUSED,
    Phase.WATCH: Cause.WATCHED,
}
# bars this old are not asked for any more: the vendor's look-back is one session
LOST_AFTER = dt.timedelta(days=3)
Entries = Sequence[tuple[Foregone, Outcome | None]]


def foregone_of(model: CardModel) -> Foregone | None:
    """The ledger's line for a card that ended without a purchase; None for every other."""
    cause = CAUSES.get(model.phase)
    found = model.discovery
    price = model.plan.price if model.plan and model.plan.price else Decimal(str(found.price)) if found else None
    at = model.decided_at or (found.bar_end_at if found else None)
    if cause is None or price is None or price <= 0 or at is None or model.done:
        return None
    return Foregone(
        key=model.key,
        ticker=model.ticker,
        name=model.name,
        name_ko=model.name_ko,
        cause=cause,
        at=at,
        price=price,
        reason=model.reason if cause is Cause.REFUSED else "",
    )


class Ledger:
    """Writes and resolves; a database that is away costs a line, never a card."""

    def __init__(self, deps: BotDeps) -> None:
        self._deps = deps

    async def note(self, model: CardModel) -> None:
        """Take a card as it is now."""
        found = foregone_of(model)
        if found is None:
            return
        try:
            await self._deps.foregone.add(found)
        except StoreUnavailable as trouble:
            log.warning("%s is missing in the ledger: %s", found.ticker, trouble)

    async def resolve(self, session: MarketSession, params: TradingParams) -> None:
        """Follow everything decided before the close, as far as bars can be had. Raises StoreUnavailable."""
        finds = defaultdict(list)
        for found in await self._deps.foregone.open(session.close_at):
            finds[found.ticker, self._deps.calendar.current_or_next(found.at).close_at].append(found)
        # one stock's bars at a time: those of many are much memory
        for (ticker, ends_at), several in finds.items():
            bars = await self._bars(ticker, ends_at)
            for found in several:
                outcome = follow(found, bars, ends_at, target_pct=params.take_profit_pct, stop_pct=params.stop_loss_pct)
                if outcome is not None or self._deps.clock.now() - found.at > LOST_AFTER:
                    await self._deps.foregone.close(found.key, outcome)

    async def _bars(self, ticker: str, until: dt.datetime) -> Sequence[Bar]:
        """None while the vendor is away: the find stays open and is followed the next time."""
        try:
            return await self._deps.bars(ticker, until)
        except ReferenceUnavailable as trouble:
            log.warning("no bars of %s: %s", ticker, trouble)
            return ()

    async def night(self, session: MarketSession) -> Entries:
        """One session's lines, pre-market to after-market. Raises StoreUnavailable."""
        return await self._deps.foregone.between(session.pre_open_at, session.post_close_at)

    async def week(self, until: dt.datetime) -> Entries:
        """The last seven days. Raises StoreUnavailable."""
        return await self._deps.foregone.between(until - dt.timedelta(days=7), until)
