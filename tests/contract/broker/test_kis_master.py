"""KIS's symbol files: fetched from the sandbox over a socket, kept for a day, usable when KIS is away."""

import asyncio
import logging

from adapters.kis.master import fetch_listings
from core.model.instrument import Exchange


async def test_venues_and_korean_names_come_from_the_brokers_own_files(open_venue, tmp_path):
    venue = await open_venue(paper=False)
    found = await asyncio.to_thread(fetch_listings, venue.url, tmp_path)
    assert found["NVDA"].name_ko == "엔비디아"
    assert found["NVDA"].exchange is Exchange.NASD
    assert {listing.exchange for listing in found.values()} >= {Exchange.NASD, Exchange.NYSE}
    assert len(found) == len(venue.host.market.instruments)


async def test_files_of_today_are_not_fetched_again(open_venue, tmp_path):
    venue = await open_venue(paper=False)
    await asyncio.to_thread(fetch_listings, venue.url, tmp_path)
    before = sum(venue.seen.values())
    await asyncio.to_thread(fetch_listings, venue.url, tmp_path)
    assert sum(venue.seen.values()) == before


async def test_the_last_files_serve_on_when_kis_is_away(open_venue, tmp_path, caplog):
    venue = await open_venue(paper=False)
    first = await asyncio.to_thread(fetch_listings, venue.url, tmp_path)
    (tmp_path / "amsmst.cod.zip").unlink()
    with caplog.at_level(logging.WARNING):
        again = await asyncio.to_thread(fetch_listings, "http://127.0.0.1:9", tmp_path)
    assert again.keys() <= first.keys()
    assert "NVDA" in again
    assert "can't be renewed" in caplog.text


async def test_a_page_that_is_no_master_file_is_refused(open_venue, tmp_path):
    """A maintenance page must not replace yesterday's file."""
    venue = await open_venue(paper=False)
    assert await asyncio.to_thread(fetch_listings, venue.url + "/nowhere", tmp_path) == {}
