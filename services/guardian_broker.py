"""The guardian's own way to KIS: standard library only, sells and cancels, never buys."""

import hashlib
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 5.0
QUOTE_CODES = {"NASD": "NAS", "NYSE": "NYS", "AMEX": "AMS"}
TOKEN_MARGIN_S = 600
REISSUE_AFTER_S = 61.0
DEAD_TOKEN = {"EGW00121", "EGW00122", "EGW00123"}


class GuardianTrouble(Exception):
    """A call failed; the guardian tries again in its next round. The text holds no secrets."""


@dataclass(frozen=True)
class Access:
    """Host and credentials; `paper` selects the transaction ids of 모의투자."""

    base_url: str
    quote_url: str
    appkey: str
    appsecret: str
    account: str
    paper: bool


class GuardianBroker:
    """Blocking calls with deadlines; an order is sent once and never repeated by this class."""

    def __init__(self, access: Access, token_dir: Path) -> None:
        """`token_dir` is where the trader keeps its token: during an outage no new one may be had for a minute."""
        self._access = access
        self._token_dir = token_dir
        self._refused = ""
        self._token = ""
        self._token_until = 0.0
        self._issued_at = -REISSUE_AFTER_S
        number = access.account.replace("-", "")
        self._account = {"CANO": number[:8], "ACNT_PRDT_CD": number[8:] or "01"}

    def price(self, ticker: str, exchange: str) -> float:
        """The last price in USD (HHDFS00000300)."""
        query = {"AUTH": "", "EXCD": QUOTE_CODES[exchange], "SYMB": ticker}
        path = "/uapi/overseas-price/v1/quotations/price"
        answer = self._call("GET", path, "HHDFS00000300", query, base=self._access.quote_url)
        try:
            return float(answer["output"]["last"])
        except (KeyError, TypeError, ValueError):
            raise GuardianTrouble(f"no price of {ticker}") from None

    def shares(self, exchange: str) -> dict[str, tuple[int, int]]:
        """Shares by ticker (inquire-balance): held, and sellable now."""
        tr = "VTTS3012R" if self._access.paper else "TTTS3012R"
        query = {
            **self._account,
            "OVRS_EXCG_CD": exchange if self._access.paper else "NASD",
            "TR_CRCY_CD": "USD",
            "CTX_AREA_FK200": "",
            "CTX_AREA_NK200": "",
        }
        answer = self._call("GET", "/uapi/overseas-stock/v1/trading/inquire-balance", tr, query)
        rows = answer.get("output1") or []
        return {
            r["ovrs_pdno"]: (int(float(r["ovrs_cblc_qty"])), int(float(r["ord_psbl_qty"])))
            for r in rows
            if r.get("ovrs_pdno")
        }

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        """Send one limit sell; returns its number without leading zeros. Raises GuardianTrouble where that is unclear."""
        body = {
            **self._account,
            "OVRS_EXCG_CD": exchange,
            "PDNO": ticker,
            "ORD_QTY": str(qty),
            "OVRS_ORD_UNPR": limit,
            "CTAC_TLNO": "",
            "MGCO_APTM_ODNO": "",
            "SLL_TYPE": "00",
            "ORD_SVR_DVSN_CD": "0",
            "ORD_DVSN": "00",
        }
        tr = "VTTT1001U" if self._access.paper else "TTTT1006U"
        output = self._call("POST", "/uapi/overseas-stock/v1/trading/order", tr, body)["output"]
        return str(output["ODNO"]).lstrip("0")

    def open_sells(self, ticker: str) -> list[str]:
        """Numbers of this ticker's sells that may still fill (inquire-nccs; the paper host has only inquire-ccnl)."""
        paging = {"CTX_AREA_FK200": "", "CTX_AREA_NK200": ""}
        root = "/uapi/overseas-stock/v1/trading/"
        if self._access.paper:
            fields = ("PDNO", "ORD_STRT_DT", "ORD_END_DT", "OVRS_EXCG_CD", "ORD_DT", "ORD_GNO_BRNO", "ODNO")
            query = {**self._account, **dict.fromkeys(fields, ""), "SORT_SQN": "DS", **paging}
            today = time.strftime("%Y%m%d", time.gmtime(time.time() - 5 * 3600))
            query |= {"ORD_STRT_DT": today, "ORD_END_DT": today, "SLL_BUY_DVSN": "00", "CCLD_NCCS_DVSN": "00"}
            answer = self._call("GET", f"{root}inquire-ccnl", "VTTS3035R", query)
        else:
            query = {**self._account, "OVRS_EXCG_CD": "NASD", "SORT_SQN": "DS", **paging}
            answer = self._call("GET", f"{root}inquire-nccs", "TTTS3018R", query)
        rows = answer.get("output") or []
        rows = [rows] if isinstance(rows, dict) else rows
        return [
            r["odno"].lstrip("0")
            for r in rows
            if r.get("pdno") == ticker and r.get("sll_buy_dvsn_cd") == "01" and float(r.get("nccs_qty") or 0) > 0
        ]

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:
        """Ask to cancel what is left of an order."""
        body = {
            **self._account,
            "OVRS_EXCG_CD": exchange,
            "PDNO": ticker,
            "ORGN_ODNO": odno.zfill(10),
            "RVSE_CNCL_DVSN_CD": "02",
            "ORD_QTY": "0",
            "OVRS_ORD_UNPR": "0",
            "MGCO_APTM_ODNO": "",
            "ORD_SVR_DVSN_CD": "0",
        }
        tr = "VTTT1004U" if self._access.paper else "TTTT1004U"
        self._call("POST", "/uapi/overseas-stock/v1/trading/order-rvsecncl", tr, body)

    def _call(self, method: str, path: str, tr_id: str, fields: dict[str, str], *, base: str = "") -> dict:  # type: ignore[type-arg]
        """One authorised request; a refusal of the business kind is trouble too, with KIS's code."""
        token = self._bearer()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token}",
            "appkey": self._access.appkey,
            "appsecret": self._access.appsecret,
            "tr_id": tr_id,
            "custtype": "P",
        }
        answer = self._request(base or self._access.base_url, method, path, headers, fields)
        if answer.get("msg_cd") in DEAD_TOKEN:
            self._token, self._refused = "", token
        if answer.get("rt_cd") != "0":
            raise GuardianTrouble(f"{path.rsplit('/', 1)[1]}: {answer.get('msg_cd')} {answer.get('msg1', '').strip()}")
        return answer

    def _bearer(self) -> str:
        """Our token, else the one the trader keeps, else a new one (KIS allows one issue a minute)."""
        now = time.time()
        if self._token and now < self._token_until:
            return self._token
        if kept := self._trader_token():
            return kept
        if time.monotonic() - self._issued_at < REISSUE_AFTER_S:
            raise GuardianTrouble("waiting before asking for another token")
        self._issued_at = time.monotonic()
        body = {
            "grant_type": "client_credentials",
            "appkey": self._access.appkey,
            "appsecret": self._access.appsecret,
        }
        headers = {"content-type": "application/json"}
        answer = self._request(self._access.base_url, "POST", "/oauth2/tokenP", headers, body)
        if "access_token" not in answer:
            raise GuardianTrouble(f"no token: {answer.get('error_code')}")
        self._token = answer["access_token"]
        self._token_until = now + float(answer.get("expires_in", 86_400)) - TOKEN_MARGIN_S
        return self._token

    def _trader_token(self) -> str:
        """The token in the trader's file (adapters.kis.auth), unless KIS has refused it already."""
        digest = hashlib.sha256(f"{self._access.base_url} {self._access.appkey}".encode()).hexdigest()[:16]
        try:
            text = json.loads((self._token_dir / f"kis-token-{digest}.json").read_bytes())["text"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return "" if text == self._refused else str(text)

    def _request(self, base: str, method: str, path: str, headers: dict[str, str], fields: dict[str, str]) -> dict:  # type: ignore[type-arg]
        address = urlsplit(base)
        try:
            if address.scheme == "https":
                context = ssl.create_default_context()
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    address.netloc, timeout=TIMEOUT_S, context=context
                )
            else:
                connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_S)
            try:
                target = f"{path}?{urlencode(fields)}" if method == "GET" else path
                body = None if method == "GET" else json.dumps(fields)
                connection.request(method, target, body=body, headers=headers)
                answer = json.loads(connection.getresponse().read())
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise GuardianTrouble(f"{path.rsplit('/', 1)[1]}: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise GuardianTrouble(f"{path.rsplit('/', 1)[1]}: unexpected answer")
        return answer
