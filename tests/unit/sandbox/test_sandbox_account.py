"""Holdings and cash from fills, transfers and splits; what the journal keeps of them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox import scenarios
from sandbox.kis import create_host
from sandbox.kis.account import Account, Fill, ShareSplit, Side, Transfer, holdings_from
from sandbox.kis.journal import Journal
from tests.unit.sandbox.manual_clock import ManualClock

AT = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)


def fill(side: Side, qty: int, price: int, seconds: int = 0) -> Fill:
    return Fill(1, "HELI", side, qty, Decimal(price), AT + timedelta(seconds=seconds))


def test_transfers_and_splits_change_shares_and_keep_the_cost():
    entries = [fill(Side.BUY, 10, 12), Transfer("HELI", 5, Decimal(6), AT), ShareSplit("HELI", 2, 1, AT)]
    holding = holdings_from(entries)["HELI"]
    assert (holding.qty, holding.cost, holding.average) == (30, Decimal(150), Decimal(5))
    holding = holdings_from([*entries, Transfer("HELI", -12, Decimal(0), AT)])["HELI"]
    assert (holding.qty, holding.cost) == (18, Decimal(90))


@pytest.mark.parametrize(
    ("new", "old", "qty", "cost"), [(1, 4, 2, Decimal(96)), (1, 20, 0, Decimal(0)), (3, 2, 15, 120)]
)
def test_a_split_drops_what_is_left_of_a_share(new, old, qty, cost):
    account = Account()
    account.apply(fill(Side.BUY, 10, 12))
    account.split("HELI", new, old, Decimal(48), AT)
    held = account.holdings.get("HELI")
    assert (held.qty if held else 0, held.cost if held else 0) == (qty, cost)
    assert account.usd == Decimal(48) * (10 * new % old) / old


def test_taking_a_fill_back_restores_money_fees_and_profit():
    account = Account(usd=Decimal(1000))
    account.apply(bought := fill(Side.BUY, 10, 12))
    account.apply(sold := fill(Side.SELL, 4, 15, 5))
    assert account.take_back(sold, 4) is None
    assert (account.qty("HELI"), account.realised_usd) == (10, 0)
    left = account.take_back(bought, 6)
    assert (left.qty, account.qty("HELI"), account.fills) == (4, 4, [left])
    account.take_back(left, 4)
    assert (account.usd, account.fees_usd, account.holdings) == (1000, 0, {})


def test_a_purchase_that_was_sold_cannot_be_taken_back():
    account = Account()
    account.apply(bought := fill(Side.BUY, 10, 12))
    account.apply(fill(Side.SELL, 4, 15, 5))
    before = list(account.entries), account.qty("HELI"), account.usd
    with pytest.raises(ValueError, match="below zero shares"):
        account.take_back(bought, 10)
    assert (account.entries, account.qty("HELI"), account.usd) == before


def test_the_journal_keeps_transfers_and_splits_in_their_order(tmp_path):
    market = scenarios.build("story", date(2026, 11, 18), 1, 8)
    host = create_host(market, ManualClock(AT), paper=False)
    host.account.transfer("HELI", 7, Decimal(10), AT)
    host.account.apply(fill(Side.BUY, 3, 12))
    host.account.split("HELI", 2, 1, Decimal(6), AT)
    host.account.transfer("HELI", -1, Decimal(6), AT)
    Journal(tmp_path, host).save()
    again = create_host(market, ManualClock(AT), paper=False)
    Journal(tmp_path, again).load()
    assert again.account.entries == host.account.entries
    assert again.account.holdings == host.account.holdings
    assert again.account.qty("HELI") == 19
