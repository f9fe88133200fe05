"""What is sent to KIS, and which answers count as a definite refusal."""

import datetime as dt
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.kis import codes, master, wire
from core.model.instrument import Exchange
from core.model.order import BrokerRef, OrderRequest, Side

DATA = Path("/work/shared/data/kis")
shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")


def request(**changes) -> OrderRequest:
    fields = {"ticker": "AAPL", "exchange": Exchange.NASD, "side": Side.BUY, "qty": 1, "limit": Decimal("145.00")}
    return OrderRequest(**fields | changes)


def test_an_order_body_is_the_official_example():
    # kis.md A.1
    official = {
        "OVRS_EXCG_CD": "NASD", "PDNO": "AAPL", "ORD_QTY": "1", "OVRS_ORD_UNPR": "145.00", "CTAC_TLNO": "",
        "MGCO_APTM_ODNO": "", "ORD_SVR_DVSN_CD": "0", "ORD_DVSN": "00",
    }  # fmt: skip
    assert wire.order_body(request()) == official | {"SLL_TYPE": ""}
    assert wire.order_body(request(side=Side.SELL))["SLL_TYPE"] == "00"
    assert wire.order_body(request(ticker="BRK.B"))["PDNO"] == "BRK/B"


@pytest.mark.parametrize(
    ("limit", "text"), [("145", "145.00"), ("1", "1.00"), ("0.9999", "0.9999"), ("0.5", "0.5000"), ("1E+2", "100.00")]
)
def test_prices(limit, text):
    assert wire.price_text(Decimal(limit)) == text


def test_a_cancellation_names_the_original_with_its_zeros_and_sends_no_quantity():
    body = wire.cancel_body(BrokerRef(ord_dt="20261118", branch="", odno="4336"), request())
    assert (body["ORGN_ODNO"], body["RVSE_CNCL_DVSN_CD"], body["ORD_QTY"], body["OVRS_ORD_UNPR"]) == (
        "0000004336",
        "02",
        "0",
        "0",
    )


def test_the_paper_sale_has_an_id_of_its_own():
    assert (wire.PAPER.sell, wire.PAPER.buy, wire.REAL.sell) == ("VTTT1001U", "VTTT1002U", "TTTT1006U")
    assert wire.PAPER.open_orders == ""


class Days:
    """A calendar of the weekdays that are not in the list."""

    def __init__(self, *holidays: str) -> None:
        self.holidays = {dt.date.fromisoformat(day) for day in holidays}

    def session_on(self, on: dt.date) -> str | None:
        return None if on.weekday() >= 5 or on in self.holidays else "session"


@pytest.mark.parametrize(
    ("at", "today", "before", "without"),
    [
        ("2026-09-15T15:23:00+00:00", "20260915", "20260914", "20260911"),
        # still the 15th in New York, at noon in Korea
        ("2026-09-16T03:59:00+00:00", "20260915", "20260914", "20260911"),
        ("2026-09-16T04:01:00+00:00", "20260916", "20260915", "20260914"),
        ("2026-11-23T15:00:00+00:00", "20261123", "20261120", "20261119"),
        ("2026-11-22T15:00:00+00:00", "20261122", "20261120", "20261119"),
        # Labor Day, Thanksgiving, Good Friday
        ("2026-09-08T15:00:00+00:00", "20260908", "20260904", "20260904"),
        ("2026-11-27T15:00:00+00:00", "20261127", "20261125", "20261125"),
        ("2026-04-06T15:00:00+00:00", "20260406", "20260402", "20260402"),
    ],
)
def test_dates_are_american_and_go_back_to_the_session_before(at, today, before, without):
    moment = dt.datetime.fromisoformat(at)
    calendar = Days("2026-09-07", "2026-11-26", "2026-04-03")
    assert wire.us_date(moment) == today
    assert wire.earliest_us_date(moment, calendar) == before
    assert wire.earliest_us_date(moment) == without <= before


def test_a_market_that_never_opens_ends_the_search_after_a_week():
    class Never(Days):
        def session_on(self, on: dt.date) -> None:
            return None

    assert wire.earliest_us_date(dt.datetime(2026, 9, 15, 15, tzinfo=dt.UTC), Never()) == "20260908"


def test_paper_takes_empty_texts_where_the_real_host_takes_wildcards():
    real, paper = (wire.history_params("20261117", "20261118", paper=paper) for paper in (False, True))
    assert (real["PDNO"], real["OVRS_EXCG_CD"]) == ("%", "NASD")
    assert (paper["PDNO"], paper["OVRS_EXCG_CD"]) == ("", "")
    assert (paper["ORD_STRT_DT"], paper["ORD_END_DT"], paper["CCLD_NCCS_DVSN"]) == ("20261117", "20261118", "00")
    assert wire.PAGE_ROWS == {False: 20, True: 15}


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, "APTR0057"), (200, "APBK0918"), (200, "APBK0952"), (200, "40250000"), (500, "EGW00201"), (200, "EGW00201"), (500, "EGW00123")],
)  # fmt: skip
def test_definite_refusals(status, code):
    assert codes.refusal(status, code) is not None
    assert codes.reason_of(code) is codes.refusal(status, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "EGW00301"), (500, "EGW00302"), (500, "EGW00202"), (500, "EGW00001"), (502, "EGW00201"), (200, "IGW00009"),
        (500, "APBK0952"), (200, "APBK0013"), (200, "40600000"), (200, ""), (504, ""), (500, "EGW00002"), (500, "EGW00300"),
    ],
)  # fmt: skip
def test_everything_else_is_unknown(status, code):
    assert codes.refusal(status, code) is None


@pytest.mark.parametrize(
    ("status", "words", "about"),
    [(500, "기간이 만료된 token 입니다.", True), (401, "Invalid Token", True), (403, "유효하지 않은 토큰", True),
     (200, "token", False), (500, "초당 거래건수를 초과하였습니다.", False), (502, "token", False)],
)  # fmt: skip
def test_a_failure_that_speaks_of_the_token_is_about_the_token(status, words, about):
    assert codes.speaks_of_token(status, words) is about


def test_groups_of_codes():
    assert codes.refusal(500, "EGW00301") is codes.refusal(500, "EGW00302") is None
    assert {"EGW00201", "EGW00215", "EGW00301", "EGW00302"} == codes.WORTH_REPEATING
    assert {"40330000", "40320000", "APBK1359"} <= codes.GONE_CODES
    assert {"APBK0918", "APBK2995", "40570000", "40580000"} <= codes.CLOSED_CODES
    assert codes.reason_of(codes.NOT_SENT) is codes.Reason.NOT_SENT
    assert codes.reason_of("nonsense") is None


@shared
@pytest.mark.shared
def test_error_bodies_from_the_wild_are_classified():
    for error in json.loads((DATA / "error_bodies.json").read_text())["errors"]:
        code = error["body"].get("msg_cd") or error["body"]["error_code"]
        known = codes.refusal(error["http"], code)
        assert (known is not None) == (code != codes.TOKEN_TOO_SOON)


ROW = "US\t22\tNAS\t나스닥\tAAPL\tNASAAPL\t애플\tAPPLE INC\t2\tUSD\t4\t\t267.4600\t1\t1\t930\t1600\tN\t\t730\t0\t0\t\t"


def test_the_master_file_names_tickers_in_korean(tmp_path):
    text = "\r\n".join(
        [ROW, ROW.replace("AAPL", "BRK/B").replace("NAS\t", "NYS\t"), ROW.replace("AAPL", "NA"), "short\tline", ""]
    )
    (tmp_path / "nasmst.cod").write_bytes(text.encode("cp949"))
    rows = master.load_master(tmp_path / "nasmst.cod")
    assert list(rows) == ["AAPL", "BRK.B", "NA"]
    assert (rows["AAPL"].name_ko, rows["AAPL"].name, rows["AAPL"].exchange, rows["AAPL"].kind) == (
        "애플",
        "APPLE INC",
        Exchange.NASD,
        "STOCK",
    )
    assert (rows["BRK.B"].symbol, rows["BRK.B"].exchange) == ("BRK/B", Exchange.NYSE)
    with zipfile.ZipFile(tmp_path / "nasmst.cod.zip", "w") as archive:
        archive.write(tmp_path / "nasmst.cod", "NASMST.COD")
    assert master.load_master(tmp_path / "nasmst.cod.zip") == rows == master.load_master(tmp_path)


@shared
@pytest.mark.shared
@pytest.mark.parametrize(
    ("venue", "ticker", "name"),
    [("NAS", "AAPL", "애플"), ("NYS", "BRK.B", "버크셔 해서웨이 B"), ("AMS", "AAAU", "GOLDMAN SACHS PHYSICAL GOLD")],
)
def test_the_real_master_files(venue, ticker, name):
    import gzip

    data = gzip.decompress((DATA / f"master_{venue}_20250612.cod.gz").read_bytes())
    rows = {row.ticker: row for row in master.parse_master(data)}
    assert len(rows) == len(data.strip().splitlines())
    assert rows[ticker].name_ko == name
