"""Faults of KIS's lists: late rows and pages that lie, each seen over the socket, counted and ended."""

import pytest

from sandbox.faults import parse
from tests.contract.sandbox.sandbox_calls import Client

ORDER_BOOK = {"OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
BALANCE = {"OVRS_EXCG_CD": "NASD", "TR_CRCY_CD": "USD", "CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}


@pytest.fixture
def fault(faults):
    def put(action: str, link: str = "kis", **options):
        return faults.add(parse({"link": link, "action": action} | options))

    return put


async def book(client: Client):
    return (await client.inquire("inquire-nccs", "TTTS3018R", **ORDER_BOOK))["output"]


async def balance(client: Client) -> dict[str, str]:
    found = (await client.inquire("inquire-balance", "TTTS3012R", **BALANCE))["output1"]
    return {row["ovrs_pdno"]: row["ovrs_cblc_qty"] for row in found if row["ovrs_pdno"]}


async def resting(client: Client, count: int) -> list[str]:
    orders = [(await client.order(OVRS_ORD_UNPR="10.00", ORD_QTY="1"))[1] for _ in range(count)]
    return [order["output"]["ODNO"] for order in orders]


async def page(client: Client, tr_cont: str = "", key: str = ""):
    """(order numbers of the page, tr_cont, next key) of the history."""
    _, reply, headers = await client.history(tr_cont=tr_cont, key=key)
    output = reply["output"]
    odnos = [row["odno"].zfill(10) for row in output] if isinstance(output, list) else output
    return odnos, headers["tr_cont"], reply["ctx_area_nk200"].strip()


# -- late ------------------------------------------------------------------------------------------


async def test_orders_can_come_into_the_lists_late(real, fault, faults, clock):
    (odno,) = await resting(real, 1)
    fault("orders_late", seconds=30)
    assert (await book(real), (await page(real))[0]["odno"]) == ([], "")
    clock.advance(30)
    assert ([row["odno"] for row in await book(real)], (await page(real))[0]) == ([odno], [odno])
    assert faults.hits["kis.orders_late"] == 2
    await resting(real, 1)
    faults.clear()
    assert len(await book(real)) == 2


async def test_one_list_can_be_late_alone(real, fault):
    fault("orders_late", seconds=30, match={"path_contains": "inquire-ccnl"})
    (odno,) = await resting(real, 1)
    assert [row["odno"] for row in await book(real)] == [odno]
    assert (await page(real))[0]["odno"] == ""


async def test_fills_can_be_late_while_the_order_is_there(real, fault, faults, clock):
    fault("fills_late", seconds=30)
    await real.order()
    clock.advance(5)
    (row,) = (await real.history())[1]["output"]
    assert (row["ft_ccld_qty"], row["nccs_qty"], row["prcs_stat_name"]) == ("0", "3", "전송")
    assert [row["nccs_qty"] for row in await book(real)] == ["3"]
    assert await balance(real) == {"HELI": "3"}
    clock.advance(30)
    (row,) = (await real.history())[1]["output"]
    assert (row["ft_ccld_qty"], row["nccs_qty"], row["prcs_stat_name"]) == ("3", "0", "완료")
    assert await book(real) == []
    assert faults.hits["kis.fills_late"] == 2


async def test_holdings_can_be_late_while_the_fill_is_there(real, fault, faults, clock):
    fault("holdings_late", seconds=45)
    await real.order()
    clock.advance(5)
    assert (await real.history())[1]["output"][0]["ft_ccld_qty"] == "3"
    assert await balance(real) == {}
    clock.advance(45)
    assert await balance(real) == {"HELI": "3"}
    await real.order("sell", ORD_QTY="1", OVRS_ORD_UNPR="13.00")
    clock.advance(5)
    assert await balance(real) == {"HELI": "3"}
    assert faults.hits["kis.holdings_late"] == 2


@pytest.mark.parametrize(("match", "hidden"), [({"symbol": "QBIT"}, 0), ({"side": "sell"}, 0), ({"side": "buy"}, 1)])
async def test_a_lag_goes_by_symbol_and_side(real, fault, match, hidden):
    fault("orders_late", seconds=30, match=match)
    await resting(real, 1)
    assert len(await book(real)) == 1 - hidden


async def test_paper_lists_are_late_on_top_of_their_own_lag(paper, fault, clock):
    (odno,) = await resting(paper, 1)
    fault("orders_late", "kis_paper", seconds=60)
    clock.advance(20)
    assert (await page(paper))[0]["odno"] == ""
    clock.advance(40)
    assert (await page(paper))[0] == [odno]


# -- pages -----------------------------------------------------------------------------------------


async def test_a_truncated_page_says_that_it_is_the_last(real, fault, faults):
    placed = await resting(real, 25)
    fault("truncate", rows=7)
    odnos, cont, key = await page(real)
    assert (odnos, cont, key) == (placed[:7], "D", "")
    assert (await page(real))[1] == "F"
    assert faults.hits["kis.truncate"] == 1


async def test_chosen_rows_can_be_missing_from_every_page(real, fault, clock):
    await real.order()
    (await resting(real, 1))[0]
    clock.advance(2)
    await real.order("sell", OVRS_ORD_UNPR="20.00")
    fault("truncate", match={"side": "buy"}, times=None)
    assert [row["sll_buy_dvsn_cd"] for row in await book(real)] == ["01"]
    assert len((await page(real))[0]) == 1


async def test_the_balance_can_lose_a_holding(real, fault, clock):
    await real.order()
    clock.advance(2)
    fault("truncate", match={"symbol": "HELI", "path_contains": "inquire-balance"})
    assert await balance(real) == {}
    assert await balance(real) == {"HELI": "3"}


async def test_rows_can_come_twice(real, fault, faults):
    placed = await resting(real, 3)
    fault("duplicate")
    assert (await page(real))[0] == [odno for odno in placed for _ in range(2)]
    assert (await page(real))[0] == placed
    assert faults.hits["kis.duplicate"] == 1


async def test_one_row_can_hide_all_others_on_every_page(real, fault):
    placed = await resting(real, 25)
    fault("repeat_row", times=2)
    odnos, cont, key = await page(real)
    assert (odnos, cont) == ([placed[0]] * 20, "F")
    assert (await page(real, "N", key))[:2] == ([placed[0]] * 5, "E")
    assert (await page(real))[0] == placed[:20]


async def test_pages_can_go_on_for_ever(real, fault, faults):
    placed = await resting(real, 2)
    fault("endless_pages", times=None)
    odnos, cont, key = await page(real)
    assert (odnos, cont) == (placed, "F")
    for _ in range(3):
        odnos, cont, key = await page(real, "N", key)
        assert (odnos, cont) == (placed, "M")
    assert faults.hits["kis.endless_pages"] == 4
    faults.clear()
    assert (await page(real, "N", key))[1] == "E"


@pytest.mark.parametrize(("options", "blanks"), [({}, 1), ({"rows": 3}, 3)])
async def test_blank_rows_come_first(real, fault, options, blanks):
    placed = await resting(real, 2)
    fault("blank_rows", **options)
    (found, _, _) = await page(real)
    assert found == ["0000000000"] * blanks + placed
    fault("blank_rows", **options)
    assert [row["odno"] for row in await book(real)] == [""] * blanks + placed


async def test_a_list_can_come_as_an_object_of_empty_strings(real, fault, faults, clock):
    await real.order()
    await resting(real, 1)
    clock.advance(2)
    fault("blank_object", times=3)
    history = (await page(real))[0]
    assert history
    assert set(history.values()) == {""}
    assert set((await book(real)).values()) == {""}
    held = (await real.inquire("inquire-balance", "TTTS3012R", **BALANCE))["output1"]
    assert set(held.values()) == {""}
    assert len((await page(real))[0]) == 2
    assert faults.hits["kis.blank_object"] == 3


async def test_a_page_fault_that_finds_nothing_to_spoil_waits(real, fault, faults):
    waiting = fault("duplicate")
    await page(real)
    assert (faults.active(), faults.hits.total()) == ([waiting], 0)


async def test_a_tr_id_chooses_the_list(real, fault):
    await resting(real, 1)
    fault("blank_object", match={"tr_id": "TTTS3018R"})
    assert len((await page(real))[0]) == 1
    assert isinstance(await book(real), dict)
