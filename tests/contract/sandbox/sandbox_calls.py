"""How the sandbox's own tests speak to it: KIS as a careful client does, and the control API."""

from typing import Any

import aiohttp

TRADING = "/uapi/overseas-stock/v1/trading"
PRICE = "/uapi/overseas-price/v1/quotations/price"
QUOTE = {"AUTH": "", "EXCD": "NAS", "SYMB": "HELI"}


class Client:
    """Sends what a careful client sends; every part can be spoiled."""

    def __init__(self, kis: Any) -> None:
        self.kis, self.authorization = kis, "Bearer " + kis.token()

    def headers(self, tr_id: str, **changed: str) -> dict[str, str]:
        base = {
            "authorization": self.authorization,
            "appkey": self.kis.keys.appkey,
            "appsecret": self.kis.keys.appsecret,
            "tr_id": tr_id,
            "custtype": "P",
        }
        return {name: value for name, value in (base | changed).items() if value}

    async def send(self, method: str, path: str, tr_id: str, fields: dict, **changed: str):
        url, headers = f"http://{self.kis.address}{path}", self.headers(tr_id, **changed)
        where = {"json": fields} if method == "POST" else {"params": fields}
        async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers, **where) as reply:
            return reply.status, await reply.json(), reply.headers

    def account(self) -> dict[str, str]:
        return {"CANO": self.kis.keys.number, "ACNT_PRDT_CD": self.kis.keys.product}

    async def order(self, side: str = "buy", **changed: str):
        paper = self.kis.host.paper
        ids = {"buy": "VTTT1002U" if paper else "TTTT1002U", "sell": "VTTT1001U" if paper else "TTTT1006U"}
        body = self.account() | {
            "OVRS_EXCG_CD": "NASD", "PDNO": "HELI", "ORD_QTY": "3", "OVRS_ORD_UNPR": "15.00",
            "CTAC_TLNO": "", "MGCO_APTM_ODNO": "", "ORD_SVR_DVSN_CD": "0", "ORD_DVSN": "00",
        }  # fmt: skip
        body |= changed
        body = {name: value for name, value in body.items() if value != "absent"}
        if not paper:
            self.kis.clock.advance(0.1)
        else:
            self.kis.clock.advance(1.1)
        status, reply, _ = await self.send("POST", f"{TRADING}/order", ids[side], body)
        return status, reply

    async def revise(self, odno: str, kind: str = "02", **changed: str):
        self.kis.clock.advance(1.1 if self.kis.host.paper else 0.1)
        body = self.account() | {
            "OVRS_EXCG_CD": "NASD", "PDNO": "HELI", "ORGN_ODNO": odno, "RVSE_CNCL_DVSN_CD": kind,
            "ORD_QTY": "0", "OVRS_ORD_UNPR": "0", "MGCO_APTM_ODNO": "", "ORD_SVR_DVSN_CD": "0",
        }  # fmt: skip
        tr_id = "VTTT1004U" if self.kis.host.paper else "TTTT1004U"
        _, reply, _ = await self.send("POST", f"{TRADING}/order-rvsecncl", tr_id, body | changed)
        return reply

    async def history(self, tr_cont: str = "", key: str = "", **changed: str):
        paper = self.kis.host.paper
        everything = "" if paper else "%"
        self.kis.clock.advance(16 if paper else 0.1)
        fields = self.account() | {
            "PDNO": everything, "ORD_STRT_DT": "20261117", "ORD_END_DT": "20261119", "SLL_BUY_DVSN": "00",
            "CCLD_NCCS_DVSN": "00", "OVRS_EXCG_CD": everything, "SORT_SQN": "DS", "ORD_DT": "", "ORD_GNO_BRNO": "",
            "ODNO": "", "CTX_AREA_FK200": "", "CTX_AREA_NK200": key,
        }  # fmt: skip
        tr_id = "VTTS3035R" if paper else "TTTS3035R"
        return await self.send("GET", f"{TRADING}/inquire-ccnl", tr_id, fields | changed, tr_cont=tr_cont)

    async def inquire(self, name: str, tr_id: str, **fields: str):
        self.kis.clock.advance(1.1 if self.kis.host.paper else 0.1)
        _, reply, _ = await self.send("GET", f"{TRADING}/{name}", tr_id, self.account() | fields)
        return reply


async def call(address: str, method: str, path: str, body=None, **headers):
    """(status, JSON) of the control API."""
    url = f"http://{address}{path}"
    async with aiohttp.ClientSession() as http, http.request(method, url, json=body, headers=headers) as reply:
        return reply.status, await reply.json(content_type=None) if reply.status != 403 else None
