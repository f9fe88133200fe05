"""The list of orders as the guardian reads it from KIS: every order of two days, whole, or trouble."""

import pytest

from services.guardian_broker import GuardianBroker, GuardianTrouble
from services.guardian_rules import Listed
from tests.unit.services.guardian_kis import Kis, page


def order(odno: str = "0000000012", side: str = "02", filled: object = "3", **fields: object) -> dict[str, object]:
    row = {"odno": odno, "pdno": "NVDA", "sll_buy_dvsn_cd": side, "ft_ccld_qty": filled, "nccs_qty": "0"}
    return {**row, "ord_dt": "20261117", "mdia_dvsn_name": "OpenAPI", **fields}


def test_every_order_of_two_days_is_told_with_its_day_number_side_and_filled_shares(
    kis: Kis, broker: GuardianBroker
) -> None:
    kis.on(
        "inquire-ccnl",
        page("M", output=[order(), order("13", "01", "1,000", ord_dt="20261116")], ctx_area_fk200="f", ctx_area_nk200="n"),
        page("D", output=[order("14", pdno="BRK/B", filled="0"), order("15", mdia_dvsn_name="모바일")]),
    )  # fmt: skip
    assert broker.listed() == [
        Listed("20261117-12", "NVDA", "buy", 3, by_hand=False),
        Listed("20261116-13", "NVDA", "sell", 1000, by_hand=False),
        Listed("20261117-14", "BRK.B", "buy", 0, by_hand=False),
        Listed("20261117-15", "NVDA", "buy", 3, by_hand=True),
    ]
    asked = kis.asked[-2]
    assert asked.headers["tr_id"] == "TTTS3035R"
    fields = ("PDNO", "ORD_STRT_DT", "ORD_END_DT", "SLL_BUY_DVSN", "CCLD_NCCS_DVSN", "OVRS_EXCG_CD", "SORT_SQN")
    assert [asked.fields[f] for f in fields] == ["%", "20261116", "20261117", "00", "00", "NASD", "DS"]
    assert [asked.fields[f] for f in ("ORD_DT", "ORD_GNO_BRNO", "ODNO")] == ["", "", ""]


def test_paper_is_asked_as_paper(kis: Kis, paper: GuardianBroker) -> None:
    kis.on("inquire-ccnl", {"output": [order()]})
    assert [o.key for o in paper.listed()] == ["20261117-12"]
    asked = kis.asked[-1]
    assert (asked.headers["tr_id"], asked.fields["PDNO"], asked.fields["OVRS_EXCG_CD"]) == ("VTTS3035R", "", "")


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (order(), True),
        (order(filled=""), True),
        (order(filled="-1"), False),
        (order(filled="x"), False),
        (order(filled="10000000"), True),
        (order(filled="10000001"), False),
        (order("0000"), False),
        (order(""), False),
        (order(pdno=""), False),
        (order(side="03"), False),
        (order(rvse_cncl_dvsn="02"), False),
        (order(rvse_cncl_dvsn_cd="02"), False),
        (order(rvse_cncl_dvsn="00"), True),
        (order(prcs_stat_name="거부", filled="0"), True),
    ],
)
def test_cancels_and_what_makes_no_sense_are_no_orders(
    kis: Kis, broker: GuardianBroker, row: dict[str, object], kept: bool
) -> None:
    kis.on("inquire-ccnl", {"output": [row]})
    assert bool(broker.listed()) is kept


def test_a_blank_number_of_filled_shares_is_none(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-ccnl", {"output": [order(filled="")]})
    assert [o.filled for o in broker.listed()] == [0]


def test_only_the_whole_list_will_do(kis: Kis, broker: GuardianBroker, paper: GuardianBroker) -> None:
    kis.on("inquire-ccnl", page("M", output=[order()]))
    with pytest.raises(GuardianTrouble, match="inquire-ccnl: KIS gave the list in part"):
        broker.listed()
    assert paper.open_orders() == [], "where who placed an order is asked, a part will do"


def test_a_list_that_is_not_answered_is_trouble(kis: Kis, broker: GuardianBroker) -> None:
    kis.on("inquire-ccnl", (500, b""))
    with pytest.raises(GuardianTrouble):
        broker.listed()
