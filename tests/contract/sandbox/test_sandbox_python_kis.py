"""python-kis, the library our broker adapter uses, works against both hosts."""

import asyncio
import logging
from decimal import Decimal

import pykis.kis
import pytest
from pykis import KisAPIError, KisAuth, PyKis
from pykis.api.account.balance import balance
from pykis.api.account.daily_order import foreign_daily_orders
from pykis.api.account.order import foreign_order
from pykis.api.account.order_modify import foreign_cancel_order
from pykis.api.account.orderable_amount import foreign_orderable_amount
from pykis.api.account.pending_order import pending_orders
from pykis.client.exceptions import KisHTTPError

from tests.contract.conftest import DAY


@pytest.fixture(autouse=True)
def hosts(kis_real, kis_paper, monkeypatch):
    logging.getLogger("pykis").setLevel(logging.CRITICAL)
    monkeypatch.setattr(pykis.kis, "REAL_DOMAIN", f"http://{kis_real.address}")
    monkeypatch.setattr(pykis.kis, "VIRTUAL_DOMAIN", f"http://{kis_paper.address}")


def credentials(kis, *, virtual: bool) -> KisAuth:
    keys = kis.keys
    return KisAuth(id=keys.hts_id, account=keys.account, appkey=keys.appkey, secretkey=keys.appsecret, virtual=virtual)


@pytest.fixture
def client(kis_real):
    return PyKis(credentials(kis_real, virtual=False), use_websocket=False)


@pytest.fixture
def paper_client(kis_real, kis_paper):
    return PyKis(credentials(kis_real, virtual=False), credentials(kis_paper, virtual=True), use_websocket=False)


def buy(client, price: str = "15.00", qty: int = 3):
    return asyncio.to_thread(
        foreign_order, client, client.primary, "NASDAQ", "HELI", order="buy", price=Decimal(price), qty=Decimal(qty)
    )


async def test_order_fill_and_inquiries(client, clock):
    order = await buy(client)
    assert order.number.startswith("00")
    clock.advance(3)
    found = await asyncio.to_thread(foreign_daily_orders, client, client.primary, DAY, DAY, "US")
    assert [(o.number, o.executed_qty) for o in found] == [(order.number, 3)]
    assert await asyncio.to_thread(lambda: list(pending_orders(client, client.primary, "US"))) == []


async def test_pending_order_is_cancelled(client, clock):
    order = await buy(client, "10.00")
    clock.advance(1)
    pending = await asyncio.to_thread(pending_orders, client, client.primary, "US")
    assert [(o.number, o.pending_qty, o.unit_price) for o in pending] == [(order.number, 3, Decimal(10))]
    await asyncio.to_thread(foreign_cancel_order, client, order)
    clock.advance(2)
    assert await asyncio.to_thread(lambda: list(pending_orders(client, client.primary, "US"))) == []


async def test_balance_and_buying_power(client, clock):
    found = await asyncio.to_thread(balance, client, client.primary, "US")
    assert found.deposits["USD"].exchange_rate == 1450
    amount = await asyncio.to_thread(
        foreign_orderable_amount, client, client.primary, "NASDAQ", "HELI", price=Decimal(14)
    )
    assert (amount.qty, amount.exchange_rate) == (0, 1450)
    assert amount.foreign_qty > 900


async def test_refusals_arrive_as_api_errors(client):
    with pytest.raises(KisAPIError) as refused:
        await buy(client, "15.005")
    assert refused.value.msg_cd == "APTR0057"


async def test_fetch_reaches_what_the_library_lacks(client, clock):
    await buy(client)
    clock.advance(3)
    query = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
    reply = await asyncio.to_thread(
        client.fetch,
        "/uapi/overseas-stock/v1/trading/inquire-balance",
        api="TTTS3012R",
        params=query,
        form=[client.primary],
        domain="real",
    )
    assert reply.output1[0].ovrs_pdno == "HELI"


async def test_second_login_within_a_minute_fails(client, kis_real):
    await asyncio.to_thread(lambda: client.primary_token)
    again = PyKis(credentials(kis_real, virtual=False), use_websocket=False)
    with pytest.raises(KisHTTPError) as refused:
        await asyncio.to_thread(lambda: again.primary_token)
    assert refused.value.status_code == 403


async def test_paper_order(paper_client, clock, kis_paper):
    order = await buy(paper_client)
    assert order.number == "0000040840"
    clock.advance(3)
    kis_paper.host.now()
    assert kis_paper.host.account.qty("HELI") == 3
