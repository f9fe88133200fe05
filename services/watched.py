"""The watch list as a process finds it when it starts; later changes come over the control channel."""

import datetime as dt
import logging

from core.model.messages import WatchListChanged, message_id
from ports.store import WATCH_LIST, ChatStore, RecordStore, StoreUnavailable, watched_of

log = logging.getLogger(__name__)


async def load_watch_list(chat: ChatStore, records: RecordStore, now: dt.datetime) -> WatchListChanged | None:
    """The list with what is known of its securities; None while the database is away: the bot tells it then."""
    try:
        tickers = watched_of(await chat.preference(0, WATCH_LIST))
        rows = await records.instruments() if tickers else ()
    except StoreUnavailable as trouble:
        log.warning("the watch list can't be read yet: %s", trouble)
        return None
    known = tuple(each for each, _ in rows if each.ticker in tickers)
    return WatchListChanged(id=message_id("watch", now.isoformat()), tickers=tickers, securities=known, at=now)
